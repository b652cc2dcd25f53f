"""Makes the platform known to JAX, and is the door through which the plugin reaches the compiler.

Registration only records where the library is: devices come with the first use of the backend, and the compiler is
imported with the first compilation.
"""

from __future__ import annotations

import atexit
import threading
import time
import traceback
from contextlib import suppress

from . import configuration, jax_compat
from .errors import AscendError, HazardError, status_of

PLATFORM = "ascend"
EXIT_SECONDS = 2.0  # how long work in flight may take to end by itself when the process exits
_lock = threading.Lock()
_registered = False


def register() -> None:
    """Register the platform `ascend` once; later calls do nothing."""
    global _registered
    with _lock:
        if _registered:
            return
        _registered = True
        from . import _plugin

        _plugin.set_stablehlo_version(*jax_compat.stablehlo_versions())
        jax_compat.register_plugin(
            PLATFORM, _plugin.__file__, configuration.PRIORITY.get(), configuration.client_options
        )


@atexit.register
def _end_work() -> None:
    """Wait for the devices' work before the process exits, and end compilations and what takes longer than a moment.

    A thread of C++ that is inside Python when the interpreter goes away would abort the process: one of a device in a
    callback, or one that compiles, because Ctrl-C ended only the wait for it.
    """
    from . import _plugin

    while _plugin.end_compilations():
        with suppress(KeyboardInterrupt):
            time.sleep(0.05)
    end = time.monotonic() + EXIT_SECONDS
    while True:
        try:  # Ctrl-C arrives between two waits
            if _plugin.drain(0.05):
                return
        except KeyboardInterrupt:
            end = 0.0
        if time.monotonic() > end:
            _plugin.cancel(for_good=True)


def compile_for_plugin(artifact: bytes, options: bytes, target: str) -> tuple[int, bytes]:
    """Compile a portable artifact; called by the plugin with the GIL held.

    Returns:
        (0, the Program's bytes), or (a PJRT status code, the message as UTF-8).
    """
    try:
        from .compiler import pipeline  # pyright: ignore

        program = pipeline.compile_artifact(artifact, options, target, configuration.DUMP.get())
        if configuration.CHECK.get():
            _check(program)
        return 0, program
    except AscendError as error:
        return status_of(error), str(error).encode()
    except Exception as error:
        code = status_of(error)
        expected = code != status_of(Exception())
        text = str(error) if expected else "".join(traceback.format_exception(error))
        return code, text.encode()


def _check(data: bytes) -> None:
    """Verify the kernels by the declarations, as the plugin will when it loads them, and look for hazards."""
    from . import _plugin
    from .compiler.ir.program import Program  # pyright: ignore
    from .compiler.isa.verify_kernel import verify_kernel  # pyright: ignore
    from .compiler.targets import target  # pyright: ignore

    program = Program.decode(data)
    for kernel in program.kernels:
        verify_kernel(kernel, target(program.target))
    found = _plugin.find_hazards(data)
    if found:
        raise HazardError(
            f"[hazard check] {len(found)} hazards; expected none in a compiled program, got\n" + "\n".join(found) + "\n"
            "This is a defect of the compiler: please report it with the stages that JAX_ASCEND_DUMP=directory writes."
        )

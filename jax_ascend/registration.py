"""Makes the platform known to JAX, and is the door through which the plugin reaches the compiler.

Registration only records where the library is: devices come with the first use of the backend, and the compiler is
imported with the first compilation.
"""

from __future__ import annotations

import atexit
import threading
import traceback
from collections.abc import Callable

from . import configuration, jax_compat
from .errors import AscendError, HazardError, status_of

PLATFORM = "ascend"
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
        # A device thread that is inside a callback when the interpreter goes away would end the process.
        atexit.register(_plugin.drain)


def compile_for_plugin(artifact: bytes, options: bytes, target: str) -> tuple[int, bytes]:
    """Compile a portable artifact for a target, given as text; called by the plugin with the GIL held.

    Returns:
        (0, the Program's bytes), or (a PJRT status code, the message as UTF-8).
    """

    def compile() -> bytes:
        from .compiler import pipeline  # pyright: ignore
        from .compiler.target_text import parse_target  # pyright: ignore

        device = parse_target(target, "client")
        program = pipeline.compile_artifact(artifact, options, device, configuration.DUMP.get())
        if configuration.CHECK.get():
            _check(program)
        return program

    return _answer(compile)


def target_for_plugin(name: str) -> tuple[int, bytes]:
    """Return the text of the target that a name or a TOML file gives, "" being the configured one, as compile_for_plugin."""
    return _answer(lambda: configuration.target_text(name).encode())


def _answer(run: Callable[[], bytes]) -> tuple[int, bytes]:
    try:
        return 0, run()
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
    from .compiler.program.program import Program  # pyright: ignore
    from .compiler.program.verify_kernel import verify_kernel  # pyright: ignore

    program = Program.decode(data)
    for kernel in program.kernels:
        verify_kernel(kernel, program.target)
    found = _plugin.find_hazards(data)
    if found:
        raise HazardError(
            f"[hazard check] {len(found)} hazards; expected none in a compiled program, got\n" + "\n".join(found) + "\n"
            "This is a defect of the compiler: please report it with the stages that JAX_ASCEND_DUMP=directory writes."
        )

"""Makes the platform known to JAX, and is the door through which the plugin reaches the compiler.

Registration only records where the library is: devices come with the first use of the backend, and the compiler is
imported with the first compilation.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from . import compile_options, configuration, foreign, function_rules, jax_compat
from .compiler.errors import INTERNAL, AscendError, HazardError

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
        function_rules.register(PLATFORM)
        foreign.register(PLATFORM)


@contextmanager
def _lost_ends_are_silent() -> Generator[None]:
    """Not report a SystemExit that ends a thread and arrives in a callback of the garbage collector, which swallows it.

    The thread is sent another one.
    """
    report = sys.unraisablehook
    sys.unraisablehook = lambda lost: None if lost.exc_type is SystemExit else report(lost)
    try:
        yield
    finally:
        sys.unraisablehook = report


@atexit.register
@_lost_ends_are_silent()
def _end_work() -> None:
    """Wait for the devices' work before the process exits, and end compilations and what takes longer than a moment.

    What is in a function of the host is interrupted too, as soon as it runs Python code.

    A thread of C++ that is inside Python when the interpreter goes away would abort the process: one of a device in a
    callback, or one that compiles, because Ctrl-C ended only the wait for it.
    """
    from . import _plugin

    _plugin.exit_begins()
    while _plugin.end_compilations():
        with suppress(KeyboardInterrupt):
            time.sleep(0.05)
    end = time.monotonic() + EXIT_SECONDS
    while True:
        try:  # Ctrl-C arrives between two waits
            if _plugin.drain(0.05):
                return _plugin.leave(EXIT_SECONDS)
        except KeyboardInterrupt:
            end = 0.0
        if time.monotonic() > end:
            _plugin.cancel(for_good=True)
            _plugin.end_host_calls()


def compile_for_plugin(artifact: bytes, options: bytes, target: str) -> tuple[int, bytes]:
    """Compile a portable artifact for a target, given as text; called by the plugin with the GIL held.

    Returns:
        (0, the Program's bytes), or (a PJRT status code, the message as UTF-8).
    """

    def compile() -> bytes:
        from .compiler import pipeline
        from .compiler.target_text import parse_target
        from .sharding_functions import FUNCTIONS

        compile_options.check(options)
        check = configuration.CHECK.get()
        device = parse_target(target, "client")
        handlers = foreign.handlers()
        dump = configuration.DUMP.get()
        program = pipeline.compile_artifact(artifact, options, device, dump, check, handlers, FUNCTIONS)
        if check:
            _find_hazards(program)
        return program

    return _answer(compile)


def target_for_plugin(name: str) -> tuple[int, bytes]:
    """Return the text of the target that a name or a TOML file gives, "" being the configured one, as compile_for_plugin."""
    return _answer(lambda: configuration.target_text(name).encode())


def profiler_for_plugin(step: str) -> tuple[int, bytes]:
    """Take a step of a trace of jax.profiler: "start", "stop" or "collect", as compile_for_plugin."""
    from . import xprof

    return _answer({"start": xprof.start, "stop": xprof.stop, "collect": xprof.collect}[step])


def lapack_for_plugin(name: str) -> tuple[int, bytes]:
    """Return the address of a function of LAPACK or BLAS as decimal digits, as compile_for_plugin."""
    from . import lapack

    return _answer(lambda: str(lapack.address(name)).encode())


def zeromq_for_plugin(names: str) -> tuple[int, bytes]:
    """Return the addresses of functions of ZeroMQ as decimal digits, in the order of their names, as compile_for_plugin."""
    from . import zeromq

    return _answer(lambda: " ".join(map(str, zeromq.addresses(names.split()))).encode())


def _answer(run: Callable[[], bytes]) -> tuple[int, bytes]:
    try:
        return 0, run()
    except AscendError as error:
        cause = (
            ["\n", *traceback.format_exception(error.__cause__)] if error.__cause__ and error.code == INTERNAL else []
        )
        return error.code, "".join([str(error), *cause]).encode()
    except Exception as error:
        return INTERNAL, "".join(traceback.format_exception(error)).encode()


def _find_hazards(data: bytes) -> None:
    """Raise HazardError if silicon could execute a kernel of the program wrongly."""
    from . import _plugin

    found = _plugin.find_hazards(data)
    if found:
        raise HazardError(
            f"[hazard check] {len(found)} hazards; expected none in a compiled program, got\n" + "\n".join(found) + "\n"
            "This is a defect of the compiler: please report it with the stages that JAX_ASCEND_DUMP=directory writes."
        )

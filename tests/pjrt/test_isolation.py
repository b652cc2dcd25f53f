"""No computation of a user's program leaves the executor, but for the functions of the host that it calls: no XLA, no Python,
no numeric library but SciPy's LAPACK.

What the extension module can call is read from its symbols and sources; that a run needs no Python is
shown by running while Python stands still.
"""

import pickle
import re
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import serialize_executable
from test_processes import run

from jax_ascend import _plugin

PLUGIN = Path(__file__).parents[2] / "plugin"
# The files of the module that speak to Python: its functions, the calls of the compiler and of users' functions, DLPack, signals.
PYTHON_FILES = re.compile(r"(bindings|python_(compiler|dlpack|exception|functions|object|signals)|module_\w+)\.(cc|h)")
# Versioned symbols come from the C and C++ runtime; weak ones without a version are hooks that need not exist.
RUNTIME = re.compile(r"@(GLIBC|GLIBCXX|CXXABI|GCC)_")
HOOKS = {"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__gmon_start__"}
# With these a library could be loaded or a program started while running.
LOADERS = {
    "dlopen",
    "dlmopen",
    "dlsym",
    "dlvsym",
    "system",
    "popen",
    "fork",
    "vfork",
    "posix_spawn",
    "execve",
    "execvp",
}


def imported_symbols():
    done = subprocess.run(
        ["nm", "-D", "--undefined-only", _plugin.__file__], capture_output=True, text=True, check=True
    )
    return [line.split()[-1] for line in done.stdout.splitlines()]


def test_the_library_imports_the_language_runtimes_and_nothing_else():
    symbols = imported_symbols()
    if any(s.startswith(("__asan_", "__tsan_", "__ubsan_")) for s in symbols):
        pytest.skip("a build with sanitizers imports those too")
    assert "PyGILState_Ensure" in symbols and any(s.startswith("malloc@") for s in symbols)
    foreign = [s for s in symbols if not RUNTIME.search(s) and not re.match("_?Py", s) and s not in HOOKS]
    assert foreign == []
    assert LOADERS & {s.partition("@")[0] for s in symbols} == set()


def includes():
    """Return (file, header) of every include of the plugin; headers of the project in quotes."""
    files = [*PLUGIN.rglob("*.cc"), *PLUGIN.rglob("*.h")]
    return [
        (f, h) for f in files for h in re.findall(r'^\s*#\s*include\s+(<[^>]+>|"[^"]+")', f.read_text(), re.MULTILINE)
    ]


def test_only_the_bindings_know_python():
    """A header-only library would leave no symbol: nothing but standard and system headers is included."""
    system = {
        "<immintrin.h>",
        "<cpuid.h>",
        "<arm_neon.h>",
        "<sanitizer/asan_interface.h>",
        "<sys/mman.h>",
        "<sys/syscall.h>",
        "<linux/futex.h>",
        "<unistd.h>",
    }
    standard = re.compile(r"<[a-z_]+>")
    foreign = [
        (file.name, header)
        for file, header in includes()
        if not PYTHON_FILES.fullmatch(file.name)
        and not standard.fullmatch(header)
        and header not in system
        and not (
            header.startswith(('"plugin/', '"isa.gen.h', '"isa_types.gen.h', '"build.gen.h'))
            and not PYTHON_FILES.search(header)
        )
    ]
    assert foreign == []


def test_the_executor_cannot_reach_the_compiler():
    callers = {file.relative_to(PLUGIN).as_posix() for file, header in includes() if "runtime/compiler.h" in header}
    assert callers == {
        "bindings.cc",
        "pjrt/compile.cc",
        "pjrt/profiler.cc",
        "python_compiler.cc",
        "python_functions.cc",
        "runtime/topology.cc",
    }


def work(n, x, count):
    """Count to `n` more: a product, a sort, a gather and elementwise functions in a loop of unknown length."""

    def body(i, carry):
        x, count = carry
        x = jnp.tanh(x @ x.T / 8) + jnp.sort(x, axis=1)[::-1] + x[(jnp.arange(x.shape[0]) * i) % x.shape[0]] / 9
        return x / 3, count + jnp.where(jnp.isfinite(x[0, 0]), 1, 2)

    return lax.fori_loop(0, n, body, (x, count))


def test_a_program_runs_while_python_stands_still():
    """One thread holds the GIL from before the program is launched until its result is in memory."""
    tests = str(Path(__file__).parent)
    out = run(f"""
    import ctypes, sys, time
    sys.path.insert(0, {tests!r})
    import jax, numpy as np
    from test_isolation import work
    device = jax.devices("ascend")[0]
    n = 1000
    x = jax.device_put(np.eye(64, dtype=np.float32), device)
    program = jax.jit(work).lower(n, x, np.zeros(3, np.int32)).compile()
    arguments = jax.device_put((np.int32(n), x, np.full(3, 5_000_000, np.int32)), device)
    sys.setswitchinterval(3600)  # who has the GIL keeps it, unless it waits
    y, count = program(*arguments)
    last = ctypes.c_int32.from_address(count.unsafe_buffer_pointer() + 8)
    assert last.value != 5_000_000 + n, "already done: a longer program is needed to show anything"
    deadline = time.monotonic() + 100
    while last.value != 5_000_000 + n and time.monotonic() < deadline:
        pass
    print(last.value, np.asarray(count))
    """).stdout
    assert out == "5001000 [5001000 5001000 5001000]\n"


def test_a_stored_program_needs_neither_the_compiler_nor_another_backend(tmp_path, device):
    """In a process with no XLA client and without the compiler, which imports of it only how a target is read."""
    x = jax.device_put(np.eye(64, dtype=np.float32), device)
    arguments = jax.device_put((np.int32(10), x, np.zeros(3, np.int32)), device)
    stored = tmp_path / "program"
    compiled = jax.jit(work).lower(*arguments).compile()
    stored.write_bytes(pickle.dumps(serialize_executable.serialize(compiled)))
    out = run(
        f"""
    import pickle, sys
    import jax, numpy as np
    from jax._src import xla_bridge
    from jax.experimental import serialize_executable
    device = jax.devices()[0]
    with open({str(stored)!r}, "rb") as file:
        stored = pickle.load(file)
    program = serialize_executable.deserialize_and_load(*stored, backend="ascend", execution_devices=[device])
    y, count = program(*jax.device_put((np.int32(10), np.eye(64, dtype=np.float32), np.zeros(3, np.int32)), device))
    print(np.asarray(count), float(np.asarray(y)[5, 7]).hex(), list(xla_bridge.backends()))
    print(sorted({{name.split(".")[2] for name in sys.modules if name.startswith("jax_ascend.compiler.")}}))
    """,
        JAX_PLATFORMS="ascend",
    ).stdout
    want = float(np.asarray(compiled(*arguments)[0])[5, 7]).hex()
    assert out == f"[10 10 10] {want} ['ascend']\n['errors', 'isa', 'target_text', 'targets']\n"

"""Things that take a process of their own: start, exit, caches on disk, other ways to load the library."""

import os
import subprocess
import sys
import textwrap

import jax_ascend._plugin

PROGRAM = """
import jax, numpy as np
device = jax.devices("ascend")[0]
x = jax.device_put(np.ones(4, np.float32), device)
print(np.asarray(jax.jit(lambda x: x + 1)(x)))
"""


def run(program, **environment):
    """Run a program with the installed package: `-P` keeps the checkout, where no extension module is, out of its path."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("JAX")}
    done = subprocess.run(
        [sys.executable, "-P", "-W", "default", "-c", textwrap.dedent(program)],
        env=variables | environment, capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_start_and_exit_without_a_word():
    done = run(PROGRAM)
    assert done.stdout == "[2. 2. 2. 2.]\n"
    assert done.stderr == ""


def test_cpu_stays_the_default():
    assert run("import jax; print(jax.default_backend(), jax.devices('ascend'))").stdout == "cpu [ascend:0]\n"


def test_jax_platforms_makes_it_the_default():
    assert run("import jax; print(jax.devices())", JAX_PLATFORMS="ascend,cpu").stdout == "[ascend:0]\n"


def test_number_of_devices_target_and_capacity():
    done = run(
        "import jax; d = jax.devices('ascend'); print(len(d), d[3].device_kind, d[3].memory_stats()['bytes_limit'])",
        JAX_ASCEND_DEVICES="4", JAX_ASCEND_TARGET="ascend910c", JAX_ASCEND_HBM_BYTES="1GB",
    )  # fmt: skip
    assert done.stdout == "4 Ascend 910C 1000000000\n"


def test_exit_with_work_in_flight():
    run("""
    import jax, numpy as np
    step = jax.jit(lambda x: x + 1)
    x = jax.device_put(np.ones(1 << 22, np.float32), jax.devices("ascend")[0])
    for _ in range(50):
        x = step(x)
    x.copy_to_host_async()
    """)


def test_the_persistent_cache(tmp_path):
    program = """
    import jax, numpy as np
    from jax._src import monitoring
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    events = []
    monitoring.register_event_listener(lambda event, **_: events.append(event))
    x = jax.device_put(np.ones(4, np.float32), jax.devices("ascend")[0])
    print(np.asarray(jax.jit(lambda x: x + 1)(x)))
    print("hits", events.count("/jax/compilation_cache/cache_hits"))
    """
    first, second = (run(program, JAX_COMPILATION_CACHE_DIR=str(tmp_path)).stdout for _ in range(2))
    assert first.endswith("hits 0\n")
    assert first.startswith("[2. 2. 2. 2.]") and second.startswith("[2. 2. 2. 2.]")
    assert not second.endswith("hits 0\n")


def test_the_library_alone(tmp_path):
    """Without the entry point, by the library's path: the compiler is found all the same."""
    program = (
        "import sys; sys.modules['jax_plugins'] = None\nimport importlib.metadata\n"
        + textwrap.dedent("""
    original = importlib.metadata.entry_points
    importlib.metadata.entry_points = lambda **k: [] if k.get("group") == "jax_plugins" else original(**k)
    """)
        + PROGRAM
    )
    done = run(program, PJRT_NAMES_AND_LIBRARY_PATHS=f"ascend:{jax_ascend._plugin.__file__}")
    assert done.stdout == "[2. 2. 2. 2.]\n"


def test_an_error_becomes_a_python_exception_and_the_device_lives_on():
    done = run("""
    import jax, jax.numpy as jnp, numpy as np
    import jax_ascend.registration as registration
    device = jax.devices("ascend")[0]
    original = registration.compile_for_plugin
    def fail(*_):
        raise KeyError("told to fail")
    registration.compile_for_plugin = fail
    x = jax.device_put(np.ones(4, np.float32), device)
    try:
        jax.jit(lambda x: x + 1)(x)
    except jax.errors.JaxRuntimeError as error:
        print("INTERNAL" in str(error), "told to fail" in str(error))
    registration.compile_for_plugin = original
    print(np.asarray(jax.jit(lambda x: x + 1)(x)))
    """)
    assert done.stdout == "True True\n[2. 2. 2. 2.]\n"


def test_a_stored_factorisation_runs_where_nothing_was_compiled(tmp_path):
    """Such a process has not met LAPACK before it loads the program."""
    path = tmp_path / "program"
    run(f"""
    import pickle, jax, jax.numpy as jnp, numpy as np
    from jax.experimental import serialize_executable
    x = jax.device_put(np.diag(np.float32([3, 1, 2])), jax.devices("ascend")[0])
    compiled = jax.jit(jnp.linalg.eigvalsh).lower(x).compile()
    pickle.dump(serialize_executable.serialize(compiled), open({str(path)!r}, "wb"))
    """)
    done = run(f"""
    import pickle, sys, jax, numpy as np
    from jax.experimental import serialize_executable
    device = jax.devices("ascend")[0]
    assert "jax_ascend.compiler.pipeline" not in sys.modules
    stored = pickle.load(open({str(path)!r}, "rb"))
    loaded = serialize_executable.deserialize_and_load(*stored, backend="ascend", execution_devices=[device])
    print(np.asarray(loaded(jax.device_put(np.diag(np.float32([3, 1, 2])), device))))
    assert "jax_ascend.compiler.pipeline" not in sys.modules
    """)
    assert done.stdout == "[1. 2. 3.]\n"


def test_threads_factor_at_the_same_time_and_exit_does_not_hang():
    done = run("""
    import jax, jax.numpy as jnp, numpy as np
    from concurrent.futures import ThreadPoolExecutor
    draw = np.random.default_rng(0)
    a = [draw.standard_normal((4, 60, 60)).astype(np.float32) for _ in range(12)]
    def work(x):
        with jax.default_device(jax.devices("ascend")[0]):
            q, r = jnp.linalg.qr(x)
            return np.abs(np.asarray(q @ r) - x).max(), np.abs(np.asarray(jnp.linalg.solve(x, x)) - np.eye(60)).max()
    with ThreadPoolExecutor(6) as threads:
        errors = np.array(list(threads.map(work, a)))
    print((errors < 1e-2).all())
    jax.jit(jnp.linalg.svd)(jax.device_put(np.ones((700, 700), np.float32), jax.devices("ascend")[0]))  # in flight
    """)
    assert done.stdout == "True\n" and done.stderr == ""

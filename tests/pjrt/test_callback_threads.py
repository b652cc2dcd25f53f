"""Functions of the host that use the device themselves, from many threads, at the exit: nothing waits for itself."""

import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback
from test_interrupts import PRELUDE
from test_processes import run

VECTOR = jax.ShapeDtypeStruct((8,), jnp.float32)
SMALL = np.arange(8, dtype=np.float32)


@pytest.fixture
def step():
    return jax.jit(lambda x: jnp.sin(x) * 2)


def calling(function):
    """A program that adds one to what a function of the host gives."""
    return jax.jit(lambda x: jax.pure_callback(function, VECTOR, x) + 1)


def run_together(threads):
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_it_computes_on_the_device_that_waits_for_it(device, step):
    """Also behind launches that were accepted before and need its result."""
    program = calling(lambda v: np.asarray(step(step(jax.device_put(np.asarray(v), device)))))
    want = np.asarray(step(step(jax.device_put(SMALL, device)))) + 1
    threads = []
    for _ in range(20):
        y = program(jax.device_put(SMALL, device))
        z = step(step(y))
        threads.append((np.asarray(y), np.asarray(z)))
    for y, _ in threads:
        np.testing.assert_array_equal(y, want)


def test_programs_that_need_its_result_are_queued_before_it_launches(device, step):
    """The function starts to use the device only when another thread has launched what waits for the function."""
    launched, called = threading.Event(), threading.Event()
    results = []

    def wait(v):
        called.set()
        assert launched.wait(60)
        return np.asarray(step(jax.device_put(np.asarray(v), device)))

    x = jax.device_put(SMALL, device)
    donated = jax.device_put(np.ones(1 << 16, np.float32), device)
    first = threading.Thread(target=lambda: results.append(calling(wait)(x)))
    first.start()
    assert called.wait(60)
    update = jax.jit(lambda x: x.at[0].set(5), donate_argnums=0)
    others = [step(x) for _ in range(50)]  # more than a queue holds
    updated = update(donated)
    launched.set()
    first.join()
    np.testing.assert_array_equal(np.asarray(results[0]), np.asarray(step(x)) + 1)
    assert float(updated[0]) == 5 and all(np.array_equal(o, others[0]) for o in others)


def test_it_leaves_the_work_to_another_thread(device, step):
    """The thread has to get its launches into a queue that others keep full."""
    with ThreadPoolExecutor(2) as pool:
        there = lambda v: np.asarray(step(jax.device_put(np.asarray(v), device)))  # noqa: E731
        program = calling(lambda v: pool.submit(there, v).result(60))
        product = jax.jit(lambda a: a @ a / 300)
        want, failures = np.asarray(step(jax.device_put(SMALL, device))) + 1, []

        def work():
            for _ in range(3):
                y, b = program(jax.device_put(SMALL, device)), jax.device_put(np.ones((300, 300), np.float32), device)
                for _ in range(60):
                    b = product(b)
                if not np.array_equal(y, want) or float(b[0, 0]) != 1:
                    failures.append((y, b))

        run_together([threading.Thread(target=work) for _ in range(4)])
        assert not failures


def test_functions_inside_functions(device):
    def deep(n, v):
        inner = (lambda t: deep(n - 1, t)) if n else np.asarray
        return np.asarray(calling(inner)(jax.device_put(np.asarray(v), device)))

    np.testing.assert_array_equal(deep(5, SMALL), SMALL + 6)


def test_two_devices_that_call_each_other(device, other_device, step):
    def work(here, there, failures):
        program = calling(lambda v: np.asarray(step(jax.device_put(np.asarray(v), there))))
        for _ in range(10):
            y = program(jax.device_put(SMALL, here))
            z = step(jax.device_put(y, there))
            if not np.array_equal(z, step(jax.device_put(step(jax.device_put(SMALL, here)) + 1, here))):
                failures.append(z)

    failures = []
    pairs = [(device, other_device), (other_device, device)] * 2
    run_together([threading.Thread(target=work, args=(*pair, failures)) for pair in pairs])
    assert not failures


def test_memory_that_it_still_reads_is_not_given_away(device):
    """A launch that overwrites an argument passes the program that waits for its function only if that does not read it."""
    x = jax.device_put(np.ones(1 << 16, np.float32), device)
    called, go = threading.Event(), threading.Event()
    results = []

    def wait(v):
        called.set()
        go.wait(0.3)  # the update must not run before this returns
        return np.float32(0)

    reads = jax.jit(lambda x: jax.pure_callback(wait, jax.ShapeDtypeStruct((), jnp.float32), x[0]) + x.sum())
    thread = threading.Thread(target=lambda: results.append(float(reads(x))))
    thread.start()
    assert called.wait(60)
    updated = jax.jit(lambda x: x * 0 + 7, donate_argnums=0)(x)
    assert np.asarray(updated).max() == 7
    thread.join()
    assert results == [1 << 16]


def test_ordered_across_programs_and_threads(device):
    numbers = []
    programs = [
        jax.jit(lambda i, k=k: io_callback(lambda v: numbers.append((k, int(v))), None, i, ordered=True))
        for k in (0, 1)
    ]
    with jax.default_device(device):
        for i in range(100):
            programs[i % 2](i)
    jax.effects_barrier()
    assert numbers == [(i % 2, i) for i in range(100)]


def test_thousands_of_calls_leave_nothing_behind(device):
    program = calling(lambda v: np.asarray(v))
    x = jax.device_put(SMALL, device)
    big = jax.jit(lambda x: jax.pure_callback(lambda v: np.asarray(v), x, x))
    y = jax.device_put(np.zeros(1 << 20, np.float32), device)
    for _ in range(3):
        program(x), big(y)
    in_use = device.memory_stats()["bytes_in_use"]
    threads = threading.active_count()
    for _ in range(1000):
        program(x)
    for _ in range(100):
        big(y)
    assert device.memory_stats()["bytes_in_use"] <= in_use
    assert threading.active_count() == threads


# ---- Ctrl-C and exit


def lines(program):
    return run(PRELUDE.replace("jnp.int64", "jnp.int32") + program).stdout.splitlines()


def test_exit_from_a_loop_of_callbacks():
    assert lines("""
def stop(i):
    print("step", i, flush=True)
def body(i, s):
    jax.debug.callback(lambda i: print("step", int(i), flush=True), i)
    return s
program = jax.jit(lambda: lax.fori_loop(0, 3, body, 0))
program()
print("leaving", flush=True)
sys.exit(0)
""") == ["step 0", "step 1", "step 2", "leaving"]


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(0.5); print('called', flush=True)",  # ends by itself
        "\n    while True: pass",
        "\n    while True: time.sleep(0.01)",
        "np.asarray(jnp.sin(jax.device_put(np.ones(3), npu))); time.sleep(0.1); print('called', flush=True)",
    ],
)  # fmt: skip
def test_exit_while_another_thread_is_in_a_callback(body):
    out = lines(f"""
started = threading.Event()
def call(v):
    started.set()
    {body}
    return np.float32(0)
program = jax.jit(lambda x: jax.pure_callback(call, jax.ShapeDtypeStruct((), jnp.float32), x))
def quietly():
    try:
        program(1.0)
    except jax.errors.JaxRuntimeError as error:
        if not started.is_set():
            print(error, flush=True)
            started.set()
threading.Thread(target=quietly, daemon=True).start()
started.wait()
print("leaving", flush=True)
""")
    assert out[0] == "leaving" and out[1:] in (["called"], [])
    assert ("called" in body) == (out[1:] == ["called"])


def test_exit_during_an_endless_loop_with_callbacks():
    assert lines("""
started = threading.Event()
def body(s):
    jax.debug.callback(lambda i: started.set(), s)
    return s + 1
program = jax.jit(lambda: lax.while_loop(lambda s: s >= 0, body, 0))
def quietly():
    try:
        program()
    except jax.errors.JaxRuntimeError as error:
        if not started.is_set():
            print(error, flush=True)
            started.set()
threading.Thread(target=quietly, daemon=True).start()
started.wait()
print("leaving")
""") == ["leaving"]


def test_ctrl_c_in_a_callback():
    """It is raised in the function, as with XLA:CPU; the process goes on."""
    assert lines("""
def call(v):
    interrupt()
    time.sleep(30)
    return np.float32(0)
try:
    jax.jit(lambda x: jax.pure_callback(call, jax.ShapeDtypeStruct((), jnp.float32), x))(1.0)
    print("not reached")
except jax.errors.JaxRuntimeError as error:
    print("KeyboardInterrupt" in str(error))
print(float(jax.jit(lambda x: x * 2)(jnp.float32(4))))
""") == ["True", "8.0"]


def test_ctrl_c_while_the_device_computes_between_callbacks():
    assert lines("""
def body(s):
    return s[0] + 1, s[1] * 1.5
def program(n):
    jax.debug.callback(lambda: (print("called", flush=True), interrupt())[0])
    return lax.while_loop(lambda s: s[0] < n, body, (0, 1.0))
try:
    jax.jit(program)(forever)
    print("not reached")
except KeyboardInterrupt:
    print("interrupted")
""") == ["called", "interrupted"]

"""Ctrl-C, exits in the middle of something, and how far launches run ahead: nothing hangs, no signal ends a process."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from test_processes import run

import jax_ascend._plugin as plugin

# `endless` is a loop of many hours; `interrupt()` sends SIGINT in a moment.
PRELUDE = """
import os, signal, sys, threading, time, atexit
import numpy as np
import jax, jax.numpy as jnp
from jax import lax
npu = jax.devices("ascend")[0]
jax.config.update("jax_default_device", npu)
endless = jax.jit(lambda n: lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * 1.5), (jnp.int64(0), 1.0)))
forever = 2**31 - 1
def interrupt():
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
"""


def run_lines(program):
    done = run(PRELUDE.replace("jnp.int64", "jnp.int32") + program)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("first", ["", "endless(3)[0].block_until_ready()"])
def test_exit_during_a_long_loop(first):
    """Also if its first run was short, which does not make it one that may run in the launching thread."""
    assert run_lines(f"{first}\ny = endless(forever)\nprint('dispatched', y[0].is_ready())") == ["dispatched False"]


def test_ctrl_c_while_waiting_then_exit():
    assert run_lines("""
y = endless(forever)
interrupt()
try:
    y[0].block_until_ready()
except KeyboardInterrupt:
    print("interrupted")
print("leaving")
""") == ["interrupted", "leaving"]


def test_ctrl_c_while_there_is_no_room_for_a_launch():
    """The launch is accepted, and KeyboardInterrupt is raised as soon as Python code runs again."""
    assert run_lines("""
y = endless(forever)
step = jax.jit(lambda x: x + 1)
x = step(y[1])
interrupt()
try:
    for _ in range(100):
        x = step(x)
    print("not reached")
except KeyboardInterrupt:
    print("interrupted")
""") == ["interrupted"]


def test_ctrl_c_in_a_compilation():
    """While the compiler runs: a process that exits while jaxlib writes the module down may crash, on XLA:CPU too."""
    assert run_lines("""
def compiling():
    frames = list(sys._current_frames().values())
    while frames:
        frame = frames.pop()
        if frame.f_code.co_name == "compile_module":
            return True
        frames += [frame.f_back] if frame.f_back else []
    return False
def interrupt_compilation():
    while not compiling():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
def f(x):
    for _ in range(3000):
        x = jnp.sin(x @ x) / 64 + x[::-1]
    return x
lowered = jax.jit(f).lower(jnp.ones((64, 64)))
threading.Thread(target=interrupt_compilation, daemon=True).start()
try:
    lowered.compile()
    print("compiled")
except KeyboardInterrupt:
    print("interrupted")
print(float(jax.jit(lambda x: x * 2)(jnp.float32(4))))
""") == ["interrupted", "8.0"]


def test_short_work_ends_before_the_process():
    """The handler that is registered first runs last."""
    assert run_lines("""
step = jax.jit(lambda x: x + 1)
x = jnp.zeros(1 << 20)
for _ in range(100):
    x = step(x)
x.copy_to_host_async()
import jax_ascend.registration as registration
end_work = registration._end_work
atexit.unregister(end_work)
atexit.register(lambda: print(x.is_ready(), np.asarray(x)[7]))
atexit.register(end_work)
""") == ["True 100.0"]


def test_cancelled_launches_fail_and_the_device_lives_on(device):
    with jax.default_device(device):
        loop = jax.jit(lambda n, x: lax.fori_loop(0, n, lambda i, x: jnp.tanh(x @ x), x))
        x = jnp.ones((64, 64))
        y = loop(2**31 - 1, x)
        z = jax.jit(lambda x: x + 1)(y)
        plugin.cancel()
        for cancelled in (y, z):
            with pytest.raises(jax.errors.JaxRuntimeError, match="CANCELLED"):
                cancelled.block_until_ready()
        assert np.asarray(loop(3, x)).shape == (64, 64)
        assert float(jax.jit(lambda x: x + 1)(x)[0, 0]) == 2


def test_launches_run_ahead_by_32(device):
    x = jax.device_put(np.ones((512, 512), np.float32), device)
    step = jax.jit(lambda x: jnp.tanh(x @ x * 1e-3))
    step(x).block_until_ready()
    behind = []
    history = [x]
    for _ in range(100):
        history.append(step(history[-1]))
        behind.append(sum(not h.is_ready() for h in history))
    assert 2 <= max(behind) <= 33


def test_many_threads_without_room(device, other_device):
    """Donation, two devices, and reads in between, from more threads than a queue has room for launches."""
    failures = []
    step = jax.jit(lambda x: x @ x * 0 + x[0, 0] + 1, donate_argnums=0)

    def work(number):
        x = jax.device_put(np.zeros((128, 128), np.float32), (device, other_device)[number % 2])
        for i in range(1, 61):
            x = step(x)
            if i % (number + 7) == 0 and np.asarray(x)[3, 3] != i:
                failures.append((number, i))
        if np.asarray(x)[1, 1] != 60:
            failures.append((number, np.asarray(x)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures

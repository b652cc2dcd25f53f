"""One way to fail, which the arguments name, in process 1 of two; prints what each process sees of it."""

import os
import signal
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from joining import join, leave
from shared_programs import P, place

case = sys.argv[1]
process, count = join()
bad = process == 1
devices = jax.devices("ascend")
mesh = Mesh(np.array(devices), ("i",))
x = place(np.ones((len(devices), 4), np.float32), mesh)


def mapped(f):
    return jax.jit(jax.shard_map(f, mesh=mesh, in_specs=P("i"), out_specs=P("i"), check_vma=False))


def bad_device():
    return lax.axis_index("i") >= jax.local_device_count()


total, largest = mapped(lambda x: lax.psum(x, "i")), mapped(lambda x: lax.pmax(x, "i"))


def dies():
    if bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return total(x)


def dies_in_a_loop():
    y = x
    for i in range(1000):
        if bad and i == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        y = total(y) / len(devices)
    return y


def other_program():
    return largest(x) if bad else total(x)


def other_branch():
    gather = lambda x: lax.all_gather(x, "i", tiled=True)[:1]  # noqa: E731
    return mapped(lambda x: lax.cond(bad_device(), gather, lambda x: lax.psum(x, "i"), x))(x)


def other_groups():
    pairs = [[d, d + len(devices) // 2] for d in range(len(devices) // 2)]
    some = lambda x: lax.psum(x, "i", axis_index_groups=pairs)  # noqa: E731
    return mapped(lambda x: lax.cond(bad_device(), some, lambda x: lax.psum(x, "i"), x))(x)


def fewer_trips():
    return mapped(lambda x: lax.fori_loop(0, jnp.where(bad_device(), 3, 4), lambda i, x: lax.psum(x, "i"), x))(x)


def raises():
    def check(x):
        if bad:
            raise ValueError("a check of one process")
        return x

    return mapped(lambda x: lax.psum(jax.pure_callback(check, x, x), "i"))(x)


def is_late():
    if bad:
        time.sleep(6)
    return total(x)


def is_interrupted():
    print("WAITS", flush=True)
    if bad:
        time.sleep(600)
    return total(x)


start = time.monotonic()
try:
    jax.block_until_ready((total(x), largest(x)))
    jax.block_until_ready(globals()[case]())
    print("FINE", flush=True)
except BaseException as error:
    print(f"ERROR after {time.monotonic() - start:.1f} s: {type(error).__name__}: {error}", flush=True)
if case == "is_interrupted":
    leave()  # as on XLA:CPU the interrupt ended the wait, and not the work
alone = jax.device_put(np.ones(3, np.float32), jax.local_devices()[0]) + 1
print("ALONE", float(alone.sum()), flush=True)
if case in ("other_program", "other_branch", "other_groups", "fewer_trips", "raises"):
    print("TOGETHER", float(total(x).addressable_shards[0].data.sum()), flush=True)
    time.sleep(1)  # until the other one has said so, too: JAX ends it once this one has left
leave()

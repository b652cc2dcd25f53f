"""Arrays go out by DLPack as host memory, without a copy, and come in from it."""

import gc
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_processes import run

NUMPY = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "complex64"]
NARROW = ["bfloat16", *(n for n in dir(jnp) if n.startswith("float8"))]


@pytest.mark.parametrize("dtype", NUMPY)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (2, 1, 5)])
def test_numpy_sees_the_memory(device, dtype, shape):
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    y = jax.device_put(x, device)
    taken = np.from_dlpack(y)
    assert taken.dtype == x.dtype
    np.testing.assert_array_equal(taken, x)
    assert not x.size or taken.ctypes.data == y.unsafe_buffer_pointer()


@pytest.mark.parametrize("dtype", ["float32", *NARROW])
def test_jax_sees_the_memory(device, dtype):
    """Types that NumPy's DLPack does not have go to XLA:CPU, which knows each code."""
    x = jax.device_put(jnp.arange(6, dtype=jnp.float32).reshape(2, 3).astype(dtype), device)
    assert tuple(x.__dlpack_device__()) == (1, 0)  # kDLCPU
    y = jax.dlpack.from_dlpack(x, copy=False)
    assert y.platform() == "cpu" and y.dtype == x.dtype
    assert y.unsafe_buffer_pointer() == x.unsafe_buffer_pointer()
    np.testing.assert_array_equal(np.asarray(y).view(np.uint8), np.asarray(x).view(np.uint8))


def test_a_result_that_is_still_computed(device):
    x = jax.device_put(np.ones((700, 700), np.float32), device)
    taken = np.from_dlpack(jax.jit(lambda x: jax.lax.fori_loop(0, 20, lambda i, c: x @ c / 700, x))(x))
    np.testing.assert_allclose(taken, 1, rtol=1e-5)


def test_a_copy_if_asked_for(device):
    x = jax.device_put(np.arange(3.0), device)
    taken = np.from_dlpack(x, copy=True)
    assert taken.ctypes.data != x.unsafe_buffer_pointer()
    np.testing.assert_array_equal(taken, [0, 1, 2])


def test_a_donation_leaves_what_somebody_looks_at(device):
    x = jax.device_put(np.zeros(1000, np.float32), device)
    taken, add = np.from_dlpack(x), jax.jit(lambda x: x + 1, donate_argnums=0)
    y = add(x)
    assert taken.ctypes.data != y.unsafe_buffer_pointer()
    assert not taken.any()


def test_a_donation_after_the_view(device):
    """Once the consumer is done, the memory is given on as if nobody had looked."""
    x = jax.device_put(np.zeros(1000, np.float32), device)
    at = x.unsafe_buffer_pointer()
    np.from_dlpack(x)
    gc.collect()
    assert jax.jit(lambda x: x + 1, donate_argnums=0)(x).unsafe_buffer_pointer() == at
    assert x.is_deleted()


@pytest.mark.parametrize("look", [np.from_dlpack, np.asarray, memoryview])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_view_outlives_the_array(device, look, deleted):
    x = jax.device_put(np.arange(1000, dtype=np.float32), device)
    taken = look(x)
    if deleted:
        x.delete()
    del x
    gc.collect()
    others = [jax.device_put(np.full(1000, -1, np.float32), device) for _ in range(4)]
    np.testing.assert_array_equal(taken, np.arange(1000))
    assert all(float(o[0]) == -1 for o in others)


def test_a_capsule_that_nobody_takes_lets_go(device):
    before = device.memory_stats()["bytes_in_use"]
    x = jax.device_put(np.zeros(1 << 20, np.float32), device)
    capsule = x.__dlpack__()
    del x
    assert device.memory_stats()["bytes_in_use"] >= before + (4 << 20)
    del capsule
    gc.collect()
    assert device.memory_stats()["bytes_in_use"] < before + (4 << 20)


def test_views_let_go_in_any_thread(device):
    before = device.memory_stats()["bytes_in_use"]
    views = [[np.from_dlpack(jax.device_put(np.zeros(1 << 18, np.float32), device))] for _ in range(8)]
    threads = [threading.Thread(target=v.clear) for v in views]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    gc.collect()
    assert device.memory_stats()["bytes_in_use"] < before + (1 << 20)


def test_a_view_at_exit():
    run(
        """
import jax, numpy as np
taken = np.from_dlpack(jax.device_put(np.ones(3, np.float32), jax.devices("ascend")[0]))
capsule = jax.device_put(np.ones(3, np.float32), jax.devices("ascend")[0]).__dlpack__()
np.kept = taken
""",
        JAX_PLATFORMS="ascend",
    )


def test_an_array_comes_in(device):
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    y = jax.dlpack.from_dlpack(x, device=device)
    assert y.devices() == {device}
    np.testing.assert_array_equal(y + 1, x + 1)


@pytest.mark.parametrize("dtype", ["int4", "uint4", "int2", "float4_e2m1fn"])
def test_elements_below_a_byte_are_refused(device, dtype):
    with pytest.raises(BufferError, match=f"has no type for {dtype}.*bitcast"):
        jax.device_put(np.zeros(4, dtype), device).__dlpack__()


@pytest.mark.parametrize("options", [{"dl_device": (2, 0)}, {"stream": 1}, {"max_version": (0, 4)}])
def test_what_memory_of_the_host_is_not(device, options):
    with pytest.raises(BufferError, match=r"\[dlpack\] .* got"):
        jax.device_put(np.ones(3), device).__dlpack__(**options)


def test_a_deleted_array_is_refused(device):
    x = jax.device_put(np.ones(3), device)
    x.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        np.from_dlpack(x)


def test_without_a_cpu():
    """XLA:CPU has no part in it."""
    done = run(
        """
import jax, numpy as np
print(np.from_dlpack(jax.device_put(np.arange(3, dtype=np.float32), jax.devices("ascend")[0])).sum())
""",
        JAX_PLATFORMS="ascend",
    )
    assert "3.0" in done.stdout


def test_several_devices():
    done = run(
        """
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
mesh = jax.make_mesh((2,), ("x",), devices=jax.devices("ascend")[:2])
x = jax.device_put(np.zeros(4), NamedSharding(mesh, P("x")))
for take in (np.from_dlpack, lambda x: x.__dlpack__()):
    try:
        take(x)
    except BufferError as error:
        print(error)
""",
        JAX_PLATFORMS="ascend",
        JAX_ASCEND_DEVICES="2",
    )
    assert done.stdout.count("expected 1 device, got 2") == 2

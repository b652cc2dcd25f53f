"""Arrays to the device and back: element types, strides, memories, devices, lifetimes."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import SingleDeviceSharding

DTYPES = [
    np.bool_, np.int8, np.int16, np.int32, np.uint8, np.uint16, np.uint32, np.float16, np.float32, np.complex64,
    ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4, ml_dtypes.uint4,
]  # fmt: skip
VIEWS = {
    "dense": lambda a: a,
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1, ::2, ::-1],
    "fortran": np.asfortranarray,
    "permuted": lambda a: a[..., ::-1].transpose(1, 0, 2),
    "broadcast": lambda a: np.broadcast_to(a[:, :1], a.shape),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: np.dtype(t).name)
def test_round_trip(device, dtype, view):
    array = VIEWS[view]((np.arange(60).reshape(3, 4, 5) % 7).astype(dtype))
    back = np.asarray(jax.device_put(array, device))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (1, 1, 1)])
def test_shapes_without_extent(device, shape):
    array = np.full(shape, 3, np.float32)
    np.testing.assert_array_equal(np.asarray(jax.device_put(array, device)), array)


def test_large_transposition(device):
    array = np.arange(700 * 513, dtype=np.float32).reshape(700, 513).T
    np.testing.assert_array_equal(np.asarray(jax.device_put(array, device)), array)


def test_the_host_array_may_change_after_the_call(device):
    array = np.arange(1 << 20, dtype=np.float32)
    on_device = jax.device_put(array, device)
    array[:] = 0
    assert np.asarray(on_device)[5] == 5


def test_copies_between_devices(device, other_device):
    x = jax.device_put(np.arange(1 << 18, dtype=np.float32), device)
    y = jax.device_put(x, other_device)
    z = jax.device_put(y, jax.devices("cpu")[0])
    assert y.devices() == {other_device}
    np.testing.assert_array_equal(np.asarray(x), np.asarray(z))


def test_a_copy_waits_for_its_source(device, other_device):
    x = jax.device_put(np.zeros(1 << 18, np.float32), device)
    step = jax.jit(lambda x: x + 1)
    for _ in range(5):
        x = step(x)
    assert np.asarray(jax.device_put(x, other_device))[7] == 5


def test_pinned_host_memory(device):
    x = jax.device_put(np.arange(6, dtype=np.float32), device)
    pinned = jax.device_put(x, SingleDeviceSharding(device, memory_kind="pinned_host"))
    assert pinned.sharding.memory_kind == "pinned_host"
    back = jax.device_put(pinned, SingleDeviceSharding(device, memory_kind="device"))
    assert back.sharding.memory_kind == "device"
    np.testing.assert_array_equal(np.asarray(back), np.arange(6))


def test_pointers_are_aligned_and_distinct(device):
    arrays = [jax.device_put(np.zeros(n, np.int8), device) for n in (1, 63, 64, 65, 5000, 3 << 20)]
    pointers = {a.unsafe_buffer_pointer() for a in arrays}
    assert len(pointers) == len(arrays)
    assert all(p % 64 == 0 for p in pointers)


def test_deleted_arrays_are_refused(device):
    x = jax.device_put(np.ones(4, np.float32), device)
    x.delete()
    assert x.is_deleted()
    with pytest.raises(RuntimeError, match="deleted"):
        np.asarray(x)


def test_delete_while_in_flight(device):
    step = jax.jit(lambda x: x + 1)
    x = jax.device_put(np.zeros(1 << 20, np.float32), device)
    for _ in range(20):
        y = step(x)
        x.delete()
        x = y
    assert np.asarray(x)[-1] == 20


def test_jnp_arrays_from_the_device(device):
    with jax.default_device(device):
        x = jnp.arange(5)
    assert x.devices() == {device}
    assert x.tolist() == [0, 1, 2, 3, 4]

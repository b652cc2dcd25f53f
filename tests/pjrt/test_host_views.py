"""NumPy and memoryview see device memory without a copy; whoever looks keeps what they saw."""

import gc

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint32, np.complex64, np.bool_, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_an_array_is_seen_where_it_lies(device, dtype, shape):
    want = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    x = jax.jit(lambda a: a + np.zeros((), dtype))(jax.device_put(want, device))
    seen = np.asarray(x)
    assert seen.dtype == want.dtype and not seen.flags.writeable
    np.testing.assert_array_equal(seen, want)
    if seen.size:
        assert seen.__array_interface__["data"][0] == x.unsafe_buffer_pointer()


def test_memoryview(device):
    view = memoryview(jax.device_put(np.arange(6, dtype=np.int32).reshape(2, 3), device))
    assert (view.format, view.shape, view.strides, view.readonly) == ("=i", (2, 3), (12, 4), True)
    np.testing.assert_array_equal(np.asarray(view), np.arange(6).reshape(2, 3))


def test_a_donation_does_not_write_what_is_seen(device):
    x = jax.device_put(np.arange(1000, dtype=np.float32), device) + 1
    seen = np.asarray(x)
    y = jax.jit(lambda x: x * 2, donate_argnums=0)(x)
    np.testing.assert_array_equal(seen, np.arange(1000, dtype=np.float32) + 1)
    np.testing.assert_array_equal(y, 2 * seen)


def test_a_reference_does_not_write_what_is_seen(device):
    with jax.default_device(device):
        ref = jax.new_ref(jnp.zeros(8))
        seen = np.asarray(ref[...])
        jax.jit(lambda r: r.__setitem__(..., jnp.ones(8)))(ref)
        assert not seen.any() and np.asarray(ref[...]).all()


def test_a_view_outlives_its_array(device):
    seen = np.asarray(jax.device_put(np.arange(1 << 16, dtype=np.int32), device) * 3)
    gc.collect()
    others = [jax.device_put(np.full(1 << 16, -1, np.int32), device) + i for i in range(4)]
    jax.block_until_ready(others)
    np.testing.assert_array_equal(seen, np.arange(1 << 16) * 3)


def test_a_deleted_array_is_not_seen(device):
    x = jax.device_put(np.ones(3), device)
    x.delete()
    with pytest.raises((BufferError, RuntimeError), match=r"null|deleted"):
        memoryview(x)

"""Arrays go out by DLPack as host memory, and come in from it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_processes import run


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint32, np.complex64, np.bool_])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_numpy_takes_an_array(device, dtype, shape):
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    taken = np.from_dlpack(jax.device_put(x, device))
    assert taken.dtype == x.dtype
    np.testing.assert_array_equal(taken, x)


def test_the_capsule_holds_narrow_floats(device):
    x = jax.device_put(jnp.arange(4, dtype=jnp.bfloat16), device)
    assert tuple(x.__dlpack_device__()) == (1, 0)  # kDLCPU
    again = jax.dlpack.from_dlpack(jax.device_put(x, jax.devices("cpu")[0]))
    assert again.dtype == x.dtype
    x.__dlpack__()


def test_an_array_comes_in(device):
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    y = jax.dlpack.from_dlpack(x, device=device)
    assert y.devices() == {device}
    np.testing.assert_array_equal(y + 1, x + 1)


def test_no_copy_is_refused(device):
    with pytest.raises(BufferError, match="goes out as a copy"):
        np.from_dlpack(jax.device_put(np.ones(3), device), copy=False)


def test_without_a_cpu_it_says_so():
    done = run(
        """
import jax, numpy as np
try:
    np.from_dlpack(jax.device_put(np.ones(3, np.float32), jax.devices("ascend")[0]))
except BufferError as error:
    print(error)
""",
        JAX_PLATFORMS="ascend",
    )
    assert "Set JAX_PLATFORMS=ascend,cpu" in done.stdout

"""Two seconds that say whether anything works at all: devices, transfers, a jitted function, its gradient."""

import jax
import jax.numpy as jnp
import numpy as np


def test_a_function_and_its_gradient(device):
    x = jax.device_put(np.linspace(-2, 2, 24, dtype=np.float32).reshape(4, 6), device)

    def loss(x):
        return jnp.sum(jnp.tanh(x) * x + 1)

    value, gradient = jax.jit(jax.value_and_grad(loss))(x)
    assert value.devices() == gradient.devices() == {device}
    host = np.asarray(x, np.float64)
    tanh = np.tanh(host)
    np.testing.assert_allclose(value, np.sum(tanh * host + 1), rtol=1e-5)
    np.testing.assert_allclose(gradient, tanh + host * (1 - tanh**2), rtol=1e-4, atol=1e-6)


def test_the_platform(device):
    assert device.platform == "ascend"
    assert device.device_kind == "Ascend 910B"
    assert {m.kind for m in device.addressable_memories()} == {"device", "pinned_host"}

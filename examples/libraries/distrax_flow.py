"""distrax: samples, densities and divergences of distributions, and a bijector trained as a flow."""

import distrax
import jax
import jax.numpy as jnp
from compare import on_both


def run():
    key = jax.random.key(0)
    mixture = distrax.MixtureSameFamily(
        distrax.Categorical(logits=jnp.array([0.1, 0.4])), distrax.Normal(jnp.array([-1.0, 1.5]), jnp.array([0.3, 0.5]))
    )
    samples, density = jax.jit(lambda k: mixture.sample_and_log_prob(seed=k, sample_shape=512))(key)
    divergence = distrax.Normal(0.0, 1.0).kl_divergence(distrax.Normal(1.0, 2.0))

    def loss_of(params):
        bijector = distrax.Chain([distrax.Tanh(), distrax.ScalarAffine(params["shift"], log_scale=params["scale"])])
        flow = distrax.Transformed(distrax.Normal(0.0, 1.0), bijector)
        return -flow.log_prob(0.5 * jnp.tanh(samples)).mean()

    params = {"shift": jnp.float32(0), "scale": jnp.float32(0)}
    losses = []
    for _ in range(40):
        loss, gradient = jax.jit(jax.value_and_grad(loss_of))(params)
        params = jax.tree.map(lambda p, g: p - 0.05 * g, params, gradient)
        losses.append(loss)
    return samples, density, divergence, jnp.stack(losses)


on_both(
    run, 1e-3, lambda r: f"mean density {r[1].mean():.3f}, divergence {r[2]:.3f}, loss {r[3][0]:.3f} -> {r[3][-1]:.3f}"
)

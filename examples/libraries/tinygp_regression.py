"""tinygp: a Gaussian process, its likelihood maximised, predicts between the points."""

import jax
import jax.numpy as jnp
from compare import on_both
from tinygp import GaussianProcess, kernels


def run():
    x = jnp.sort(jax.random.uniform(jax.random.key(0), (40,), maxval=10))
    y = jnp.sin(x) + 0.1 * jax.random.normal(jax.random.key(1), (40,))

    def process(p):
        kernel = jnp.exp(p["amplitude"]) * kernels.Matern52(jnp.exp(p["scale"]))
        return GaussianProcess(kernel, x, diag=jnp.exp(p["noise"]))

    @jax.jit
    def step(p):
        loss, gradient = jax.value_and_grad(lambda p: -process(p).log_probability(y))(p)
        return jax.tree.map(lambda a, g: a - 0.005 * g, p, gradient), loss

    p = {"amplitude": jnp.float32(0), "scale": jnp.float32(0), "noise": jnp.float32(-3)}
    losses = []
    for _ in range(40):
        p, loss = step(p)
        losses.append(loss)
    test = jnp.linspace(0, 10, 50)
    mean, variance = jax.jit(lambda p: process(p).predict(y, test, return_var=True))(p)
    return jnp.stack(losses), mean, variance


on_both(
    run,
    1e-3,
    lambda r: (
        f"likelihood {-r[0][0]:.2f} -> {-r[0][-1]:.2f}, mean error {jnp.abs(r[1][5:45] - jnp.sin(jnp.linspace(0, 10, 50)[5:45])).mean():.3f}"
    ),
)

"""blackjax: window adaptation and NUTS on a correlated Gaussian."""

import blackjax
import jax
import jax.numpy as jnp
from compare import on_both

COVARIANCE = [[1.0, 0.6], [0.6, 2.0]]


def run():
    precision = jnp.linalg.inv(jnp.array(COVARIANCE))

    def logdensity(x):
        return -0.5 * x @ precision @ x

    warm, draw = jax.random.split(jax.random.key(0))
    adapt = blackjax.window_adaptation(blackjax.nuts, logdensity)
    (state, parameters), _ = adapt.run(warm, jnp.zeros(2), num_steps=300)
    kernel = blackjax.nuts(logdensity, **parameters).step

    @jax.jit
    def chain(state, keys):
        return jax.lax.scan(lambda s, k: (lambda n: (n[0], n[0].position))(kernel(k, s)), state, keys)[1]

    samples = chain(state, jax.random.split(draw, 4000))
    # Chains are chaotic: their moments are what can be compared, within the error of 4,000 draws.
    return jnp.cov(samples.T)


on_both(run, 0.15, lambda c: f"covariance {c[0, 0]:.2f} {c[0, 1]:.2f} {c[1, 1]:.2f}, exact 1.00 0.60 2.00")

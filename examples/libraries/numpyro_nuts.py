"""numpyro: NUTS samples the posterior of a linear regression, SVI fits the same."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from compare import on_both
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

X = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
Y = X @ np.array([1.0, -2.0, 0.5], np.float32) + 0.1 * np.random.default_rng(1).standard_normal(100).astype(np.float32)


def model(x, y):
    weights = numpyro.sample("weights", dist.Normal(jnp.zeros(3), 2.0).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    numpyro.sample("y", dist.Normal(x @ weights, sigma), obs=y)


def run():
    sampler = MCMC(NUTS(model), num_warmup=200, num_samples=400, progress_bar=False)
    sampler.run(jax.random.key(0), X, Y)
    samples = sampler.get_samples()
    guide = AutoNormal(model)
    svi = SVI(model, guide, numpyro.optim.Adam(0.02), Trace_ELBO())
    params = svi.run(jax.random.key(1), 300, X, Y, progress_bar=False).params
    # Chains are chaotic: the last bit of a step decides on a different one. Their means are what can be compared.
    return samples["weights"].mean(0), samples["sigma"].mean(), guide.median(params)["weights"]


on_both(run, 1e-2, lambda r: f"posterior means {', '.join(f'{w:.3f}' for w in r[0])}, sigma {r[1]:.3f}")

"""flowjax: a masked autoregressive flow with rational quadratic splines is fitted to two moons' worth of points."""

import jax
import jax.numpy as jnp
from compare import on_both
from flowjax.bijections import RationalQuadraticSpline
from flowjax.distributions import Normal
from flowjax.flows import masked_autoregressive_flow
from flowjax.train import fit_to_data


def run():
    angle, noise, build, fit = jax.random.split(jax.random.key(0), 4)
    angles = jax.random.uniform(angle, (256,), maxval=jnp.pi)
    points = jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1) + 0.1 * jax.random.normal(noise, (256, 2))
    flow = masked_autoregressive_flow(
        build, base_dist=Normal(jnp.zeros(2)), transformer=RationalQuadraticSpline(knots=6, interval=4), flow_layers=2,
        nn_width=16,
    )  # fmt: skip
    flow, losses = fit_to_data(fit, flow, points, max_epochs=4, batch_size=64, show_progress=False)
    return jnp.stack([jnp.asarray(v) for v in losses["train"]]), flow.log_prob(points)


on_both(run, 5e-3, lambda r: f"loss {r[0][0]:.3f} -> {r[0][-1]:.3f} in {len(r[0])} epochs")

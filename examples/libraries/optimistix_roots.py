"""optimistix: least squares by Levenberg-Marquardt, a root by Newton, a minimum by BFGS, a fixed point."""

import jax
import jax.numpy as jnp
import optimistix as optx
from compare import on_both


def residuals(p, data):
    x, y = data
    return p[0] * jnp.exp(-p[1] * x) + p[2] - y


def rosenbrock(x, _):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@jax.jit
def run():
    x = jnp.linspace(0, 4, 50)
    data = x, 2.5 * jnp.exp(-1.3 * x) + 0.5 + 0.01 * jnp.sin(30 * x)
    fit = optx.least_squares(residuals, optx.LevenbergMarquardt(1e-5, 1e-5), jnp.ones(3), data).value
    root = optx.root_find(
        lambda y, a: y - jnp.tanh(a * y + 1), optx.Newton(1e-6, 1e-6), jnp.zeros(4), jnp.arange(4.0)
    ).value
    least = optx.minimise(rosenbrock, optx.BFGS(1e-5, 1e-5), jnp.zeros(4), max_steps=500).value
    fixed = optx.fixed_point(
        lambda y, a: jnp.cos(y) * a, optx.FixedPointIteration(1e-6, 1e-6), jnp.float32(1), 0.9
    ).value
    return fit, root, least, fixed


on_both(
    run, 1e-3, lambda r: f"fit {', '.join(f'{v:.3f}' for v in r[0])}; minimum at {r[2][0]:.4f}; fixed point {r[3]:.4f}"
)

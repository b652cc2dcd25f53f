"""diffrax: an adaptive solver for predators and prey, its adjoint, and a stochastic equation."""

import diffrax
import jax
import jax.numpy as jnp
from compare import on_both


def field(t, y, args):
    prey, predators = y
    a, b, c, d = args
    return jnp.stack([a * prey - b * prey * predators, c * prey * predators - d * predators])


@jax.jit
def solve(args):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, 12.0, 0.1, jnp.array([10.0, 5.0]), args,
        saveat=diffrax.SaveAt(ts=jnp.linspace(0, 12, 25)),
        stepsize_controller=diffrax.PIDController(rtol=1e-5, atol=1e-6),
    ).ys  # fmt: skip


@jax.jit
def noisy(key):
    path = diffrax.VirtualBrownianTree(0.0, 1.0, 1e-3, (), key)
    terms = diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, y, a: -y), diffrax.ControlTerm(lambda t, y, a: 0.3 * jnp.cos(t), path)
    )
    return diffrax.diffeqsolve(terms, diffrax.Heun(), 0.0, 1.0, 0.02, 1.0).ys


def run():
    args = jnp.array([0.5, 0.1, 0.05, 0.6])
    gradient = jax.jit(jax.grad(lambda a: solve(a)[-1].sum()))(args)
    return solve(args), gradient, jax.vmap(noisy)(jax.random.split(jax.random.key(0), 16))


on_both(run, 1e-3, lambda r: f"{r[0][-1, 0]:.3f} prey and {r[0][-1, 1]:.3f} predators; noisy mean {r[2].mean():.3f}")

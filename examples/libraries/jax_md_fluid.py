"""jax-md: soft spheres in a periodic box, relaxed by FIRE, then moved at constant energy; a neighbour list agrees."""

import jax
import jax.numpy as jnp
from compare import on_both
from jax_md import energy, minimize, partition, simulate, space


def run():
    box = 6.0
    displacement, shift = space.periodic(box)
    positions = jax.random.uniform(jax.random.key(0), (64, 2), maxval=box)
    energy_fn = energy.soft_sphere_pair(displacement, sigma=0.8)
    init, apply = minimize.fire_descent(energy_fn, shift)
    relaxed = jax.jit(lambda p: jax.lax.fori_loop(0, 40, lambda _, s: apply(s), init(p)))(positions).position
    init, apply = simulate.nve(energy_fn, shift, 1e-3)
    moved = jax.jit(lambda s: jax.lax.fori_loop(0, 50, lambda _, s: apply(s), s))(init(jax.random.key(1), relaxed, 0.1))

    neighbor_fn, listed_fn = energy.soft_sphere_neighbor_list(displacement, box, sigma=0.8, format=partition.Dense)
    listed = listed_fn(positions, neighbor=neighbor_fn.allocate(positions))
    return energy_fn(positions), listed, energy_fn(relaxed), jnp.sum(moved.momentum**2)


on_both(run, 1e-3, lambda r: f"energy {r[0]:.4f} ({r[1]:.4f} by neighbours) -> {r[2]:.4f}, momentum squared {r[3]:.4f}")

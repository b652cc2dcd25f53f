"""chex: dataclasses as trees, assertions of shapes and values, and limits on tracing."""

import chex
import jax
import jax.numpy as jnp
from compare import on_both


@chex.dataclass(frozen=True)
class State:
    position: chex.Array
    velocity: chex.Array


@jax.jit
@chex.assert_max_traces(n=2)  # once for each platform
def step(state):
    chex.assert_equal_shape([state.position, state.velocity])
    velocity = 0.99 * state.velocity - 0.1 * state.position
    return state.replace(position=state.position + 0.1 * velocity, velocity=velocity)


@chex.chexify
@jax.jit
def checked(x):
    chex.assert_tree_all_finite(x)
    return x


def run():
    state = State(position=jnp.linspace(-1, 1, 32), velocity=jnp.zeros(32))
    for _ in range(50):
        state = step(state)
    checked(state.position)
    chex.block_until_chexify_assertions_complete()
    chex.assert_type(jax.tree.leaves(state), jnp.float32)
    return state


on_both(run, 1e-5, lambda s: f"energy {0.5 * (s.velocity**2).sum() + 0.5 * (s.position**2).sum():.4f} after 50 steps")

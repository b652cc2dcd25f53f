"""orbax-checkpoint: a training state is saved, restored onto the device, and training goes on as if nothing happened."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp
from compare import on_both


def run():
    optimizer = optax.adam(1e-2)
    params = {"w": jax.random.normal(jax.random.key(0), (16, 16)), "h": jnp.ones(16, jnp.bfloat16)}
    state = {"params": params, "optimizer": optimizer.init(params), "key": jax.random.PRNGKey(7)}

    @jax.jit
    def step(state):
        key, use = jax.random.split(state["key"])
        x = jax.random.normal(use, (8, 16))
        gradient = jax.grad(lambda p: jnp.mean((x @ p["w"] * p["h"].astype(jnp.float32) - x) ** 2))(state["params"])
        updates, new = optimizer.update(gradient, state["optimizer"])
        return {"params": optax.apply_updates(state["params"], updates), "optimizer": new, "key": key}

    for _ in range(5):
        state = step(state)
    with tempfile.TemporaryDirectory() as folder, ocp.CheckpointManager(Path(folder)) as manager:
        manager.save(5, args=ocp.args.StandardSave(state))
        manager.wait_until_finished()
        again = manager.restore(5, args=ocp.args.StandardRestore(state))
    assert all(a.devices() == b.devices() and (a == b).all() for a, b in zip(*map(jax.tree.leaves, (state, again))))
    return step(again)


on_both(
    run,
    8e-3,  # one unit of bf16
    lambda s: f"{len(jax.tree.leaves(s))} arrays restored bit by bit, step {s['optimizer'][0].count}",
)

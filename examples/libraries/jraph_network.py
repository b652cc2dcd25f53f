"""jraph: a graph network by segment sums learns the degree of every node."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from compare import on_both

DRAW = np.random.default_rng(0)
SENDERS, RECEIVERS = DRAW.integers(0, 20, (2, 60)).astype(np.int32)
DEGREES = np.bincount(RECEIVERS, minlength=20).astype(np.float32)[:, None]


def graph():
    return jraph.GraphsTuple(
        nodes=jnp.ones((20, 4)), edges=jnp.ones((60, 2)), senders=jnp.array(SENDERS), receivers=jnp.array(RECEIVERS),
        n_node=jnp.array([20]), n_edge=jnp.array([60]), globals=jnp.zeros((1, 2)),
    )  # fmt: skip


def forward(params, graph):
    network = jraph.GraphNetwork(
        update_edge_fn=lambda e, s, r, g: jnp.tanh(jnp.concatenate([e, s, r], -1) @ params["edge"]),
        update_node_fn=lambda n, s, r, g: jnp.concatenate([n, r], -1) @ params["node"],
        update_global_fn=lambda n, e, g: g + n.mean(),
    )
    return network(graph)


def train():
    keys = jax.random.split(jax.random.key(0))
    params = {"edge": 0.3 * jax.random.normal(keys[0], (10, 8)), "node": 0.3 * jax.random.normal(keys[1], (12, 1))}
    data = jraph.pad_with_graphs(graph(), 32, 64)
    target = jnp.zeros((32, 1)).at[:20].set(DEGREES)
    mask = jraph.get_node_padding_mask(data)[:, None]

    @jax.jit
    def step(params):
        loss, gradient = jax.value_and_grad(lambda p: jnp.mean(((forward(p, data).nodes - target) * mask) ** 2))(params)
        return jax.tree.map(lambda p, g: p - 0.003 * g, params, gradient), loss

    losses = []
    for _ in range(60):
        params, loss = step(params)
        losses.append(loss)
    return jnp.stack(losses)


on_both(train, 1e-3, lambda losses: f"loss {losses[0]:.3f} -> {losses[-1]:.4f} in {len(losses)} steps")

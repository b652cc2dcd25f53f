"""equinox: a vmapped MLP with filtered transformations learns, is saved, restored and checked at run time."""

import tempfile

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from compare import on_both


def train():
    keys = jax.random.split(jax.random.key(0))
    model = eqx.nn.MLP(2, 1, 32, 2, activation=jax.nn.gelu, key=keys[0])
    x = jax.random.normal(keys[1], (128, 2))
    y = jnp.sin(x[:, :1] * x[:, 1:])
    optimizer = optax.adam(1e-2)
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model, state):
        def loss_of(model):
            return jnp.mean((jax.vmap(model)(x) - y) ** 2)

        loss, gradient = eqx.filter_value_and_grad(loss_of)(model)
        loss = eqx.error_if(loss, ~jnp.isfinite(loss), "the loss is not finite")
        updates, state = optimizer.update(gradient, state)
        return eqx.apply_updates(model, updates), state, loss

    losses = []
    for _ in range(40):
        model, state, loss = step(model, state)
        losses.append(loss)
    with tempfile.NamedTemporaryFile() as file:
        eqx.tree_serialise_leaves(file.name, model)
        again = eqx.tree_deserialise_leaves(file.name, model)
    return jnp.stack(losses), jax.vmap(again)(x)


on_both(train, 2e-3, lambda r: f"loss {r[0][0]:.3f} -> {r[0][-1]:.3f}, the model restored")

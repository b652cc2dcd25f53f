"""Models of Equinox, exactly as a user writes them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from loss_agreement import check_f32

STEPS = 20
DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((32, 10), np.float32)
Y = np.sin(X.sum(1, keepdims=True))


class Gru(eqx.Module):
    cell: eqx.nn.GRUCell
    out: eqx.nn.Linear

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.cell = eqx.nn.GRUCell(1, 16, key=first)
        self.out = eqx.nn.Linear(16, 1, key=second)

    def __call__(self, x):
        h, _ = jax.lax.scan(lambda h, x: (self.cell(x[None], h), None), jnp.zeros(16), x)
        return self.out(h)


def make_mlp(key):
    return eqx.nn.MLP(10, 1, 32, 2, key=key)


def make_cnn(key):
    first, second = jax.random.split(key)
    return eqx.nn.Sequential(
        [
            eqx.nn.Lambda(lambda x: x.reshape(1, 10)),
            eqx.nn.Conv1d(1, 8, 3, key=first),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.AvgPool1d(2, 2),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(32, 1, key=second),
        ]
    )


def train(make, optimizer):
    """Yield the losses of a model that maps one row of X to one of Y."""
    model = make(jax.random.key(0))
    state = optimizer.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def step(model, state):
        def loss_of(model):
            return jnp.mean((jax.vmap(model)(X) - Y) ** 2)

        loss, gradient = eqx.filter_value_and_grad(loss_of)(model)
        updates, state = optimizer.update(gradient, state, eqx.filter(model, eqx.is_array))
        return eqx.apply_updates(model, updates), state, loss

    for _ in range(STEPS):
        model, state, loss = step(model, state)
        yield loss


@pytest.mark.parametrize("make", [make_mlp, make_cnn, Gru], ids=["mlp", "cnn", "gru"])
def test_regression(make):
    check_f32(train, make, optax.adam(3e-3))


@pytest.mark.parametrize(
    "optimizer",
    [optax.rmsprop(1e-3), optax.lion(1e-3), optax.adafactor(1e-2), optax.lamb(1e-2), optax.radam(1e-2)],
    ids=["rmsprop", "lion", "adafactor", "lamb", "radam"],
)
def test_optimizers(optimizer):
    check_f32(train, make_mlp, optimizer)

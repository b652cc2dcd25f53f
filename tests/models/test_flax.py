"""Models of Flax, linen and nnx, exactly as a user writes them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from loss_agreement import check_bf16, check_f32

STEPS = 20
DRAW = np.random.default_rng(0)
IMAGES = DRAW.standard_normal((16, 8, 8, 3), np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(np.int32)
TOKENS = np.arange(4 * 17).reshape(4, 17).astype(np.int32) ** 2 % 31
SEQUENCES = np.sin(np.arange(8 * 12).reshape(8, 12, 1) / 5).astype(np.float32)


class Mlp(nn.Module):
    dtype: object = jnp.float32

    @nn.compact
    def __call__(self, x, train=True):
        x = x.reshape(len(x), -1)
        x = nn.relu(nn.Dense(48, dtype=self.dtype)(x))
        x = nn.LayerNorm(dtype=self.dtype)(x)
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return nn.Dense(2, dtype=self.dtype)(x)


class Cnn(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        x = nn.Conv(8, (3, 3))(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.avg_pool(nn.relu(nn.GroupNorm(4)(nn.Conv(16, (3, 3), strides=2)(x))), (2, 2))
        return nn.Dense(2)(x.reshape(len(x), -1))


class Recurrent(nn.Module):
    cell: object

    @nn.compact
    def __call__(self, x, train=True):
        return nn.Dense(2)(nn.RNN(self.cell)(x)[:, -1])


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        mask = nn.make_causal_mask(x[..., 0])
        y = nn.LayerNorm()(x)
        x += nn.MultiHeadDotProductAttention(4, dropout_rate=0.1, deterministic=not train)(y, y, mask=mask)
        y = nn.Dense(64)(nn.LayerNorm()(x))
        return x + nn.Dropout(0.1, deterministic=not train)(nn.Dense(32)(nn.gelu(y)))


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, tokens, train=True):
        embed = nn.Embed(31, 32)
        x = embed(tokens) + self.param("position", nn.initializers.normal(0.02), (16, 32))
        for _ in range(2):
            x = nn.remat(Block, static_argnums=(2,))()(x, train)
        return embed.attend(nn.LayerNorm()(x))


def train_linen(model, x, y, optimizer):
    """Yield the losses of a linen model; batch statistics are carried, dropout drawn per step."""
    variables = jax.jit(model.init)({"params": jax.random.key(0), "dropout": jax.random.key(1)}, x)
    params, rest = variables["params"], {k: v for k, v in variables.items() if k != "params"}
    state = optimizer.init(params)

    @jax.jit
    def step(params, rest, state, key):
        def loss_of(params):
            predicted, new = model.apply({"params": params, **rest}, x, rngs={"dropout": key}, mutable=list(rest))
            return optax.softmax_cross_entropy_with_integer_labels(predicted.astype(jnp.float32), y).mean(), new

        (loss, new), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), new, state, loss

    for i in range(STEPS):
        params, rest, state, loss = step(params, rest, state, jax.random.key(i))
        yield loss


@pytest.mark.parametrize("optimizer", [optax.adam(1e-3), optax.sgd(0.02, momentum=0.9)], ids=["adam", "momentum"])
@pytest.mark.parametrize("model", [Mlp(), Cnn()], ids=["mlp", "cnn"])
def test_linen_on_images(model, optimizer):
    check_f32(train_linen, model, IMAGES, LABELS, optimizer)


@pytest.mark.parametrize("cell", [nn.OptimizedLSTMCell(16), nn.GRUCell(16)], ids=["lstm", "gru"])
def test_linen_recurrent(cell):
    labels = (SEQUENCES[:, -1, 0] > 0).astype(np.int32)
    check_f32(train_linen, Recurrent(cell), SEQUENCES, labels, optax.adam(3e-3))


def test_linen_transformer():
    schedule = optax.warmup_cosine_decay_schedule(0, 3e-3, 5, STEPS)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule))
    check_f32(train_linen, Transformer(), TOKENS[:, :-1], TOKENS[:, 1:], optimizer)


def test_linen_mlp_in_bf16():
    def train(dtype):
        return train_linen(Mlp(dtype), IMAGES, LABELS, optax.adam(1e-3))

    check_bf16(train, jnp.float32, jnp.bfloat16)


class NnxCnn(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 8, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.hidden = nnx.Linear(4 * 4 * 8, 16, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.out = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu(self.norm(self.conv(x))), (2, 2), (2, 2))
        return self.out(self.dropout(nnx.gelu(self.hidden(x.reshape(len(x), -1)))))


def train_nnx():
    model = NnxCnn(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adamw(1e-3), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        def loss_of(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(IMAGES), LABELS).mean()

        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    for _ in range(STEPS):
        yield step(model, optimizer)


def test_nnx_cnn():
    check_f32(train_nnx)

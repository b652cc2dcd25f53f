"""flax: an nnx model with causal attention learns to repeat the token before."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from compare import on_both
from flax import nnx

TOKENS = np.random.default_rng(0).integers(0, 16, (32, 12)).astype(np.int32)
TARGETS = np.roll(TOKENS, 1, axis=1)


class Model(nnx.Module):
    def __init__(self, rngs):
        self.embed = nnx.Embed(16, 32, rngs=rngs)
        self.position = nnx.Param(0.1 * jax.random.normal(rngs.params(), (12, 32)))
        self.attend = nnx.MultiHeadAttention(4, 32, decode=False, rngs=rngs)
        self.norm = nnx.LayerNorm(32, rngs=rngs)
        self.out = nnx.Linear(32, 16, rngs=rngs)

    def __call__(self, tokens):
        x = self.embed(tokens) + self.position[...]
        return self.out(self.norm(x + self.attend(x, mask=nnx.make_causal_mask(tokens))))


def train():
    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adamw(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        def loss_of(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(TOKENS), TARGETS)[:, 1:].mean()

        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    return jnp.stack([step(model, optimizer) for _ in range(40)])


on_both(train, 2e-3, lambda losses: f"loss {losses[0]:.3f} -> {losses[-1]:.3f} in {len(losses)} steps")

"""flax: a linen CNN with batch statistics and dropout learns which images are bright."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from compare import on_both

IMAGES = np.random.default_rng(0).standard_normal((64, 8, 8, 3), np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(np.int32)


class Cnn(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(16, (3, 3), use_bias=False)(x)))
        x = nn.avg_pool(x, (2, 2), (2, 2)).reshape(len(x), -1)
        return nn.Dense(2)(nn.Dropout(0.2, deterministic=not train)(x))


def train():
    model, optimizer = Cnn(), optax.adam(3e-3)
    variables = model.init(jax.random.key(0), IMAGES, False)
    params, statistics = variables["params"], variables["batch_stats"]
    state = optimizer.init(params)

    @jax.jit
    def step(params, statistics, state, key):
        def loss_of(params):
            logits, new = model.apply(
                {"params": params, "batch_stats": statistics},
                IMAGES,
                True,
                rngs={"dropout": key},
                mutable=["batch_stats"],
            )
            return optax.softmax_cross_entropy_with_integer_labels(logits, LABELS).mean(), new["batch_stats"]

        (loss, new), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), new, state, loss

    losses = []
    for i in range(20):
        params, statistics, state, loss = step(params, statistics, state, jax.random.key(i))
        losses.append(loss)
    return jnp.stack(losses), statistics


on_both(train, 1e-3, lambda r: f"loss {r[0][0]:.3f} -> {r[0][-1]:.3f} in {len(r[0])} steps")

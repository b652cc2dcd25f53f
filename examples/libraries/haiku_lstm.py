"""dm-haiku: an LSTM with state learns to predict a wave, by dynamic_unroll."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
from compare import on_both

WAVE = np.sin(np.arange(8)[None, :] + np.arange(25)[:, None] / 3).astype(np.float32)[..., None]  # [time, batch, 1]


def network(x):
    core = hk.LSTM(32)
    out, _ = hk.dynamic_unroll(core, x, core.initial_state(x.shape[1]))
    return hk.BatchApply(hk.Sequential([hk.LayerNorm(-1, True, True), hk.Linear(1)]))(out)


def train():
    model = hk.without_apply_rng(hk.transform(network))
    params = jax.jit(model.init)(jax.random.key(0), WAVE[:-1])
    optimizer = optax.adam(1e-2)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        loss, gradient = jax.value_and_grad(lambda p: jnp.mean((model.apply(p, WAVE[:-1]) - WAVE[1:]) ** 2))(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    losses = []
    for _ in range(40):
        params, state, loss = step(params, state)
        losses.append(loss)
    return jnp.stack(losses)


on_both(train, 2e-3, lambda losses: f"loss {losses[0]:.3f} -> {losses[-1]:.3f} in {len(losses)} steps")

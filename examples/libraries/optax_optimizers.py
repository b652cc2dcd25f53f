"""optax: eight optimisers with clipping, a schedule and accumulated gradients fit a curve."""

import jax
import jax.numpy as jnp
import optax
from compare import on_both

OPTIMIZERS = {
    "adamw": optax.adamw, "sgd": lambda rate: optax.sgd(rate, momentum=0.9, nesterov=True), "lion": optax.lion,
    "adafactor": optax.adafactor, "rmsprop": optax.rmsprop, "lamb": optax.lamb, "adabelief": optax.adabelief,
    "yogi": optax.yogi,
}  # fmt: skip


def fit(make):
    x = jnp.linspace(-1, 2, 64)[:, None]
    y = jnp.sin(3 * x) + x**2
    schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-2, 10, 60)
    optimizer = optax.MultiSteps(optax.chain(optax.clip_by_global_norm(1.0), make(schedule)), every_k_schedule=2)
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "a": jax.random.normal(keys[0], (1, 32)),
        "b": jax.random.normal(keys[2], 32),
        "c": 0.1 * jax.random.normal(keys[1], (32, 1)),
    }

    def step(carry, _):
        params, state = carry
        loss, gradient = jax.value_and_grad(
            lambda p: optax.huber_loss(jnp.tanh(x @ p["a"] + p["b"]) @ p["c"], y).mean()
        )(params)
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), loss

    return jax.jit(lambda: jax.lax.scan(step, (params, optimizer.init(params)), length=120)[1])()


def run():
    return {name: fit(make) for name, make in OPTIMIZERS.items()}


on_both(run, 1e-3, lambda r: "final losses " + ", ".join(f"{k} {v[-1]:.4f}" for k, v in r.items()))

"""The functions of docs/performance.md, and what its commands print."""

import os
import tempfile

import jax
import jax.numpy as jnp

import jax_ascend


def attention(x, w):
    batch, length, _ = x.shape
    q, k, v = jnp.split((x @ w).reshape(batch, length, 24, 64), 3, axis=2)
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / 8
    weights = jax.nn.softmax(scores)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(batch, length, 512)


def model(parameters, x):
    for i, p in enumerate(parameters):
        with jax.named_scope(f"layer_{i}"):
            with jax.named_scope("attention"):
                x += attention(x, p["qkv"])
            with jax.named_scope("mlp"):
                x += jax.nn.gelu(x @ p["up"]) @ p["down"]
    return x


def arguments(layers=4):
    shape = lambda *dims: jax.ShapeDtypeStruct(dims, jnp.bfloat16)  # noqa: E731
    layer = {"qkv": shape(512, 1536), "up": shape(512, 2048), "down": shape(2048, 512)}
    return [dict(layer) for _ in range(layers)], shape(8, 512, 512)


def small():
    import numpy as np

    rng = np.random.default_rng(0)
    values = lambda *dims: (rng.standard_normal(dims) / 16).astype(jnp.bfloat16)  # noqa: E731
    layer = {"qkv": values(512, 1536), "up": values(512, 64), "down": values(64, 512)}
    return [layer] * 2, values(1, 16, 512)


def table():
    print(jax_ascend.estimate(model, *arguments()))


def pipes():
    print(jax_ascend.estimate(model, *arguments()).table(sort="aic_mac_ratio", rows=3, pipes=True))


def scopes():
    print(jax_ascend.estimate(model, *arguments()).table("scope"))


def compare():
    now, other = (jax_ascend.estimate(model, *arguments(), target=target) for target in ("ascend910b", "ascend950"))
    print(now.compare(other))


def memory():
    memory = jax_ascend.estimate(model, *arguments()).memory
    time, peak = memory.peak
    print(f"{peak / 1e6:.1f} MB at {time * 1e6:.0f} us of {memory.allocated / 1e6:.1f} MB allocated")
    for buffer in memory.at(time)[:4]:
        print(f"{buffer.bytes / 1e6:6.1f} MB  {buffer.kind:9}  {buffer.name}  {os.path.basename(buffer.line)}")


def files():
    found = jax_ascend.estimate(model, *arguments())
    with tempfile.TemporaryDirectory() as folder:
        found.to_csv(folder)
        found.trace(f"{folder}/model.pftrace")
        print(*sorted(os.listdir(folder)))

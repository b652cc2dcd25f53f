"""Loops and branches: while, fori, scan, cond, switch, map, remat; nested, with gradients."""

import jax
import jax.numpy as jnp
import pytest
from case import case, checks, verify
from jax import lax


def collatz(n):
    def steps(n):
        return lax.while_loop(
            lambda c: c[0] > 1, lambda c: (jnp.where(c[0] % 2, 3 * c[0] + 1, c[0] // 2), c[1] + 1), (n, 0)
        )[1]

    return jax.vmap(steps)(n), steps(n[0])


def newton(x):
    return lax.while_loop(lambda c: jnp.abs(c * c - 2).max() > 1e-4, lambda c: 0.5 * (c + 2 / c), x)


def fibonacci(x):
    return lax.fori_loop(0, 20, lambda i, ab: (ab[1], ab[0] + ab[1]), (x, x + 1))


def swap(a, b):
    return lax.fori_loop(0, 7, lambda i, ab: (ab[1], ab[0]), (a, b))


def dynamic_trip_count(x, n):
    return lax.fori_loop(n[0], n[1], lambda i, c: c + i, x)


def nested(x):
    return lax.fori_loop(0, 4, lambda i, c: lax.fori_loop(0, i, lambda j, d: d * 0.5 + j, c) + i, x)


def running(x):
    return lax.scan(lambda c, row: (c * 0.9 + row, c.sum()), jnp.zeros(x.shape[1], x.dtype), x)


def recurrent(w, x):
    def cell(h, row):
        h = jnp.tanh(h @ w + row)
        return h, h[:, 0]

    return lax.scan(cell, jnp.zeros((x.shape[1], x.shape[2]), x.dtype), x)


def lstm(w, x):
    def cell(carry, row):
        h, c = carry
        i, f, g, o = jnp.split(jnp.concatenate([row, h], 1) @ w, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((x.shape[1], w.shape[1] // 4), x.dtype)
    return lax.scan(cell, (zero, zero), x)[1]


def scans(x):
    return (
        lax.scan(lambda c, r: (c + r, c), x[0], x, reverse=True),
        lax.scan(lambda c, r: (c * r, r), jnp.float32(1), x[:, 0], unroll=3),
        lax.scan(lambda c, _: (jnp.sin(c), None), x, None, length=3),
        lax.scan(lambda c, r: (c, r * 2), 0, x[:0]),
    )


def branches(p, x):
    return (
        lax.cond(p[0] > 0, lambda x: x * 2, lambda x: x - 1, x),
        lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x),
        lax.cond(p[1] < 0, lambda: x.T @ x, lambda: x.T @ (x + 1)),
    )


def switches(i, x):
    kinds = [jnp.sin, lambda x: x * 2, lambda x: x.at[0].set(0), lambda x: x]
    return [lax.switch(j, kinds, x) for j in i] + [lax.switch(i[0] % 2, kinds[:2], x)]


def remat(w, x):
    layer = jax.checkpoint(lambda x, w: jnp.tanh(x @ w))
    return layer(layer(layer(x, w), w), w)


def deep(x, w):
    return lax.scan(lambda x, w: (jax.nn.relu(x @ w) + x, None), x, w)[0]


CASES = [
    case("collatz", collatz, "i32[5] 1..30", eager=False),
    case("newton", newton, "f32[33] 0.5..3"),
    case("fibonacci", fibonacci, "T[9] 0..3", types="i32 f32 u8"),
    case("swap", swap, "T[9]", "T[9]", types="f32 i32"),
    case("trip count", dynamic_trip_count, "i32[7]", "i32[2] 0..9"),
    case("zero trips", lambda x: lax.fori_loop(5, 5, lambda i, c: c + 1, x), "f32[7]"),
    case("nested", nested, "f32[9]"),
    case("fori gradient", lambda x: lax.fori_loop(0, 5, lambda i, c: jnp.sin(c) * x, x), "f32[9]", grad=True),
    case("running", running, "T[11,7]", types="f32 bf16", grad=True),
    case("scans", scans, "f32[7,5]", grad=True),
    case("recurrent", recurrent, "T[16,16] -0.3..0.3", "T[9,3,16]", types="f32 bf16", grad=True),
    case("lstm", lstm, "f32[24,64] -0.3..0.3", "f32[9,3,8]", grad=True),
    case("deep", deep, "f32[5,16]", "f32[4,16,16] -0.3..0.3", grad=True),
    case("cond", branches, "f32[2]", "f32[5,7]", grad=True),
    case("cond in vmap", jax.vmap(lambda p, x: lax.cond(p > 0, jnp.sin, jnp.cos, x)), "f32[5]", "f32[5,3]", grad=True),
    case(
        "cond in scan",
        lambda x: lax.scan(lambda c, r: (lax.cond(r > 0, lambda c: c + r, lambda c: c * r, c), c), x[0], x),
        "f32[9]",
        grad=True,
    ),
    case("switch", switches, "i32[4] -1..5", "f32[6]", grad=True),
    case("remat", remat, "f32[8,8]", "f32[3,8]", grad=True),
    case("map", lambda x: lax.map(lambda r: jnp.cumsum(r) * r.max(), x), "f32[5,9]", grad=True),
    case(
        "jit in jit", lambda x: jax.jit(jnp.sin)(jax.jit(jnp.sin)(x)) + jax.jit(lambda x: x * 2)(x), "f32[9]", grad=True
    ),
    case("custom gradient", lambda x: jax.nn.relu6(x) + jax.numpy.sinc(x), "f32[9]", grad=True),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_control_flow(check):
    verify(check)

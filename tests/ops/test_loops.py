"""Loops whose bodies index, update, branch and nest: what runs as one kernel, and what lies just outside of that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import FLOATS, INTS, WIDE, case, checks, verify
from jax import lax

ALL = f"bool {INTS} {WIDE} {FLOATS}"
NUMBERS = f"{INTS} {WIDE} {FLOATS}"


def repeated(trips, body):
    """A function of x that runs `body(i, x, *others)` so often."""
    return lambda x, *others: lax.fori_loop(0, trips, lambda i, c: body(i, c, *others), x)


def moves(i, c):
    n = c.shape[0]
    return c.at[(i * 5) % n].set(c[(i * 3) % n])


def swaps(x, y):
    return lax.fori_loop(0, 5, lambda i, s: (s[1], s[0].at[i % x.shape[0]].set(s[1][0])), (x, y))


def bubbles(x):
    def pass_over(i, x):
        def exchange(j, x):
            return lax.cond(x[j] > x[j + 1], lambda x: x.at[j].set(x[j + 1]).at[j + 1].set(x[j]), lambda x: x, x)

        return lax.fori_loop(0, x.shape[0] - 1, exchange, x)

    return lax.fori_loop(0, x.shape[0], pass_over, x)


def common_subsequence(a, b):
    n, m = a.shape[0], b.shape[0]

    def cell(i, j, t):
        longest = lax.cond(a[i] == b[j], lambda: t[i, j] + 1, lambda: jnp.maximum(t[i, j + 1], t[i + 1, j]))
        return t.at[i + 1, j + 1].set(longest)

    table = jnp.zeros((n + 1, m + 1), jnp.int32)
    return lax.fori_loop(0, n, lambda i, t: lax.fori_loop(0, m, lambda j, t: cell(i, j, t), t), table)


def switched(m, k):
    branches = [lambda m: m + 1, lambda m: m * 2, lambda m: m - m[0]]
    return lax.scan(lambda m, j: (lax.switch(j, branches, m), m[0]), m, k)


def search(a, b):
    def differs(s):
        return (s < 20) & ~jnp.all(lax.dynamic_slice(a, (s,), (4,)) == b)

    return lax.while_loop(differs, lambda s: s + 1, 0)


def rk4(x):
    def f(x):
        return jnp.array([x[1], -jnp.sin(x[0]) - 0.1 * x[1]], x.dtype)

    def step(x, _):
        k1 = f(x)
        k2 = f(x + 0.05 * k1)
        return x + 0.1 * k2, x

    return lax.scan(step, x, None, length=20)


def draws(key):
    def body(i, s):
        key, total = s
        key, part = jax.random.split(key)
        return key, total + jax.random.uniform(part, (3,))

    return lax.fori_loop(0, 4, body, (key, jnp.zeros(3)))


def nested_ends(x):
    def body(i, s):
        v = lax.while_loop(lambda v: v < 10 * i, lambda v: v * 2 + 1, s[0])
        return v % 7, s[1] + s[0]

    return lax.fori_loop(0, 4, body, (x[0], x[1]))


def kept_and_updated(x):
    return lax.fori_loop(0, 5, lambda i, s: (s[0].at[i].set(s[1][i + 1]), s[0]), (x, x))


def same_value_twice(x):
    return lax.fori_loop(0, 4, lambda i, s: (s[0] + 1, s[0], s[1]), (x, x, x))


def passes_through(x, y):
    return lax.fori_loop(0, 4, lambda i, s: (s[0] + y[i], y, s[2]), (x, y, x))


def table_of(t, k):
    return lax.scan(lambda c, i: (c * 0.5 + t[i], c), jnp.zeros((), t.dtype), k)


def data_ends(x, n):
    return lax.fori_loop(2, n[0], lambda i, c: c.at[i].set(7), x)


CASES = [
    *(case(f"moves elements {n}", repeated(37, moves), f"T[{n}]", types=ALL, eager=False) for n in (1, 3, 16, 17, 100)),
    *(case(f"swaps {n}", swaps, f"T[{n}]", f"T[{n}]", types=ALL, eager=False) for n in (3, 17)),
    case("negative places", repeated(9, lambda i, c, k: c.at[k[0] - i].set(c[-1])), "T[20]", "i32[1] 2..3", types=ALL,
         eager=False),
    *(case(f"sums into itself {n}", repeated(6, lambda i, c: c.at[i % c.shape[0]].set(jnp.sum(c).astype(c.dtype))),
           f"T[{n}]", types=f"{INTS} {WIDE} f32", eager=False) for n in (2, 5, 33)),
    *(case(f"largest first {n}", repeated(6, lambda i, c: c.at[jnp.argmax(c)].set(c[i % c.shape[0]])), f"T[{n}]",
           types=NUMBERS, eager=False) for n in (2, 5, 33)),
    *(case(f"scatters {n}", repeated(3, lambda i, c: c.at[jnp.array([0, 1, 0, -1, 99])].add(c[0])), f"T[{n}]",
           types=f"{INTS} {WIDE} f32", eager=False) for n in (2, 33)),
    case("bubble sort", bubbles, "T[12]", types=NUMBERS, eager=False),
    case("longest common subsequence", common_subsequence, "i32[9] 0..3", "i32[14] 0..3"),
    case("switch", switched, "T[9]", "i32[6] -1..5", types="i32 f32 bf16", eager=False),
    case("a string in a string", search, "i32[30] 0..1", "i32[4] 0..1"),
    case("Runge-Kutta", rk4, "f32[2]", grad=True),
    case("random numbers", draws, "u32[2] 0..99", eager=False),
    case("rows", repeated(5, lambda i, m: m.at[i].set(m[i + 1] * 0.5)), "f32[6,9]", grad=True),
    case("columns", repeated(5, lambda i, m: m.at[:, i].set(m[:, i + 1] * 0.5)), "f32[6,9]", grad=True),
    case("blocks", repeated(5, lambda i, m: lax.dynamic_update_slice(
        m, lax.dynamic_slice(m, (i, i), (2, 3)).T[:2, :2], (i, 1))), "T[6,9]", types="f32 i8", eager=False),
    case("transposes", repeated(5, lambda i, m: (m.T * 0.3 + 0.1).reshape(6, 9)), "f32[6,9]"),
    case("matrix times vector", repeated(5, lambda i, v, m: m.T @ (m @ v) * 0.01), "f32[9]", "f32[6,9]"),
    case("matrix times matrix", repeated(5, lambda i, b, a: jnp.tanh(a @ b)), "f32[7,5]", "f32[7,7]"),
    case("puts together", repeated(5, lambda i, m: jnp.concatenate([m[1:], m[:1]])
                                   + jnp.pad(m[:, :4], ((0, 0), (2, 3)))), "f32[6,9] 0..1"),
    case("turns round", repeated(5, lambda i, m: m[::-1, ::2].repeat(2, axis=1)[:, :9] * 0.9 + i), "f32[6,9]"),
    case("running sums", repeated(5, lambda i, m: jnp.cumsum(m, axis=1) * 0.1), "f32[6,9]"),
    case("means", repeated(5, lambda i, m: m - m.mean(0) + m.max(1)[:, None] * 0.01), "f32[6,9]"),
    case("softmax", repeated(5, lambda i, m: jax.nn.softmax(m) + m), "f32[6,9]"),
    case("gathers", repeated(5, lambda i, m, k: m.at[k].add(m[k[::-1]])), "f32[6,9]", "i32[4] -1..8"),
    case("gathers elements", repeated(5, lambda i, m, k: m.at[k, k[::-1]].mul(m[k, i])), "f32[6,9]", "i32[4] 0..5"),
    case("inner loop to a counter", repeated(4, lambda i, m: lax.fori_loop(
        0, i + 1, lambda j, m: m.at[i, j].set(m[j, i] + i * j), m)), "f32[6,9]"),
    case("inner loop to a value", nested_ends, "i32[2] 0..9"),
    case("old value kept", kept_and_updated, "T[40]", types="f32 i8", eager=False),
    case("old value kept, in GM", kept_and_updated, "f32[100000]", eager=False),
    case("one value in three places", same_value_twice, "f32[33]"),
    case("values passed through", passes_through, "f32[33]", "f32[33]"),
    case("table", table_of, "f32[64]", "i32[500] 0..63", eager=False),
    case("table in GM", table_of, "f32[200000]", "i32[500] 0..199999", eager=False),
    case("updates in GM", repeated(500, lambda i, t, k: t.at[k[i]].set(t[k[i] // 2] + 1)), "f32[200000]",
         "i32[500] 0..199999", eager=False),
    case("rows in GM", lambda x: lax.scan(lambda c, y: (jnp.roll(c, 1) * 0.9 + y, c.sum()), jnp.zeros(40), x),
         "f32[3000,40]", eager=False),
    case("no trips", repeated(0, lambda i, c: c.at[i].set(7)), "f32[20]"),
    case("trips that are data", data_ends, "f32[20]", "i32[1] 9..9", eager=False),
    case("no trips by data", data_ends, "f32[20]", "i32[1] 0..0", eager=False),
    case("a batch of loops", jax.vmap(lambda x, k: lax.fori_loop(
        0, 9, lambda i, c: c.at[(i * k) % 5].set(c[i % 5] + 1), x)), "f32[4,5]", "i32[4] 0..9"),
    case("a batch of ends", jax.vmap(lambda x: lax.while_loop(lambda v: v < 100, lambda v: v * 2 + 1, x)), "f32[7] 0..90"),
    case("complex", repeated(5, lambda i, c: c * c + c), "f32[4] -0.5..0.5"),
    case("gradient of updates", lambda x: lax.scan(
        lambda c, i: (c.at[i].set(jnp.sin(c[i - 1])), None), x, jnp.arange(1, 8))[0], "f32[30]", grad=True),
]  # fmt: skip


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_loop(check):
    verify(check)


def test_a_place_in_u8_is_not_cut_to_it():
    """XLA:CPU limits the start of a slice in its own type: 298 is 42 there."""
    x = np.arange(300, dtype=np.float32)
    loop = jax.jit(repeated(9, lambda i, c, k: lax.dynamic_update_slice(c, -c[:2] - 1, (k,))))
    device = jax.devices("ascend")[0]
    got = np.asarray(loop(jax.device_put(x, device), np.uint8(255)))
    assert np.flatnonzero(got != x).tolist() == [255, 256]

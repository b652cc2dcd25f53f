"""Reductions over every set of axes, index reductions, norms, and sliding windows with gradients."""

import itertools

import jax
import jax.numpy as jnp
import pytest
from case import FLOATS, INTS, WIDE, case, checks, verify
from jax import lax

NUMBERS = f"{FLOATS} {INTS} {WIDE}"


def axis_sets(x):
    return [s for n in range(1, x.ndim + 1) for s in itertools.combinations(range(x.ndim), n)]


def over_every_axis_set(*reduce):
    return lambda x: {f"{f.__name__} {axes}": f(x, axis=axes) for f in reduce for axes in axis_sets(x)}


def statistics(x):
    return x.mean(0), x.var(1), x.std(), jax.nn.logsumexp(x, axis=1), jnp.linalg.norm(x, axis=0), x.sum(keepdims=True)


def layer_norm(x, scale):
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * scale


def first_index(x):
    return [f(x, axis=a) for f in (jnp.argmax, jnp.argmin) for a in (0, 1, None)]


def pair_reduction(x, y):
    def smaller_product(a, b):
        return jnp.minimum(a[0], b[0]), a[1] + b[1]

    return lax.reduce((x, y), (jnp.inf, 0.0), smaller_product, (1,))


def windows(x):
    return (
        lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"),
        lax.reduce_window(x, -jnp.inf, lax.max, (3, 3), (1, 1), "SAME"),
        lax.reduce_window(x, 0.0, lax.add, (3, 2), (2, 1), ((1, 1), (0, 1))),
        lax.reduce_window(x, 0.0, lax.add, (1, 4), (1, 3), "VALID"),
    )


def dilated_windows(x):
    shape = {"window_dimensions": (2, 3), "window_strides": (1, 2), "padding": ((0, 1), (2, 0))}
    dilation = {"base_dilation": (2, 1), "window_dilation": (1, 2)}
    x = x.astype(jnp.float32)
    return [lax.reduce_window(x, 0.0, lax.add, **shape, **dilation), lax.reduce_window(x, jnp.inf, lax.min, **shape)]


def pools(x):
    size, step = (1, 2, 2, 1), (1, 2, 2, 1)
    return (
        lax.reduce_window(x, -jnp.inf, lax.max, size, step, "VALID"),
        lax.reduce_window(x, 0.0, lax.add, size, step, "VALID") / 4,
        lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), step, "SAME"),
    )


def long_general_windows(x):
    def best(a, b):
        return jnp.where(a[0] >= b[0], a[0], b[0]), jnp.where(a[0] >= b[0], a[1], b[1])

    pair, start = (x, lax.broadcasted_iota(jnp.int32, x.shape, 1)), (-jnp.inf, -1)
    spread = {"base_dilation": (1, 2), "window_dilation": (1, 3)}
    return (
        lax.reduce_window(pair, start, best, (1, 11), (2, 4), ((0, 0), (3, 20)), **spread),
        lax.reduce_window(x, 0.0, lambda a, b: a + b + a * b, (1, 9), (1, 2), "VALID"),
    )


CASES = [
    # Where floats are added up they have a mean of 1: a sum that cancels to nothing has no digits left to compare.
    case("sum", over_every_axis_set(jnp.sum), "T[5,7,9] -1..3", types=FLOATS, grad=True),
    case("sum of integers", over_every_axis_set(jnp.sum), "T[5,7,9]", types=f"{INTS} {WIDE}"),
    case("max min", over_every_axis_set(jnp.max, jnp.min), "T[5,7,9]", types=NUMBERS),
    case("max gradient", lambda x: (x.max(0), x.min(1), x.max()), "f32[7,9]", grad=True),
    case("prod", over_every_axis_set(jnp.prod), "T[3,2,5] 0.5..1.5", types="f32", grad=True),
    case("prod of integers", over_every_axis_set(jnp.prod), "T[3,2,5] 1..2", types="i32 u32 i64"),
    case("any all", over_every_axis_set(jnp.any, jnp.all), "bool[3,2,5]", types="bool"),
    case("sizes", lambda *xs: [(x.sum(), x.max(initial=0)) for x in xs], *(f"T[{n}]" for n in (0, 1, 7, 127, 4097))),
    case("long rows", lambda x: (x.sum(1), x.max(1), jnp.exp(x).sum(1)), "T[3,5000]", types=FLOATS, grad=True),
    case("long columns", lambda x: (x.sum(0), x.min(0), (x * x).sum(0)), "T[3000,5]", types=FLOATS, grad=True),
    case("statistics", statistics, "T[9,130] -1..3", types=FLOATS, grad=True),
    case("softmax", lambda x: (jax.nn.softmax(x), jax.nn.log_softmax(x, 0)), "T[33,130]", types=FLOATS, grad=True),
    case("layer norm", layer_norm, "T[6,130]", "T[130]", types=FLOATS, grad=True),
    case("batch norm", lambda x: (x - x.mean((0, 1, 2))) / (x.std((0, 1, 2)) + 0.1), "T[2,5,5,9]", grad=True),
    case("argmax", first_index, "T[7,33]", types=NUMBERS),
    case("argmax of ties", lambda x: first_index(x // 3), "T[7,33] 0..9", types="i32 u8"),
    case("argmax of one", lambda x: first_index(x * 2), "T[5,1]", types="f32 i32"),
    case("argmax of bool", lambda x: first_index(x > 0.5), "f32[9,40]"),
    case("argmax of long rows", lambda x: first_index(x * 3 + 1), "T[3,60000]", types="f32 i8", eager=False),
    case(
        "argmax of long rows of nan",
        lambda x: jnp.argmax(jnp.where((x > 1.99) & (jnp.arange(60000) > 40000), jnp.nan, x), 1),
        "f32[2,60000]",
    ),
    case("argmax of nan", lambda x: first_index(jnp.where(x > 1.9, jnp.nan, x)), "f32[9,77]"),
    case("count", lambda x: ((x > 0).sum(0), jnp.count_nonzero(x > 0)), "T[33,9]", types="f32 i32"),
    case("pair", pair_reduction, "f32[7,9]", "f32[7,9]"),
    case("general", lambda x: lax.reduce(x, 1.0, lambda a, b: a * b + 0 * a, (0,)), "f32[3,9]", eager=False),
    case("windows", windows, "T[9,10]", types=FLOATS, grad=True),
    case("dilated windows", dilated_windows, "T[6,9]", types="f32"),
    case("pools", pools, "T[2,8,8,5]", types=FLOATS, grad=True),
    case("long general windows", long_general_windows, "f32[5,37] -0.2..0.2"),
    case("window of integers", lambda x: lax.reduce_window(x, 0, lax.add, (3,), (2,), "SAME"), "i32[31]"),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_reductions(check):
    verify(check)

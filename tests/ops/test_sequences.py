"""Sorting, selection of the largest, and cumulative functions."""

import jax.numpy as jnp
import pytest
from case import FLOATS, INTS, WIDE, case, checks, verify
from jax import lax


def sorts(x):
    return jnp.sort(x), jnp.sort(x, axis=0), jnp.sort(x, descending=True), jnp.argsort(x), jnp.argsort(x, axis=0)


def pairs(k, v):
    return lax.sort((k, v), num_keys=1), lax.sort((v, k), dimension=0, num_keys=2), lax.sort_key_val(k, v)


def special_values(x):
    x = jnp.where(x > 1.5, jnp.nan, jnp.where(x < -1.5, -jnp.inf, jnp.where(jnp.abs(x) < 0.3, -0.0, x)))
    return jnp.where(jnp.abs(x) < 0.6, x * 0, x).at[:, 3].set(-jnp.nan)


def special(x):
    x = special_values(x)
    return jnp.sort(x), jnp.argsort(x)


def cumulative(x):
    return jnp.cumsum(x, 0), jnp.cumsum(x, 1), lax.cumsum(x, 1, reverse=True), lax.cummax(x, 1), lax.cummin(x, 0)


def associative(x):
    return lax.associative_scan(jnp.add, x), lax.associative_scan(jnp.maximum, x, reverse=True, axis=1)


def approximate(x):
    return lax.approx_max_k(x, 4), lax.approx_min_k(x, 3, reduction_dimension=0)


CASES = [
    case("sort", sorts, "T[7,33]", types=f"{FLOATS} {INTS} {WIDE}"),
    case("sort gradient", lambda x: (jnp.sort(x), jnp.median(x), jnp.sort(x, 0)), "f32[5,31]", grad=True),
    case("sort sizes", lambda *xs: [jnp.sort(x) for x in xs], *(f"T[{n}]" for n in (0, 1, 2, 127, 1000))),
    case("sort is stable", lambda x: jnp.argsort(x // 4), "i32[500]"),
    case("sort of special values", special, "f32[5,99]"),
    case("pairs", pairs, "T[9,7]", "i32[9,7]", types="f32 i32 u8"),
    case("top k", lambda x: lax.top_k(x, 5), "T[7,65]", types=f"{FLOATS} i32 u8", grad=True),
    case("top k of special values", lambda x: lax.top_k(special_values(x), 99), "f32[5,99]"),
    case("top 1", lambda x: lax.top_k(x, 1), "T[300]", types="f32 bf16"),
    case("approximate top k", approximate, "f32[7,65]", grad=True),
    case("unique", lambda x: jnp.unique(x, size=12), "i32[50]"),
    case("percentile", lambda x: jnp.percentile(x, jnp.array([10, 50, 90])), "f32[77]"),
    case("cumulative", cumulative, "T[9,33]", types=f"{FLOATS} {INTS} i64", grad=True),
    case("cumprod", lambda x: (jnp.cumprod(x, 1), lax.cumprod(x, 0, reverse=True)), "T[3,9] 0.5..1.5", grad=True),
    case("cumlogsumexp", lambda x: lax.cumlogsumexp(x, 1), "f32[5,40]", grad=True),
    case("long cumlogsumexp", lambda x: lax.cumlogsumexp(x, 1, reverse=True), "f32[2,5000]", grad=True),
    case("long cumsum", lambda x: jnp.cumsum(x), "T[3000] 0..1", types="f32"),
    case("associative scan", associative, "T[8,9]", types="f32 i32", grad=True),
    case("differences", lambda x: (jnp.diff(x), jnp.diff(x, axis=0, n=2)), "T[9,33]", types="f32 i32", grad=True),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_sequences(check):
    verify(check)

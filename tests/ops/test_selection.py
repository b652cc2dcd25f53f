"""Comparisons, selection, clamping, and conversion between every two types."""

import jax
import jax.numpy as jnp
import pytest
from case import FLOATS, INTS, TYPES, WIDE, case, checks, verify
from jax import lax

COMPARE = {f.__name__: f for f in (lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge)}
EVERY = f"{FLOATS} {INTS} {WIDE} bool"


def comparisons(a, b):
    return {name: (f(a, b), f(a, a)) for name, f in COMPARE.items()}


def conversions(x):
    return {name: x.astype(name) for name in TYPES.values() if jax.config.jax_enable_x64 or "64" not in name}


def selections(p, a, b):
    return jnp.where(p, a, b), jnp.where(p, a, 0), jnp.where(p[:, :1], a, b), lax.select(p[0, 0], a, b)


def bitcasts(x):
    same = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}[x.dtype.itemsize]
    return lax.bitcast_convert_type(x, same), lax.bitcast_convert_type(x, jnp.uint8)


CASES = [
    case("compare", comparisons, "T[7,33] -3..3", "T[7,33] -3..3", types=f"{FLOATS} i8 i16 i32 i64"),
    case("compare unsigned", comparisons, "T[77] 0..3", "T[77] 0..3", types="u8 u16 u32 u64"),
    case("compare bool", comparisons, "bool[99]", "bool[99]", types="bool"),
    case("compare nan", lambda x: comparisons(x, x / x), "f32[8] 0..0"),
    case("select", selections, "bool[9,130]", "T[9,130]", "T[9,130]", types=EVERY, grad=True),
    case("select chain", lambda i, x: jnp.select([i < -3, i > 3], [x, -x], 2 * x), "i32[99]", "f32[99]", grad=True),
    case("clip", lambda x: jnp.clip(x, -1, 1), "T[5,70]", types=FLOATS, grad=True),
    case("clamp", lambda x: lax.clamp(x.min(), x, x[0, 0]), "T[5,70]", types=f"{FLOATS} i32"),
    case("clip integers", lambda x: jnp.clip(x, 2, 5), "T[99]", types=f"{INTS} {WIDE}"),
    case("logical", lambda a, b: (a & b, a | b, a ^ b, ~a), "bool[7,19]", "bool[7,19]", types="bool"),
    case("convert", conversions, "T[3,43] 0..9", types=EVERY),
    case("convert signed", conversions, "T[100] -9..9", types="i8 i16 i32 i64"),
    case("convert negative floats", lambda x: x.astype(jnp.int32), "T[100] -9..9", types=FLOATS),
    case("convert large", lambda x: x.astype(jnp.float32), "T[99] 0..2000000000", types="i32 u32"),
    case("convert wide", lambda x: x.astype(jnp.float32), "T[99] 0..2000000000000", types=WIDE),
    case("round trip", lambda x: x.astype(jnp.bfloat16).astype(x.dtype), "T[1000]", types="f32 f16", grad=True),
    case("bitcast", bitcasts, "T[5,8]", types=f"{FLOATS} {INTS} {WIDE}"),
    case("back from bits", lambda x: lax.bitcast_convert_type(x, jnp.float32), "u32[99] 0..2000000000"),
    case("is finite", lambda x: jnp.isfinite(jnp.exp(x * 60)), "T[99]", types=FLOATS),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_selection(check):
    verify(check)

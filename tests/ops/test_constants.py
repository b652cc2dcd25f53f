"""Functions of constants, which no kernel has in memory, and tensors without elements where a loop carries them."""

import jax.numpy as jnp
import pytest
from case import INTS, case, checks, verify
from jax import lax

PADDING = ((-2, 1, 2), (1, -2, 1))


def padded(x):
    return [lax.pad(a, x[0, 0], PADDING) for a in (jnp.full_like(x, 3), lax.integer_pow(x, 0), x)]


def extremes(x):
    constants = [jnp.full(shape, -5, x.dtype) for shape in ((1, 2), (2, 1), (3, 4))]
    return [f(a, d, jnp.int32) for f in (lax.argmin, lax.argmax) for a in constants for d in (0, 1)]


def complex_constants(x):
    shapes = ((), (5,), (8, 8), (5, 64, 8), (0, 3))
    return [jnp.full(s, v, x.dtype) for s in shapes for v in (0, 1 + 2j)] + [x + jnp.zeros_like(x)]


CASES = [
    case("pad", padded, "T[34,2] 0..9", types=f"f32 {INTS}"),
    case("argmin and argmax", extremes, "T[3]", types="f32 i8 i32"),
    case("complex", complex_constants, "T[4,3]", types="c64 c128"),
    case("loops over nothing", lambda x: lax.fori_loop(0, 3, lambda i, s: s / (1 + jnp.abs(s)), x), "T[3,0,2]",
         types="f32 c64 c128"),
    case("updates of nothing", lambda x, a: lax.fori_loop(0, 2, lambda i, s: lax.dynamic_update_slice(s, a, (1, 0)), x),
         "T[5,0]", "T[2,0]", types="f32 c64"),
    case("huge extents around a zero", lambda x: jnp.broadcast_to(x, (2**40, 0, 2**40)).sum() + x, "f32[]"),
]  # fmt: skip


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_constants(check):
    verify(check)

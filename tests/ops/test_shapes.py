"""Functions that only move data: broadcast, reshape, transpose, slice, join, pad, reverse, iota."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import FLOATS, INTS, PLATFORM, WIDE, case, checks, verify
from jax import lax

EVERY = f"{FLOATS} {INTS} {WIDE} bool"
PADS = [(0, 0, 0), (1, 2, 0), (0, 3, 1), (2, 0, 2), (-1, 2, 0), (3, -2, 1), (-1, -1, 0), (-2, -1, 3)]


def transposes(x):
    return {str(p): jnp.transpose(x, p) for p in itertools.permutations(range(x.ndim))}


def reshapes(x):
    return x.reshape(-1), x.reshape(6, -1), x.reshape(1, 10, 1, 6, 7), x.ravel()[:, None], x[None].squeeze(0)


def broadcasts(x):
    return (
        jnp.broadcast_to(x[:, None], (5, 4, 9)),
        jnp.broadcast_to(x, (3, 5, 9)),
        jnp.broadcast_to(x[0, 0], (2, 129)),
        lax.broadcast_in_dim(x, (5, 2, 9, 3), (0, 2)),
        jnp.tile(x, (2, 3)),
        jnp.repeat(x, 3, axis=1),
    )


def slices(x):
    return x[1:-1], x[:, ::2], x[::3, 5:1:-1], x[..., -1], x[2:2], x[7:3:-2, ::-1], x[1::4, 3:], x[3, 4], x[:, 1:2]


def joins(x, y):
    return (
        jnp.concatenate([x, y, x], axis=1),
        jnp.concatenate([x, x]),
        jnp.stack([x, x + x], axis=-1),
        jnp.hstack([x[:, :0], y]),
        jnp.split(jnp.concatenate([x, y], 1), [3, 9], axis=1),
        jnp.concatenate([y, x[:, 1:]], axis=1) if x.dtype == bool else jnp.concatenate([x + x, y], axis=1) + 1,
    )


def pads(x):
    zero = jnp.ones((), x.dtype)
    return [lax.pad(x, zero, (a, b)) for a, b in itertools.product(PADS[::2], PADS[1::2])]


def modes(x):
    return [jnp.pad(x, ((1, 2), (3, 0)), mode=m) for m in ("constant", "edge", "reflect", "symmetric", "wrap")]


def iotas(x):
    kinds = (jnp.int32, jnp.uint8, jnp.float32, jnp.bfloat16)
    return (
        [lax.broadcasted_iota(k, (5, 33), d) for k in kinds for d in (0, 1)],
        [jnp.arange(3, 40, 7), jnp.linspace(0, 1, 11), jnp.eye(5, 7), jnp.tri(6), jnp.indices((3, 4)) + x],
    )


def triangles(x):
    return jnp.tril(x), jnp.triu(x, 1), jnp.diag(x), jnp.where(jnp.eye(*x.shape, dtype=bool), 0, x)


CASES = [
    case("transpose", transposes, "T[3,5,7]", types=EVERY, grad=True),
    case("transpose large", lambda x: (x.T, x.T + 1), "T[129,257]", types="f32 bf16 i8", grad=True),
    case("transpose 4d", lambda x: (x.transpose(0, 2, 1, 3), x.transpose(0, 2, 3, 1), x.mT), "T[2,3,17,32]", grad=True),
    case(
        "transpose and compute", lambda x: (jnp.exp(x).T * 2, jnp.exp(x.T) + x.T), "T[33,65]", types=FLOATS, grad=True
    ),
    case("reshape", reshapes, "T[10,6,7]", types=EVERY, grad=True),
    case("reshape of transpose", lambda x: x.transpose(1, 0, 2).reshape(7, -1), "T[4,7,12]", types="f32 u8", grad=True),
    case("broadcast", broadcasts, "T[5,9]", types=EVERY, grad=True),
    case("slice", slices, "T[9,11]", types=EVERY, grad=True),
    case("slice and compute", lambda x: x[1:, :-1] * x[:-1, 1:] + x[1:, ::-1][:, 1:], "T[9,130]", grad=True),
    case("join", joins, "T[5,4]", "T[5,7]", types=EVERY, grad=True),
    case("join many", lambda *xs: jnp.concatenate(xs), *["T[7]"] * 12, "T[0]", "T[129]", types="f32 i8", grad=True),
    case("pad", pads, "T[5,8]", types="f32 bf16 i32 u8 bool i64", grad=True),
    case("pad modes", modes, "T[5,8]", types="f32 i32", grad=True),
    case("pad and compute", lambda x: jnp.pad(jnp.exp(x), 1) + 1, "T[5,127]", types=FLOATS, grad=True),
    case("reverse", lambda x: (x[::-1], jnp.flip(x, 1), jnp.flip(x), jnp.rot90(x)), "T[5,37]", types=EVERY, grad=True),
    case(
        "roll", lambda x: (jnp.roll(x, 3, 1), jnp.roll(x, -1, 0), jnp.roll(x, 5)), "T[5,7]", types="f32 i8", grad=True
    ),
    case("iota", iotas, "i32[1]"),
    case("triangles", triangles, "T[7,7]", types="f32 i32 bf16", grad=True),
    case("empty", lambda x: (x.T, x[None], jnp.pad(x, 1), x.sum(), x + 1, jnp.concatenate([x, x])), "T[0,3]"),
    case("constants", lambda x: x + jnp.array([[1.5, 2, 3], [4, 5, 6]]) + jnp.float32(7), "f32[4,2,3]", grad=True),
    case("pass through", lambda x, y: (y, x, x), "T[7]", "i32[3]", types=EVERY, eager=False),
    case("vmap", jax.vmap(lambda x, y: x[1:] * y + jnp.flip(x)[:-1]), "f32[4,9]", "f32[4]", grad=True),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_shapes(check):
    verify(check)


NARROW = [f"{sign}int{bits}" for bits in (2, 4) for sign in ("", "u")]
NARROW += [n for n in dir(jnp) if n.startswith(("float4", "float8"))]


@pytest.mark.parametrize("name", NARROW)
def test_transposes_of_types_that_are_only_moved(name):
    """No instruction computes in these: tiles of them are turned as bytes."""
    draw = np.random.default_rng(0)
    x, y = (draw.integers(0, 3, shape).astype(name) for shape in ((37, 21), (21, 37)))
    m = draw.random((21, 37)) < 0.5
    with jax.default_device(jax.devices(PLATFORM)[0]):
        loaded, stored = jax.jit(lambda m, x, y: (jnp.where(m, x.T, y), jnp.where(m, y, y[:1]).T))(m, x, y)
    np.testing.assert_array_equal(np.asarray(loaded).astype(np.float32), np.where(m, x.T, y).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(stored).astype(np.float32), np.where(m, y, y[:1]).T.astype(np.float32))

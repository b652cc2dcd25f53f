"""Copies, fills, broadcasts, transposition, index generation, gathering and reduced precision."""

import numpy as np
import pytest
from ml_dtypes import bfloat16
from test_vector_elementwise import CASES, SHAPES, expect, values
from vector_instruction import VARIANTS, bits_of, run

EVERY = [*CASES, *((v, np.bool_) for v in VARIANTS)]


@pytest.mark.parametrize("variant,dtype", EVERY)
def test_moves(variant, dtype):
    for seed, shape in enumerate([*SHAPES, (16, 24), (33, 40)]):
        x, scalar = values(dtype, shape, seed), values(dtype, (1, 1), seed + 9)
        for padding in (0, 5):
            common = {"padding": padding, "variant": variant}
            expect(run("tmov", [x], shape, dtype, **common), x, dtype=dtype)
            expect(run("ttrans", [x], shape[::-1], dtype, extents=shape, **common), x.T, dtype=dtype, shape=shape)
            expect(run("texpands", [], shape, dtype, scalar=scalar[0, 0], **common), np.broadcast_to(scalar, shape))
            expect(run("trowexpand", [x[:, :1]], shape, dtype, **common), np.broadcast_to(x[:, :1], shape))
            expect(run("tcolexpand", [x[:1]], shape, dtype, **common), np.broadcast_to(x[:1], shape))
            big = (shape[0] + 2, shape[1] + 3)
            want = np.broadcast_to(scalar, big).copy()
            want[: shape[0], : shape[1]] = x
            expect(run("tfillpad", [x], big, dtype, scalar=scalar[0, 0], **common), want, dtype=dtype, shape=shape)
            index = np.random.default_rng(seed).integers(0, shape[1], (shape[0], 11)).astype(np.int32)
            got = run("tgather", [x, index], index.shape, dtype, **common)
            expect(got, np.take_along_axis(x, index, 1), dtype=dtype, shape=shape)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gather_stays_inside(variant):
    x = np.arange(5, dtype=np.float32).reshape(1, 5)
    index = np.array([[-1, 7, 2**31 - 1, -(2**31), 3]], np.int32)
    expect(run("tgather", [x, index], (1, 5), np.float32, variant=variant), np.array([[0, 4, 4, 0, 3]], np.float32))


@pytest.mark.parametrize("variant,dtype", CASES)
@pytest.mark.parametrize("params", [(0, 0, 1), (5, 100, 2), (-7, 3, -1), (100, -1000, 0), (2**24 - 20, 1, 3)])
def test_index(variant, dtype, params):
    for shape in SHAPES:
        r, c = np.indices(shape)
        exact = params[0] + params[1] * r + params[2] * c
        want = (
            exact.astype(np.float32).astype(dtype)
            if np.dtype(dtype).kind not in "iu" and dtype != np.float64
            else exact.astype(dtype)
        )
        with np.errstate(over="ignore"):
            got = run("tci", [], shape, dtype, params=params, padding=3, variant=variant)
        expect(got, want, dtype=dtype, shape=shape, params=params)


FORMATS = {
    np.dtype(np.float16): (5, 10),
    np.dtype(bfloat16): (8, 7),
    np.dtype(np.float32): (8, 23),
    np.dtype(np.float64): (11, 52),
}


def reduce_precision(x, exponent, mantissa):
    """Element by element, on integers."""
    e, m = FORMATS[x.dtype]
    out = []
    for value in x.reshape(-1):
        code = bits_of(value, x.dtype)
        sign, a = code >> (e + m) << (e + m), code & ((1 << (e + m)) - 1)
        infinity = ((1 << e) - 1) << m
        if a <= infinity:
            drop = max(m - mantissa, 0)
            low, a = a & ((1 << drop) - 1), a >> drop
            a = (a + (low * 2 > (1 << drop) or (low * 2 == (1 << drop) and drop > 0 and a & 1 == 1))) << drop
            if exponent < e:
                bias, narrow = (1 << (e - 1)) - 1, (1 << (exponent - 1)) - 1
                a = infinity if a >> m > bias + narrow else 0 if a >> m <= bias - narrow else a
        elif mantissa == 0:
            a = infinity
        out.append(sign | a)
    return np.array(out, f"u{x.dtype.itemsize}").view(x.dtype).reshape(x.shape)


@pytest.mark.parametrize("variant,dtype", [c for c in CASES if np.dtype(c[1]) in FORMATS])
@pytest.mark.parametrize("to", [(5, 10), (8, 7), (4, 3), (8, 23), (11, 52), (2, 0), (5, 23), (8, 3), (1, 1)])
def test_reduce_precision(variant, dtype, to):
    for seed, shape in enumerate(SHAPES):
        x = values(dtype, shape, seed)
        got = run("treduceprecision", [x], shape, dtype, params=to, padding=2, variant=variant)
        expect(got, reduce_precision(x, *to), dtype=dtype, to=to, shape=shape)

"""Reductions, running reductions and arg-reductions against NumPy: every type, odd sizes, padded rows."""

import numpy as np
import pytest
from ml_dtypes import bfloat16
from test_vector_elementwise import CASES, expect, is_float, values, wide
from vector_instruction import VARIANTS, run

SHAPES = [(1, 1), (3, 7), (2, 8), (5, 15), (2, 33), (3, 100), (2, 1000), (70, 3), (200, 9), (2, 3001)]
UFUNC = {"sum": np.add, "max": np.maximum, "min": np.minimum, "prod": np.multiply}
EPSILON = {
    np.dtype(np.float32): 2.0**-24,
    np.dtype(np.float64): 2.0**-53,
    np.dtype(np.float16): 2.0**-11,
    np.dtype(bfloat16): 2.0**-8,
}


def moderate(dtype, shape, seed, name):
    """Finite numbers whose sums and products neither overflow nor vanish."""
    x = np.random.default_rng(seed).standard_normal(shape)
    return (1 + x / 50 / np.sqrt(max(shape)) if name == "prod" else x).astype(dtype)


def close(got, terms, name, axis):
    """Floats within a few roundings of the sum of magnitudes, or of the product."""
    exact = getattr(np, name)(terms.astype(np.longdouble), axis=axis, keepdims=True)
    n = terms.shape[axis]
    scale = np.abs(terms.astype(np.longdouble)).sum(axis=axis, keepdims=True) if name == "sum" else np.abs(exact)
    inner = EPSILON[np.dtype(wide(terms.dtype))]
    roundings = 4 + n / 8 if name == "prod" else 3 + min(n, 40) / 4 + n / 500
    bound = EPSILON[terms.dtype] * 1.01 * np.abs(exact) + roundings * inner * scale
    error = np.abs(got.astype(np.longdouble) - exact)
    assert (error <= bound).all(), (name, terms.shape, terms.dtype, float((error / bound).max()))


@pytest.mark.parametrize("variant,dtype", [*CASES, *((v, np.bool_) for v in VARIANTS)])
@pytest.mark.parametrize("name", UFUNC)
def test_reduction(variant, dtype, name):
    for seed, shape in enumerate(SHAPES):
        for axis, prefix, out in ((1, "trow", (shape[0], 1)), (0, "tcol", (1, shape[1]))):
            ordered = name in ("max", "min")
            x = values(dtype, shape, seed) if ordered or not is_float(dtype) else moderate(dtype, shape, seed, name)
            if ordered and seed % 2:
                x = np.where(x.astype(np.float64) == x.astype(np.float64), x, np.array(1).astype(dtype))
            for padding in (0, 5):
                got = run(prefix + name, [x], out, dtype, extents=shape, padding=padding, variant=variant)
                assert got is not None
                if is_float(dtype) and not ordered:
                    close(got, x, name, axis)
                    continue
                if dtype == np.bool_:
                    want = (np.any if name in ("sum", "max") else np.all)(x, axis=axis, keepdims=True)
                else:
                    want = (
                        UFUNC[name]
                        .reduce(x.astype(wide(dtype)), axis=axis, keepdims=True, dtype=wide(dtype))
                        .astype(dtype)
                    )
                if ordered and is_float(dtype):  # either zero will do
                    got, want = got + np.array(0).astype(dtype), want + np.array(0).astype(dtype)
                expect(got, want, name=prefix + name, dtype=dtype, shape=shape, padding=padding)


@pytest.mark.parametrize("variant,dtype", [*CASES, *((v, np.bool_) for v in VARIANTS)])
def test_arg(variant, dtype):
    for seed, shape in enumerate(SHAPES):
        x = values(dtype, shape, seed)
        if seed % 2 == 0 and is_float(dtype):
            x = np.round(np.random.default_rng(seed).standard_normal(shape) * 2).astype(dtype)
        if x.dtype.kind in "iu":
            x = np.where(np.random.default_rng(seed).random(shape) < 0.5, x // np.array(4).astype(dtype), x)
        comparable = x.astype(np.float32) if is_float(dtype) and dtype != np.float64 else x
        for name, want in (("max", np.argmax(comparable, 1)), ("min", np.argmin(comparable, 1))):
            for padding in (0, 5):
                got = run(
                    "trowarg" + name,
                    [x],
                    (shape[0], 1),
                    np.int32,
                    src_dtype=dtype,
                    extents=shape,
                    padding=padding,
                    variant=variant,
                )
                expect(got, want.reshape(-1, 1).astype(np.int32), name=name, dtype=dtype, shape=shape)


@pytest.mark.parametrize("variant,dtype", CASES)
@pytest.mark.parametrize("name", UFUNC)
def test_running(variant, dtype, name):
    for seed, shape in enumerate(SHAPES):
        exact = name in ("max", "min") or not is_float(dtype)
        x = values(dtype, shape, seed) if exact else moderate(dtype, shape, seed, name)
        got = run("trowcum" + name, [x], shape, dtype, padding=3, variant=variant)
        if exact:
            want = UFUNC[name].accumulate(x.astype(wide(dtype)), axis=1, dtype=wide(dtype)).astype(dtype)
            if is_float(dtype):
                got, want = got + np.array(0).astype(dtype), want + np.array(0).astype(dtype)
            expect(got, want, name=name, dtype=dtype, shape=shape)
        else:
            want = UFUNC[name].accumulate(x.astype(np.longdouble), axis=1)
            limit = (
                EPSILON[x.dtype] * 1.01 * np.abs(want) + 2.0**-53 * np.abs(x.astype(np.longdouble)).cumsum(1) * shape[1]
            )
            if name == "prod":
                limit = limit + np.abs(want) * EPSILON[np.dtype(wide(dtype))] * (shape[1] + 2)
            assert (np.abs(got.astype(np.longdouble) - want) <= limit).all(), (name, dtype, shape)

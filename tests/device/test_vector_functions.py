"""Elementary functions: errors within their stated bounds, special values as C99 has them, other element types."""

import function_accuracy as accuracy
import numpy as np
import pytest
from ml_dtypes import bfloat16
from test_vector_elementwise import SHAPES, expect, values
from vector_instruction import VARIANTS, run

INF, NAN = np.inf, np.nan
UNARY = [n for n in accuracy.REFERENCE if n not in accuracy.BINARY]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", UNARY)
def test_error_of_all_magnitudes(variant, name):
    error, at = accuracy.measure(name, variant, [accuracy.patterns(0, 40009, 2**32 // 40009)])
    assert error <= accuracy.BOUNDS[name], (error, at)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", UNARY)
def test_error_near_one(variant, name):
    for exponent in (-12, -3, -1, 0, 1, 3, 6):
        x = np.linspace(-1, 1, 20001).astype(np.float32).reshape(1, -1) * np.float32(2.0**exponent)
        error, at = accuracy.measure(name, variant, [x])
        assert error <= accuracy.BOUNDS[name], (error, at)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", accuracy.BINARY)
def test_error_of_pairs(variant, name):
    error, at = accuracy.measure(name, variant, accuracy.pairs(name, 100003, 1))
    assert error <= accuracy.BOUNDS[name], (error, at)


SPECIAL = np.array(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        INF,
        -INF,
        NAN,
        1e-45,
        -1e-45,
        3.4e38,
        -3.4e38,
        2.0,
        -2.0,
        0.5,
        3.0,
        -3.0,
        1e9,
        16777217.0,
        2.5,
        -0.5,
    ],
    np.float32,
)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", UNARY)
def test_special_values(variant, name):
    error, at = accuracy.measure(name, variant, [SPECIAL.reshape(1, -1)])
    assert error <= accuracy.BOUNDS[name], (error, at)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["tpow", "tatan2", "trem"])
def test_special_pairs(variant, name):
    a, b = (x.reshape(1, -1).copy() for x in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        if name == "trem":
            want = np.fmod(a, b)
            expect(run(name, [a, b], a.shape, np.float32, variant=variant), want)
        else:
            error, at = accuracy.measure(name, variant, [a, b])
            assert error <= accuracy.BOUNDS[name], (error, at)


@pytest.mark.parametrize("variant", VARIANTS)
def test_remainder_is_exact(variant):
    a, b = accuracy.pairs("tatan2", 50001, 3)
    with np.errstate(all="ignore"):
        expect(run("trem", [a, b], a.shape, np.float32, variant=variant), np.fmod(a, b))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", accuracy.REFERENCE)
@pytest.mark.parametrize("dtype", [np.float16, bfloat16, np.float64])
def test_other_floats(variant, name, dtype):
    """f16 and bf16 are f32 rounded once; f64 is within 4 ULP of NumPy's."""
    for seed, shape in enumerate(SHAPES):
        args = [values(dtype, shape, seed + 50 * i) for i in range(2 if name in accuracy.BINARY else 1)]
        got = run(name, args, shape, dtype, padding=3, variant=variant)
        with np.errstate(all="ignore"):
            if dtype != np.float64:
                f32 = run(name, [a.astype(np.float32) for a in args], shape, np.float32, variant=variant)
                expect(got, f32.astype(dtype), name=name, dtype=dtype, shape=shape)
            else:
                want = accuracy.REFERENCE[name](*args)
                same = (
                    (got == want)
                    | (np.isnan(got) & np.isnan(want))
                    | (np.abs(got - want) <= 4 * np.spacing(np.abs(want)))
                )
                assert same.all(), (name, args[0][~same], got[~same], want[~same])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64])
def test_integer_power(variant, dtype):
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype)
    for shape in SHAPES:
        a = np.where(
            rng.random(shape) < 0.5, rng.integers(0, 4, shape), rng.integers(info.min, info.max, shape, dtype=dtype)
        ).astype(dtype)
        b = rng.integers(-3 if info.min < 0 else 0, 70, shape).astype(dtype)
        width = 8 * np.dtype(dtype).itemsize
        exact = [
            pow(int(x), int(y)) if y >= 0 else {1: 1, -1: -1 if y % 2 else 1}.get(int(x), 0)
            for x, y in zip(a.flat, b.flat, strict=True)
        ]
        want = np.array([v & ((1 << width) - 1) for v in exact], np.uint64).astype(dtype).reshape(shape)
        expect(run("tpow", [a, b], shape, dtype, variant=variant), want, dtype=dtype)

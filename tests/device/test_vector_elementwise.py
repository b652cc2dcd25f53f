"""Elementwise vector instructions against NumPy: every type, odd sizes, padded rows, in place, special values."""

import numpy as np
import pytest
from ml_dtypes import bfloat16
from vector_instruction import VARIANTS, run

FLOATS = [np.float32, np.float64, np.float16, bfloat16]
SIGNED = [np.int8, np.int16, np.int32, np.int64]
UNSIGNED = [np.uint8, np.uint16, np.uint32, np.uint64]
INTS = SIGNED + UNSIGNED
SHAPES = [(1, 1), (1, 7), (1, 8), (3, 15), (2, 33), (5, 100), (1, 1000), (40, 3), (9, 1), (2, 257)]
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    np.inf,
    -np.inf,
    np.nan,
    1e-40,
    -1e-40,
    3e38,
    65504.0,
    1e-5,
    8388607.5,
]


def is_float(dtype):
    return np.dtype(dtype) in [np.dtype(t) for t in FLOATS]


def values(dtype, shape, seed):
    """Random values of a type with its special ones among them."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype) == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if is_float(dtype):
        x = (rng.standard_normal(shape) * 4).astype(np.float64)
        at = rng.random(shape) < 0.3
        x[at] = rng.choice(SPECIAL, at.sum())
        with np.errstate(all="ignore"):
            return x.astype(dtype)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    at = rng.random(shape) < 0.3
    x[at] = rng.choice(np.array([0, 1, info.min, info.max, 3, info.max // 2], dtype), at.sum())
    at = rng.random(shape) < 0.1
    x[at] = np.array(-1).astype(dtype)
    return x


def wide(dtype):
    """The type NumPy computes the expected value in: f32 for f16 and bf16, which round once afterwards."""
    return np.float32 if np.dtype(dtype) in (np.dtype(np.float16), np.dtype(bfloat16)) else dtype


def expect(got, want, **context):
    """Equal bits, any NaN for a NaN."""
    assert got is not None, context
    want = np.asarray(want)
    if want.dtype.kind not in "iub" or want.dtype in (np.dtype(bfloat16),):
        g, w = got.astype(np.float64), want.astype(np.float64)
        same = (np.isnan(g) & np.isnan(w)) | ((g == w) & (np.signbit(g) == np.signbit(w)))
    else:
        same = got == want
    bad = np.argwhere(~same)
    assert not len(bad), (
        f"{context}: at {bad[0]} got {got[tuple(bad[0])]!r}, expected {want[tuple(bad[0])]!r}; {len(bad)} differ"
    )


def divide(a, b):
    if np.dtype(a.dtype).kind not in "iu":
        return a / b
    safe = np.where(b == 0, 1, b)
    quotient = np.where((b == np.array(-1).astype(b.dtype)) & (a.dtype.kind == "i"), -a, _truncated(a, safe))
    return np.where(b == 0, np.array(-1).astype(a.dtype), quotient).astype(a.dtype)


def _truncated(a, b):
    q = np.array(
        [
            abs(int(x)) // abs(int(y)) * (1 if (int(x) < 0) == (int(y) < 0) else -1)
            for x, y in zip(a.flat, b.flat, strict=True)
        ],
        object,
    )
    return np.array([int(v) & 0xFFFFFFFFFFFFFFFF for v in q], np.uint64).reshape(a.shape).astype(a.dtype)


def remainder(a, b):
    if np.dtype(a.dtype).kind not in "iu":
        return np.fmod(a, b)
    return (
        np.array(
            [
                int(x) if y == 0 else int(np.sign(int(x))) * (abs(int(x)) % abs(int(y)))
                for x, y in zip(a.flat, b.flat, strict=True)
            ],
            object,
        )
        .reshape(a.shape)
        .astype(a.dtype)
    )


def maximum(a, b):
    m = np.maximum(a, b)
    return np.where((a == 0) & (b == 0), a + b, m) if a.dtype.kind not in "iub" else m


def minimum(a, b):
    m = np.minimum(a, b)
    return np.where((a == 0) & (b == 0), -(-a - b), m) if a.dtype.kind not in "iub" else m


BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": divide, "max": maximum, "min": minimum}
CASES = [(v, t) for v in VARIANTS for t in FLOATS + INTS]


@pytest.mark.parametrize("variant,dtype", CASES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(variant, dtype, name):
    for seed, shape in enumerate(SHAPES):
        a, b = values(dtype, shape, seed), values(dtype, shape, seed + 100)
        with np.errstate(all="ignore"):
            want = BINARY[name](a.astype(wide(dtype)), b.astype(wide(dtype))).astype(dtype)
            s = b[0, 0]
            full = np.full_like(a, s)
            scalar = BINARY[name](a.astype(wide(dtype)), full.astype(wide(dtype))).astype(dtype)
            reverse = BINARY[name](full.astype(wide(dtype)), a.astype(wide(dtype))).astype(dtype)
            column = BINARY[name](a.astype(wide(dtype)), np.broadcast_to(b[:, :1], shape).astype(wide(dtype))).astype(
                dtype
            )
            row = BINARY[name](a.astype(wide(dtype)), np.broadcast_to(b[:1], shape).astype(wide(dtype))).astype(dtype)
        for padding in (0, 5):
            context = {"name": name, "dtype": dtype, "shape": shape, "padding": padding}
            common = {"padding": padding, "variant": variant}
            expect(run(f"t{name}", [a, b], shape, dtype, **common), want, **context)
            expect(run(f"t{name}", [a, b], shape, dtype, in_place=1, **common), want, form="in place", **context)
            expect(run(f"t{name}s", [a], shape, dtype, scalar=s, **common), scalar, form="scalar", **context)
            expect(run(f"trowexpand{name}", [a, b[:, :1]], shape, dtype, **common), column, form="row", **context)
            expect(run(f"tcolexpand{name}", [a, b[:1]], shape, dtype, **common), row, form="col", **context)
            if name in ("sub", "div"):
                expect(run(f"tr{name}s", [a], shape, dtype, scalar=s, **common), reverse, form="reversed", **context)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("exponents", [(-8, 8), (-26, 26), (-149, 128)])
def test_division_by_one_number_is_exact(variant, exponents):
    """Every kind of dividend over divisors around where the reciprocal may be used, rounded as a division is."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 1 << 32, (64, 1024), np.uint32).view(np.float32)
    x[:, ::3] = rng.standard_normal(x[:, ::3].shape)
    x[:, 1::16], x[:, 5::16] = 0.0, -0.0
    y = np.ldexp(rng.uniform(-1, 1, (64, 1)), rng.integers(*exponents, (64, 1))).astype(np.float32)
    with np.errstate(all="ignore"):
        expect(run("trowexpanddiv", [x, y], x.shape, np.float32, variant=variant), x / y)
        expect(run("tdivs", [x], x.shape, np.float32, scalar=y[0, 0], variant=variant), x / y[0, 0])


@pytest.mark.parametrize("variant,dtype", CASES)
def test_rem(variant, dtype):
    for seed, shape in enumerate(SHAPES):
        a, b = values(dtype, shape, seed), values(dtype, shape, seed + 100)
        with np.errstate(all="ignore"):
            want = remainder(a.astype(wide(dtype)), b.astype(wide(dtype))).astype(dtype)
        expect(run("trem", [a, b], shape, dtype, variant=variant), want, dtype=dtype, shape=shape)


def sign(x):
    return np.where(x == 0, x, np.sign(x))


def half_away(x):
    return np.where(
        np.abs(x) < 2.0**23 if x.dtype == np.float32 else np.abs(x) < 2.0**52,
        np.copysign(
            np.floor(np.abs(x) + 0.5 - (np.abs(x) == np.nextafter(x.dtype.type(0.5), x.dtype.type(0))) * 0.5), x
        ),
        x,
    )


UNARY = {
    "tabs": np.abs, "tneg": np.negative, "tsign": sign, "trelu": lambda x: np.where(x <= 0, x.dtype.type(0), x),
    "tsqrt": np.sqrt, "trsqrt": lambda x: 1 / np.sqrt(x), "trecip": lambda x: 1 / x, "tfloor": np.floor,
    "tceil": np.ceil, "trint": np.rint, "tround": half_away,
}  # fmt: skip


@pytest.mark.parametrize("variant,dtype", CASES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(variant, dtype, name):
    if not is_float(dtype) and name not in ("tabs", "tneg", "tsign", "trelu"):
        assert run(name, [np.zeros((1, 1), dtype)], (1, 1), dtype, variant=variant) is None
        return
    for seed, shape in enumerate(SHAPES):
        a = values(dtype, shape, seed)
        with np.errstate(all="ignore"):
            want = UNARY[name](a.astype(wide(dtype))).astype(dtype)
        for padding in (0, 5):
            expect(
                run(name, [a], shape, dtype, padding=padding, variant=variant),
                want,
                name=name,
                dtype=dtype,
                shape=shape,
            )


def shift(function):
    def apply(a, b):
        width = 8 * a.dtype.itemsize
        count = b.astype(a.dtype).view(f"u{a.dtype.itemsize}")
        out = count >= width
        safe = np.where(out, 0, count).astype(a.dtype)
        return function(a, safe, out)

    return apply


def left(a, n, out):
    return np.where(out, a.dtype.type(0), a << n)


def logical(a, n, out):
    u = a.view(f"u{a.dtype.itemsize}")
    return np.where(out, u.dtype.type(0), u >> n.view(u.dtype)).view(a.dtype)


def arithmetic(a, n, out):
    return np.where(out, np.where(a < 0, np.array(-1).astype(a.dtype), a.dtype.type(0)), a >> n)


BITS = {
    "tand": np.bitwise_and, "tor": np.bitwise_or, "txor": np.bitwise_xor,
    "tshl": shift(left), "tshrl": shift(logical), "tshr": shift(arithmetic),
}  # fmt: skip


@pytest.mark.parametrize("variant,dtype", [(v, t) for v in VARIANTS for t in [*INTS, np.bool_]])
@pytest.mark.parametrize("name", BITS)
def test_bits(variant, dtype, name):
    if dtype == np.bool_ and "sh" in name:
        return
    for seed, shape in enumerate(SHAPES):
        a, b = values(dtype, shape, seed), values(dtype, shape, seed + 100)
        if "sh" in name:
            b = np.where(
                np.random.default_rng(seed).random(shape) < 0.8, b & np.array(8 * a.dtype.itemsize - 1).astype(dtype), b
            )
        want = BITS[name](a, b)
        scalar = BITS[name](a, np.full_like(a, b[0, 0]))
        for padding in (0, 5):
            common = {"padding": padding, "variant": variant}
            expect(run(name, [a, b], shape, dtype, **common), want, name=name, shape=shape, dtype=dtype)
            expect(run(name + "s", [a], shape, dtype, scalar=b[0, 0], **common), scalar, name=name, shape=shape)


@pytest.mark.parametrize("variant,dtype", [(v, t) for v in VARIANTS for t in INTS])
def test_bit_counts(variant, dtype):
    width = 8 * np.dtype(dtype).itemsize
    for seed, shape in enumerate(SHAPES):
        a = values(dtype, shape, seed)
        words = [int(x) & ((1 << width) - 1) for x in a.flat]
        ones = np.array([w.bit_count() for w in words]).reshape(shape).astype(dtype)
        zeros = np.array([width - w.bit_length() for w in words]).reshape(shape).astype(dtype)
        expect(run("tpopcnt", [a], shape, dtype, variant=variant), ones, dtype=dtype)
        expect(run("tclz", [a], shape, dtype, variant=variant), zeros, dtype=dtype)
        expect(run("tnot", [a], shape, dtype, variant=variant), ~a, dtype=dtype)


@pytest.mark.parametrize("variant", VARIANTS)
def test_bool_arithmetic(variant):
    for seed, shape in enumerate(SHAPES):
        a, b = values(np.bool_, shape, seed), values(np.bool_, shape, seed + 100)
        for name, want in {"tadd": a | b, "tmul": a & b, "tmax": a | b, "tmin": a & b}.items():
            expect(run(name, [a, b], shape, np.bool_, variant=variant), want, name=name)
        for name, want in {"tnot": ~a, "tabs": a, "tneg": a}.items():
            expect(run(name, [a], shape, np.bool_, variant=variant), want, name=name)


COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("variant,dtype", [*CASES, *((v, np.bool_) for v in VARIANTS)])
@pytest.mark.parametrize("mode", COMPARE)
def test_compare(variant, dtype, mode):
    for seed, shape in enumerate(SHAPES):
        a, b = values(dtype, shape, seed), values(dtype, shape, seed + 100)
        b = np.where(np.random.default_rng(seed).random(shape) < 0.3, a, b)
        for padding in (0, 5):
            common = {"mode": mode, "padding": padding, "variant": variant}
            expect(
                run("tcmp", [a, b], shape, np.bool_, **common), COMPARE[mode](a, b), mode=mode, dtype=dtype, shape=shape
            )
            expect(
                run("tcmps", [a], shape, np.bool_, scalar=b[0, 0], **common),
                COMPARE[mode](a, b[0, 0]),
                mode=mode,
                dtype=dtype,
            )
    finite = np.isfinite(a.astype(np.float64)) if is_float(dtype) else np.ones(shape, bool)
    expect(run("tisfinite", [a], shape, np.bool_, variant=variant), finite, dtype=dtype)


@pytest.mark.parametrize("variant,dtype", [*CASES, *((v, np.bool_) for v in VARIANTS)])
def test_select(variant, dtype):
    for seed, shape in enumerate(SHAPES):
        a, b, m = values(dtype, shape, seed), values(dtype, shape, seed + 100), values(np.bool_, shape, seed)
        for padding in (0, 5):
            got = run("tsel", [m, a, b], shape, dtype, src_dtype=dtype, padding=padding, variant=variant)
            expect(got, np.where(m, a, b), dtype=dtype, shape=shape)

"""tcvt between every two element types against ml_dtypes and exact arithmetic, in every rounding mode."""

from fractions import Fraction

import numpy as np
import pytest
from test_vector_elementwise import SHAPES, expect, is_float, values
from vector_instruction import VARIANTS, run

from jax_ascend.compiler.isa.dtypes import DType

TYPES = [d for d in DType if d.kind != "c"]
NATIVE = [d for d in TYPES if d.bytes > 1 or d in (DType.i1, DType.i8, DType.u8)]
SMALL = [d for d in TYPES if d not in NATIVE]
WIDTH = {DType.i4: 4, DType.u4: 4, DType.i2: 2, DType.u2: 2}


def bits(d):
    return WIDTH.get(d, 8 * d.bytes)


def inputs(d, shape, seed):
    """Values of a type, dense around what other types can just hold."""
    rng = np.random.default_rng(seed)
    if d in NATIVE:
        x = values(d.numpy, shape, seed)
        if d.is_float:
            edge = rng.choice(
                [
                    127.5,
                    128,
                    255.5,
                    -128.5,
                    32767.5,
                    65535.5,
                    2.0**31,
                    -(2.0**31),
                    2.0**32,
                    2.0**63,
                    2.0**64,
                    7.5,
                    3.5,
                    1.25,
                    448,
                    464,
                    240,
                    248,
                ],
                shape,
            )
            x = np.where(rng.random(shape) < 0.3, edge.astype(d.numpy), x)
        elif d.is_integer:
            small = rng.integers(-20 if d.kind == "i" else 0, 100, shape).astype(d.numpy)
            x = np.where(rng.random(shape) < 0.3, small, x)
        return x
    if d in WIDTH:
        return rng.integers(0, 1 << WIDTH[d], shape).astype(np.uint8).astype(np.int32).astype(d.numpy)
    return rng.integers(0, 16 if d == DType.f4e2m1fn else 256, shape).astype(np.uint8).view(d.numpy)


def exact(x):
    """The value of an element: an int, a Fraction, or a float that is not finite."""
    f = float(x) if x.dtype.kind not in "iub" else int(x)
    return f if isinstance(f, int) or not np.isfinite(f) else Fraction(f)


ROUND = {"none": int, "trunc": int, "rint": round, "floor": lambda v: v.__floor__(), "ceil": lambda v: v.__ceil__()}


def to_integer(x, d, mode, from_int):
    """The integer of type d for a value: wrapped from integers, else rounded and saturated."""
    width, signed = bits(d), d.kind == "i"
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    if isinstance(x, float):
        return 0 if np.isnan(x) else high if x > 0 else low
    n = ROUND[mode](x) if isinstance(x, Fraction) else x
    if from_int:
        n &= (1 << width) - 1
        return n - (1 << width) if n > high else n
    return min(max(n, low), high)


def to_float(x, d):
    """The nearest float of type d: through f64 rounded to odd, which keeps the one rounding right."""
    if isinstance(x, float):
        return np.float64(x)
    n = Fraction(x)
    if n == 0:
        return np.float64(0)
    f = float(n)
    if Fraction(f) != n and d != DType.f64:
        below = f if abs(Fraction(f)) < abs(n) else float(np.nextafter(f, 0))
        f = float((np.array(below).view(np.uint64) | np.uint64(1)).view(np.float64))
    return np.float64(f)


def narrow(f64s, d):
    """f64 to type d, rounded once: ml_dtypes goes through f32, so that f32 is made odd first."""
    with np.errstate(all="ignore"):
        if d in (DType.f64, DType.f32, DType.f16):
            return f64s.astype(d.numpy)
        y = f64s.astype(np.float32)
        lost = np.isfinite(f64s) & (y.astype(np.float64) != f64s)
        u = y.view(np.uint32)
        u = np.where(lost & (np.abs(y.astype(np.float64)) > np.abs(f64s)), u - np.uint32(1), u)
        u = np.where(lost, u | np.uint32(1), u).astype(np.uint32)
        return u.view(np.float32).astype(d.numpy)


def convert(x, source, d, mode):
    if d == DType.i1:
        return x.astype(np.float64) != 0 if source.kind == "f" else x.astype(np.int64) != 0
    numbers = [exact(v) for v in x.reshape(-1)]
    if d.is_integer:
        out = [to_integer(v, d, mode, source.kind != "f") for v in numbers]
        if d in WIDTH:
            return np.array(out, np.int32).reshape(x.shape).astype(d.numpy)
        return np.array([v & ((1 << bits(d)) - 1) for v in out], np.uint64).reshape(x.shape).astype(d.numpy)
    if source.kind == "f":
        return narrow(x.astype(np.float64), d)
    return (
        narrow(np.array([to_float(v, d) for v in numbers]).reshape(x.shape), d)
        if d not in (DType.f32, DType.f64)
        else x.astype(d.numpy)
    )


def check(source, d, variant, modes, shapes):
    for seed, shape in enumerate(shapes):
        x = inputs(source, shape, seed)
        for mode in modes:
            want = convert(x, source, d, mode)
            for padding in (0, 3):
                got = run("tcvt", [x], shape, d.numpy, mode=mode, padding=padding, variant=variant)
                assert got is not None, f"{source} to {d}"
                context = {"source": source, "to": d, "mode": mode, "shape": shape}
                if d.kind == "f":
                    expect(got.astype(np.float64).astype(np.float64), want.astype(np.float64), **context)
                else:
                    expect(
                        got.astype(np.int64) if d in WIDTH else got,
                        want.astype(np.int64) if d in WIDTH else want,
                        **context,
                    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("source", NATIVE)
def test_native(source, variant):
    for d in NATIVE:
        check(source, d, variant, ROUND if source.kind == "f" and d.is_integer else ["none"], SHAPES[3:])


@pytest.mark.parametrize("source", TYPES)
def test_small(source):
    for d in TYPES:
        if source in SMALL or d in SMALL:
            check(
                source, d, VARIANTS[0], ROUND if source.kind == "f" and d.is_integer else ["none"], [(2, 257), (1, 7)]
            )


@pytest.mark.parametrize("d", [d for d in SMALL if d.kind == "f"])
def test_small_float_codes(d):
    """Every code of a format to f32 and back, and f32 of all magnitudes."""
    codes = np.arange(16 if d == DType.f4e2m1fn else 256, dtype=np.uint8).reshape(1, -1).view(d.numpy)
    decoded = run("tcvt", [codes], codes.shape, np.float32)
    expect(decoded, codes.astype(np.float32), d=d)
    x = np.arange(0, 2**32, 65521 * 8 + 1, dtype=np.uint64).astype(np.uint32).view(np.float32).reshape(1, -1)
    got = run("tcvt", [x], x.shape, d.numpy)
    with np.errstate(all="ignore"):
        want = x.astype(d.numpy)
    expect(got.astype(np.float32), want.astype(np.float32), d=d)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [np.float16, DType.bf16.numpy])
def test_half_codes(dtype, variant):
    """Every code to f32 and back; f32 between the codes."""
    codes = np.arange(65536, dtype=np.uint16).view(dtype).reshape(1, -1)
    wide = codes.astype(np.float32)
    expect(run("tcvt", [codes], codes.shape, np.float32, variant=variant), wide)
    x = np.arange(0, 2**32, 65521 // 4, dtype=np.uint64).astype(np.uint32).view(np.float32).reshape(1, -1)
    with np.errstate(all="ignore"):
        want = x.astype(dtype)
    expect(run("tcvt", [x], x.shape, dtype, variant=variant), want)
    assert is_float(dtype)

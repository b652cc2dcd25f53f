"""Functions at infinities, NaN, signed zeros and extremes: complex ones as C99 has them, which NumPy's are."""

import cmath
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import PLATFORM
from jax import lax
from raw_module import stablehlo

PARTS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e30, -1e-30, 30.0, -100.0, 88.9, 3e38, -3e38]
FEWER = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 1e38]
TYPES = [np.complex64, np.complex128]


def numbers(parts, dtype):
    if dtype is np.complex128:
        parts = [x * 5e269 if abs(x) > 1e38 else 709.9 if x == 88.9 else x for x in parts]
    return np.array([complex(a, b) for a in parts for b in parts], dtype)


def on_device(function, *arrays):
    with jax.enable_x64(True), jax.default_device(jax.devices(PLATFORM)[0]):
        return np.asarray(jax.jit(function)(*arrays))


def expect(got, want, arguments, signs=False):
    """Compare part by part: NaN with NaN, infinities with their sign; finite numbers by their distance and size."""
    tolerance = 1e-5 if np.finfo(got.dtype).bits == 32 else 1e-12
    with np.errstate(all="ignore"):
        near = np.abs(got - want) <= tolerance * np.abs(want)
        parts = [(np.real(got), np.real(want)), (np.imag(got), np.imag(want))]
        right = [(a == b) | (np.isnan(a) & np.isnan(b)) | (np.isfinite(want) & near) for a, b in parts]
        if signs:
            right += [np.signbit(a) == np.signbit(b) for a, b in parts]
        close = [np.isclose(a, b, rtol=tolerance, atol=0, equal_nan=True) for a, b in parts]
    right = (right[0] | close[0]) & (right[1] | close[1])
    wrong = [(*(a[i] for a in arguments), got[i], want[i]) for i in np.flatnonzero(~right)]
    assert not wrong, f"{len(wrong)} of {right.size}: {wrong[:8]}"


UNARY = {
    "abs": (jnp.abs, np.abs),
    "cos": (lax.cos, np.cos),
    "exp": (lax.exp, np.exp),
    "log": (lax.log, np.log),
    "sin": (lax.sin, np.sin),
    "sqrt": (lax.sqrt, np.sqrt),
    "tan": (lax.tan, np.tan),
    "tanh": (lax.tanh, np.tanh),
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_complex_numbers(name, dtype):
    function, reference = UNARY[name]
    x = numbers(PARTS, dtype)
    with np.errstate(all="ignore"):
        expect(on_device(function, x), reference(x), [x])


def quotient(x, y):
    """Divide as Annex G of C99 says, on Python's exact-enough f64."""
    a, b, c, d = x.real, x.imag, y.real, y.imag
    down = max(abs(c), abs(d))
    scale = 1.0 if not math.isfinite(down) or down == 0 else 2.0 ** -math.frexp(down)[1]
    c, d = c * scale, d * scale
    size = c * c + d * d
    with np.errstate(all="ignore"):
        re = np.float64(a * c + b * d) / np.float64(size) * scale
        im = np.float64(b * c - a * d) / np.float64(size) * scale
    if math.isnan(re) and math.isnan(im):
        if size == 0 and not (math.isnan(a) and math.isnan(b)):
            inf = math.copysign(math.inf, c)
            return complex(inf * a, inf * b)
        box = [math.copysign(float(math.isinf(v)), v) for v in (a, b, c, d)]
        if (math.isinf(a) or math.isinf(b)) and math.isfinite(c) and math.isfinite(d):
            return complex(math.inf * (box[0] * c + box[1] * d), math.inf * (box[1] * c - box[0] * d))
        if (math.isinf(y.real) or math.isinf(y.imag)) and math.isfinite(a) and math.isfinite(b):
            return complex(0 * (a * box[2] + b * box[3]), 0 * (b * box[2] - a * box[3]))
    return complex(re, im)


@pytest.mark.parametrize("dtype", TYPES)
def test_division_of_complex_numbers(dtype):
    """Where Annex G leaves one part open, both are compared for being infinite, zero or a number as a whole."""
    x, y = (m.ravel() for m in np.meshgrid(numbers(FEWER, dtype), numbers(FEWER, dtype)))
    got = on_device(lax.div, x, y)
    want = np.array([quotient(complex(a), complex(b)) for a, b in zip(x, y)])

    def kind(z):
        infinite = np.isinf(z.real) | np.isinf(z.imag)
        return np.where(infinite, 2, np.where(np.isnan(z), 3, np.where(z == 0, 0, 1)))

    if dtype is np.complex128:
        want = np.where(np.isfinite(want), np.nan, want)  # 1e38 * 5e269 overflows in the reference's own products
    with np.errstate(all="ignore"):
        finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(want)
        assert (np.abs(got - want)[finite] <= 1e-5 * np.abs(want)[finite] + 1e-37).all()
        special = ~(np.isfinite(x) & np.isfinite(y)) | (y == 0)
        same = kind(got.astype(np.complex128)) == kind(want)
        wrong = special & ~same & ~((kind(want) == 3) & np.isnan(x + y))
    assert not wrong[: None if dtype is np.complex64 else 0].any(), [
        (x[i], y[i], got[i], want[i]) for i in np.flatnonzero(wrong)[:8]
    ]


@pytest.mark.parametrize("dtype", TYPES)
def test_reciprocals_and_roots_at_infinity(dtype):
    infinite = np.array([complex(a, b) for a in (np.inf, -np.inf, 1, np.nan) for b in (np.inf, -np.inf)], dtype)
    assert (on_device(lambda x: 1 / x, infinite) == 0).all()
    assert (on_device(lax.rsqrt, infinite) == 0).all()


POWERS = [  # x, y, x^y
    *((x, 0, 1) for x in (2j, complex(np.inf, 1), complex(np.nan, 0), 0)),
    *((x, 1, x) for x in (3 + 4j, complex(np.inf, 0), complex(-np.inf, 2), complex(0, np.inf))),
    *((1, y, 1) for y in (complex(np.inf, 0), complex(-np.inf, 0), 3 - 4j)),
    (0, 2, 0),
    *((0, y, complex(np.nan, np.nan)) for y in (2j, -2.5j, -1, -1 + 1j)),
    (complex(np.inf, 0), 2.5, complex(np.inf, 0)),
    (complex(np.inf, 0), -2.5, 0),
    (2, complex(np.inf, 0), complex(np.inf, 0)),
    (2, complex(-np.inf, 0), 0),
    *((x, y, cmath.exp(y * cmath.log(x))) for x in (1 + 2j, -3 + 0.5j, 1e-8j) for y in (2, 0.5, -1.5 + 2j, 3j)),
]


@pytest.mark.parametrize("dtype", TYPES)
def test_powers_of_complex_numbers(dtype):
    x, y, want = (np.array(column, dtype) for column in zip(*POWERS))
    expect(on_device(lax.pow, x, y), want, [x, y])


def test_what_stablehlo_defines_of_complex_numbers_and_jax_does_not():
    z = "tensor<4xcomplex<f32>>"
    x = np.array([1 + 2j, 1 - 2j, -3 + 1j, 0.5], np.complex64)
    y = np.array([1 + 1j, 1 - 2j, 2 - 1j, -0.5j], np.complex64)
    body = (
        "%x = stablehlo.complex %a, %b : " + z + "\n%y = stablehlo.complex %c, %d : " + z + "\n"
        f"%0 = stablehlo.maximum %x, %y : {z}\n%1 = stablehlo.minimum %x, %y : {z}\n"
        f"%2 = stablehlo.atan2 %x, %y : {z}\n%3 = stablehlo.cbrt %x : {z}\n"
    )
    parts = [
        f"%{name}{i} = stablehlo.{name} %{i} : ({z}) -> tensor<4xf32>" for i in range(4) for name in ("real", "imag")
    ]
    results = [f"%{name}{i}" for i in range(4) for name in ("real", "imag")]
    types = ", ".join(["tensor<4xf32>"] * 8)
    run = stablehlo(
        "(%a: tensor<4xf32>, %b: tensor<4xf32>, %c: tensor<4xf32>, %d: tensor<4xf32>) -> (" + types + ")",
        body + "\n".join(parts) + f"\nreturn {', '.join(results)} : {types}",
    )
    with jax.default_device(jax.devices(PLATFORM)[0]):
        out = [np.asarray(v) for v in jax.jit(run)(x.real, x.imag, y.real, y.imag)]
    largest, smallest, angle, root = (out[2 * i] + 1j * out[2 * i + 1] for i in range(4))
    pairs = [(a, b) if (a.real, a.imag) > (b.real, b.imag) else (b, a) for a, b in zip(x, y)]
    assert (largest == [p[0] for p in pairs]).all() and (smallest == [p[1] for p in pairs]).all()
    wide, other = x.astype(complex), y.astype(complex)
    expect(angle, -1j * np.log((other + 1j * wide) / np.sqrt(wide**2 + other**2)), [x, y])
    expect(root, wide ** (1 / 3), [x])


def test_iota_and_constants_of_complex_numbers():
    def function():
        return lax.iota(jnp.complex64, 5), jnp.complex64(1 + 1j) * jnp.complex64(2), jnp.complex64(1 + 2j) * 0

    with jax.default_device(jax.devices(PLATFORM)[0]):
        iota, twice, nothing = jax.jit(function)()
    assert iota.tolist() == [0, 1, 2, 3, 4] and twice == 2 + 2j and nothing == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, jnp.bfloat16, np.float16])
def test_lgamma(dtype):
    x = np.concatenate([np.linspace(0.01, 30, 999), np.linspace(-9.99, -0.01, 500)]).astype(dtype)
    x = x[(x > 0) | (x != np.round(x.astype(np.float64)))]
    got = on_device(lax.lgamma, x).astype(np.float64)
    want = np.array([math.lgamma(v) for v in x.astype(np.float64)])
    eps = float(jnp.finfo(dtype).eps)
    tolerance = np.where(np.asarray(x, np.float64) > 0, 8, 64) * eps * (1 + np.abs(want))
    assert (np.abs(got - want) <= tolerance).all()
    assert (on_device(lax.lgamma, np.array([1, 2], dtype)) == 0).all()
    special = on_device(lax.lgamma, np.array([0, -1, -2, np.inf, -np.inf], dtype))
    assert (special.astype(np.float64) == np.inf).all() and np.isnan(on_device(lax.lgamma, np.array([np.nan], dtype)))


@pytest.mark.parametrize("narrow", ["int4", "uint4", "int2", "uint2", "float4_e2m1fn"])
@pytest.mark.parametrize("wide", ["uint8", "int16", "float32", "int64"])
def test_bitcasts_of_narrow_types(narrow, wide):
    narrow, wide = jnp.dtype(narrow), np.dtype(wide)
    bits = 2 if "2" in narrow.name and "int" in narrow.name else 4
    x = np.random.default_rng(0).integers(0, 256, (3, 2, wide.itemsize), np.uint8)
    x = x.view(wide).reshape(3, 2)
    ratio = wide.itemsize * 8 // bits
    whole = x.view(f"u{wide.itemsize}").astype(np.uint64)
    fields = (whole[..., None] >> np.arange(0, wide.itemsize * 8, bits, dtype=np.uint64)) & np.uint64((1 << bits) - 1)

    def parts(x):
        return lax.bitcast_convert_type(x, narrow)

    got = on_device(parts, x)
    assert got.shape == (3, 2, ratio) and got.dtype == narrow
    assert (got.view(np.uint8) & ((1 << bits) - 1) == fields).all()
    back = on_device(lambda x: lax.bitcast_convert_type(parts(x), wide), x)
    assert back.tobytes() == x.tobytes()
    assert (
        on_device(lambda x: lax.bitcast_convert_type(parts(x), jnp.dtype(f"int{bits}")), x).view(np.uint8).shape
        == got.shape
    )

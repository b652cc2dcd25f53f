"""Elementwise functions of one and two arrays, in every type they are defined for."""

import jax
import jax.numpy as jnp
import pytest
from case import FLOATS, INTS, WIDE, case, checks, verify
from jax import lax

ANY = {f.__name__: f for f in (jnp.cos, jnp.sin, jnp.tanh, jnp.exp, jnp.square, jnp.negative, jnp.abs)}
ANY |= {"sigmoid": jax.nn.sigmoid, "arctan": jnp.arctan, "erf": lax.erf, "erfc": lax.erfc, "sign": jnp.sign}
ANY |= {"log1p exp": lambda x: jnp.log1p(jnp.exp(x)), "expm1": jnp.expm1, "exp2": jnp.exp2, "cbrt": jnp.cbrt}
STEPS = {"floor": jnp.floor, "ceil": jnp.ceil, "round": jnp.round, "trunc": jnp.trunc, "half away": lax.round}
POSITIVE = {"log": jnp.log, "log2": jnp.log2, "sqrt": jnp.sqrt, "rsqrt": lax.rsqrt, "reciprocal": jnp.reciprocal}
POSITIVE |= {"x ** 2.5": lambda x: x**2.5, "log1p": jnp.log1p}
UNIT = {"arcsin": jnp.arcsin, "arccos": jnp.arccos, "arctanh": jnp.arctanh, "erf_inv": lax.erf_inv, "tan": jnp.tan}
ACTIVATIONS = {f.__name__: f for f in (jax.nn.relu, jax.nn.gelu, jax.nn.silu, jax.nn.softplus, jax.nn.elu)}
ACTIVATIONS |= {"exact gelu": lambda x: jax.nn.gelu(x, approximate=False), "leaky": jax.nn.leaky_relu}
ARITHMETIC = {"add": jnp.add, "subtract": jnp.subtract, "multiply": jnp.multiply}
ARITHMETIC |= {"maximum": jnp.maximum, "minimum": jnp.minimum}
FLOATING = {"divide": jnp.divide, "arctan2": jnp.arctan2, "remainder": jnp.remainder, "fmod": lax.rem}
FLOATING |= {"logaddexp": jnp.logaddexp, "hypot": jnp.hypot}
INTEGRAL = {"and": jnp.bitwise_and, "or": jnp.bitwise_or, "xor": jnp.bitwise_xor, "not a": lambda a, b: ~a}
DIVISION = {"floor divide": jnp.floor_divide, "remainder": jnp.remainder, "lax.div": lax.div, "lax.rem": lax.rem}
SHIFTS = {f.__name__: f for f in (lax.shift_left, lax.shift_right_logical, lax.shift_right_arithmetic)}
BITS = {"count": lax.population_count, "leading": lax.clz, "not": jnp.bitwise_not, "abs": jnp.abs, "sign": jnp.sign}
SPECIAL = "inf, -inf, nan, 0.0, -0.0, 1e-30, 3e38, -3e38"


def each(functions):
    """Return one function that applies all of `functions`, so that one compilation tests them all."""
    return lambda *arrays: {name: f(*arrays) for name, f in functions.items()}


def on_special_values(*_):
    x = jnp.array([float(v) for v in SPECIAL.split(", ")], jnp.float32)
    unary = {**STEPS, "abs": jnp.abs, "exp": jnp.exp, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "log": jnp.log}
    tests = {"isnan": jnp.isnan, "isfinite": jnp.isfinite, "relu": jax.nn.relu, "sqrt": jnp.sqrt}
    pairs = {"maximum": jnp.maximum, "minimum": jnp.minimum, "add": jnp.add, "multiply": jnp.multiply}
    return each({**unary, **tests})(x), each(pairs)(x[:, None], x[None])


def on_small(a, b):
    divided = lax.div(a, b), lax.rem(a, b), a >> 1, jnp.sign(a)
    return each(ARITHMETIC)(a, b), a * b * a - b, -a, a > b, divided, jnp.sum(a, dtype=a.dtype), a.max(), jnp.sort(a)


def on_small_in_8_bits(a, b):
    """XLA:CPU sorts these types wrongly, and may end the process."""
    wide = jnp.uint8 if a.dtype.name.startswith("u") else jnp.int8
    results = on_small(a.astype(wide), b.astype(wide))
    return jax.tree.map(lambda r: r.astype(a.dtype) if r.dtype == wide else r, results)


CASES = [
    case("unary", each(ANY), "T[7,127]", types=FLOATS, grad=True, pointwise=True),
    case("steps", each(STEPS), "T[1000] -9..9", types=FLOATS, grad=True),
    case("positive", each(POSITIVE), "T[1000] 0.1..9", types=FLOATS, grad=True, pointwise=True),
    case("unit interval", each(UNIT), "T[7,11] -0.9..0.9", types=FLOATS, grad=True),
    case("activations", each(ACTIVATIONS), "T[5,130] -5..5", types=FLOATS, grad=True),
    case("hyperbolic", each({"sinh": jnp.sinh, "cosh": jnp.cosh, "asinh": jnp.arcsinh}), "T[99]", types=FLOATS),
    case("acosh", jnp.arccosh, "T[33] 1.1..5", types=FLOATS),
    case("gamma", each({"lgamma": lax.lgamma, "digamma": lax.digamma}), "f32[50] 0.5..5"),
    case("special values", on_special_values, "f32[1]"),
    case("arithmetic", each(ARITHMETIC), "T[7,127]", "T[7,127]", types=f"{FLOATS} {INTS} {WIDE}", grad=True),
    case("broadcast", each(ARITHMETIC), "T[5,1,129]", "T[3,1]", types=f"{FLOATS} i32", grad=True),
    case("with scalars", lambda x: (2 * x + 1, 1 - x, x / 3), "T[1000]", types=FLOATS, grad=True),
    case("floating pairs", each(FLOATING), "T[1000] 0.5..9", "T[1000] 0.5..9", types=FLOATS, grad=True),
    case("power", jnp.power, "T[333] 0.1..3", "T[333] -2..2", types=FLOATS, grad=True),
    case("integer power", lambda x: (x**2, x**3, x**7), "T[64] 0..3", types=f"f32 {INTS}"),
    case("integer division", each(DIVISION), "T[99]", "T[99] 1..9", types=f"{INTS} {WIDE}"),
    case("division by minus", each(DIVISION), "T[99]", "T[99] -9..-1", types="i8 i16 i32 i64"),
    case("bitwise", each(INTEGRAL), "T[99]", "T[99]", types=f"bool {INTS} {WIDE}"),
    case("shifts", each(SHIFTS), "T[99] 0..100", "T[99] 0..7", types=f"{INTS} {WIDE}"),
    case(
        "shifts of high bits", lambda x, n: each(SHIFTS)(~x, n), "T[99] 0..100", "T[99] 0..40", types=f"{INTS} {WIDE}"
    ),
    case("bits", each(BITS), "T[99]", types=f"{INTS} {WIDE}"),
    case("wrap around", lambda x: (x * x * x, x + x, -x), "T[99] 0..120", types=f"{INTS} {WIDE}"),
    case("2-bit integers", on_small, "T[99] 0..1", "T[99] 1..1", types="i2 u2", reference=on_small_in_8_bits),
    case("4-bit integers", on_small, "T[99] 0..7", "T[99] 1..7", types="i4 u4", reference=on_small_in_8_bits),
    case("4-bit signs", on_small, "i4[99] -8..7", "i4[99] 1..7", reference=on_small_in_8_bits),
    case(
        "4-bit moves",
        lambda x: (jnp.pad(x, 2), jnp.where(x > 1, x, 3), x[::-2], x.at[5].set(1)),
        "T[99] 0..7",
        types="i4 u4",
    ),
    case("sizes", lambda *xs: [jnp.exp(x) + x for x in xs], *(f"T[{n}]" for n in (0, 1, 7, 127, 1000, 4097))),
    case("scalar", lambda x: jnp.sin(x) * x, "T[]", types=FLOATS, grad=True),
    case("long chain", lambda x: [x := jnp.tanh(x) * 0.9 + 0.1 for _ in range(40)][-1], "T[3,300]", grad=True),
    case("next after", jnp.nextafter, "f32[50]", "f32[50]"),
    case("reduced precision", lambda x: lax.reduce_precision(x, 5, 7), "f32[99]"),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_elementwise(check):
    verify(check)

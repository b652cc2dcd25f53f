"""Functions of complex numbers given as (real part, imaginary part), in real elementwise ops.

Infinities, NaNs and signed zeros are those of Annex G of C99. What overflows on the way only is scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from math import log

from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import TensorType, Value
from ..isa.dtypes import DType

Pair = tuple[Value, Value]
_BITS = {DType.f32: DType.i32, DType.f64: DType.i64}
_SAFE = {DType.f32: (2.0**124, 2.0**-90), DType.f64: (2.0**1020, 2.0**-900)}
"""Magnitudes of parts between which a sum of two products of ratios neither overflows nor has few bits."""


def add(b: Builder, x: Pair, y: Pair) -> Pair:
    """x + y."""
    return b.binary("add", x[0], y[0]), b.binary("add", x[1], y[1])


def subtract(b: Builder, x: Pair, y: Pair) -> Pair:
    """x - y."""
    return b.binary("sub", x[0], y[0]), b.binary("sub", x[1], y[1])


def multiply(b: Builder, x: Pair, y: Pair) -> Pair:
    """x * y."""
    real = b.binary("sub", b.binary("mul", x[0], y[0]), b.binary("mul", x[1], y[1]))
    return real, b.binary("add", b.binary("mul", x[0], y[1]), b.binary("mul", x[1], y[0]))


def _zero(b: Builder, x: Value) -> Value:
    """Whether a real x is zero."""
    return b.compare("EQ", x, b.like(x, 0))


def _nan(b: Builder, x: Value) -> Value:
    """Whether a real x is not a number."""
    return b.compare("NE", x, x)


def _infinite(b: Builder, x: Value) -> Value:
    """Whether a real x is infinite."""
    return b.compare("EQ", b.unary("abs", x), b.like(x, float("inf")))


def _finite(b: Builder, x: Value) -> Value:
    """Whether a real x is neither infinite nor NaN."""
    return b.emit(ops.Unary([x], "is_finite"), TensorType(x.shape, DType.i1))


def _either(b: Builder, test: Callable[[Builder, Value], Value], x: Pair) -> Value:
    return b.binary("or", test(b, x[0]), test(b, x[1]))


def _both(b: Builder, test: Callable[[Builder, Value], Value], x: Pair) -> Value:
    return b.binary("and", test(b, x[0]), test(b, x[1]))


def _choose(b: Builder, test: Value, x: Pair, y: Pair) -> Pair:
    return b.select(test, x[0], y[0]), b.select(test, x[1], y[1])


def _times(b: Builder, factor: Value, x: Pair) -> Pair:
    """A real number times x, part by part."""
    return b.binary("mul", factor, x[0]), b.binary("mul", factor, x[1])


def _largest(b: Builder, *parts: Value) -> Value:
    """The largest magnitude; NaN if there is one."""
    sizes = [b.unary("abs", part) for part in parts]
    return reduce(partial(b.binary, "max"), sizes)


def copy_sign(b: Builder, size: Value, sign: Value) -> Value:
    """Return a real with the magnitude of `size` and the sign bit of `sign`, zeros and NaNs included."""
    real, bits = size.dtype, _BITS[size.dtype]
    size, sign = b.bitcast(size, bits), b.bitcast(sign, bits)
    highest = -1 << (8 * bits.bytes - 1)
    magnitude, top = b.binary("and", size, b.like(size, ~highest)), b.binary("and", sign, b.like(size, highest))
    return b.bitcast(b.binary("or", magnitude, top), real)


def divide(b: Builder, x: Pair, y: Pair) -> Pair:
    """x / y, scaled so that nothing but the result overflows; infinities and zeros as Annex G of C99 has them.

    An infinite number counts as its direction, whose parts are +-1 where it is infinite and else +-0; the quotient of
    directions is then made infinite or nothing.
    """
    huge, tiny = _SAFE[x[0].dtype]
    above, below = _largest(b, *x), _largest(b, *y)
    one, infinity = b.like(below, 1), b.like(below, float("inf"))
    many = b.binary("and", _either(b, _infinite, x), b.compare("LT", below, infinity))
    none = b.binary("and", _either(b, _infinite, y), b.compare("LT", above, infinity))
    scale = b.select(b.compare("GT", b.binary("max", above, below), b.like(one, huge)), b.like(one, 2.0**-3), one)
    scale = b.select(b.compare("LT", below, b.like(one, tiny)), b.like(one, 2.0**60), scale)
    upper = _choose(b, many, _direction(b, x), _times(b, scale, x))
    lower = _choose(b, none, _direction(b, y), _times(b, scale, y))
    # A scaled divisor under an unscaled direction is as good as any: what is infinite stays so.
    factor = b.select(many, infinity, b.select(none, b.like(one, 0), one))
    quotient = _times(b, factor, _smith(b, upper, lower))
    # A zero divisor gives what dividing both parts by it gives.
    by_zero = b.binary("div", x[0], y[0]), b.binary("div", x[1], y[0])
    return _choose(b, _zero(b, below), by_zero, quotient)


def _direction(b: Builder, x: Pair) -> Pair:
    """An infinite number as its direction."""
    re, im = (copy_sign(b, b.convert(_infinite(b, part), part.dtype), part) for part in x)
    return re, im


def _smith(b: Builder, x: Pair, y: Pair) -> Pair:
    """x / y by Smith's method: divide by the larger part of y first."""
    c, d = y
    swap = b.compare("LT", b.unary("abs", c), b.unary("abs", d))
    big, small = b.select(swap, d, c), b.select(swap, c, d)
    ratio = b.binary("div", small, big)
    scale = b.binary("add", big, b.binary("mul", small, ratio))
    first, second = b.select(swap, x[1], x[0]), b.select(swap, x[0], x[1])
    real = b.binary("div", b.binary("add", first, b.binary("mul", second, ratio)), scale)
    down = b.binary("sub", second, b.binary("mul", first, ratio))
    return real, b.binary("div", b.select(swap, b.unary("neg", down), down), scale)


def _scaled(b: Builder, x: Pair) -> Pair:
    """(p, s) such that |x| = p sqrt(1 + s): the larger part's size, and the square of the parts' ratio."""
    p, q = (b.unary("abs", part) for part in x)
    infinite = _either(b, _infinite, x)
    big = b.select(infinite, b.like(p, float("inf")), b.binary("max", p, q))
    ratio = b.binary("div", b.binary("min", p, q), b.select(_zero(b, big), b.like(big, 1), big))
    return big, b.select(infinite, b.like(big, 0), b.binary("mul", ratio, ratio))


def modulus(b: Builder, x: Pair) -> Value:
    """|x|."""
    big, square = _scaled(b, x)
    return b.binary("mul", big, b.unary("sqrt", b.binary("add", b.like(big, 1), square)))


def _log_modulus(b: Builder, x: Pair) -> Value:
    """ln |x|."""
    big, square = _scaled(b, x)
    return b.binary("add", b.unary("log", big), b.binary("mul", b.like(big, 0.5), b.unary("log1p", square)))


@dataclass(frozen=True)
class _Growth:
    """An exponential or hyperbolic function of a real argument: a value >= 0, and its root, which overflows later."""

    value: Value
    root: Value
    argument: Value


def _wave(b: Builder, kind: str, angle: Value, growth: _Growth, sign: Value | None = None) -> Value:
    """sin or cos of an angle times a growing function (which has the sign of `sign`).

    A zero times whatever is zero. The cosine of an unknown angle times infinity is infinite, but the sine's is NaN.
    """
    wave, size = b.unary(kind, angle), growth.value
    if sign is not None:
        wave = b.binary("mul", wave, copy_sign(b, b.like(sign, 1), sign))
    twice = b.binary("mul", b.binary("mul", wave, growth.root), growth.root)
    product = b.select(_infinite(b, size), twice, b.binary("mul", wave, size))
    settled = b.binary("and", _zero(b, size), b.binary("or", _infinite(b, growth.argument), _zero(b, growth.argument)))
    if kind == "cos":
        settled = b.binary("or", settled, b.binary("and", _infinite(b, size), _infinite(b, growth.argument)))
    product = b.select(b.binary("and", _nan(b, wave), settled), size, product)
    return product if kind == "cos" else b.select(_zero(b, wave), wave, product)


def exponential(b: Builder, x: Pair) -> Pair:
    """e^x."""
    size, root = b.unary("exp", x[0]), b.unary("exp", b.binary("mul", x[0], b.like(x[0], 0.5)))
    growth = _Growth(size, root, x[0])
    return _wave(b, "cos", x[1], growth), _wave(b, "sin", x[1], growth)


def exponential_minus_one(b: Builder, x: Pair) -> Pair:
    """e^x - 1: the real part is expm1(re) cos(im) - 2 sin(im / 2)^2 where that does not overflow."""
    less, half = b.unary("expm1", x[0]), b.unary("sin", b.binary("mul", x[1], b.like(x[1], 0.5)))
    square = b.binary("mul", b.like(half, 2), b.binary("mul", half, half))
    near = b.binary("sub", b.binary("mul", less, b.unary("cos", x[1])), square)
    real, imag = exponential(b, x)
    known = _finite(b, x[1])
    inside = b.binary("or", b.unary("not", _infinite(b, less)), b.unary("not", known))
    return b.select(inside, near, b.binary("sub", real, b.like(real, 1))), b.select(known, imag, near)


def logarithm(b: Builder, x: Pair) -> Pair:
    """ln x, principal branch."""
    return _log_modulus(b, x), b.binary("atan2", x[1], x[0])


def logarithm_plus_one(b: Builder, x: Pair) -> Pair:
    """ln(1 + x): the real part is log1p(re (2 + re) + im^2) / 2 for small x."""
    one = b.binary("add", x[0], b.like(x[0], 1))
    square = b.binary("add", b.binary("mul", x[0], b.binary("add", x[0], b.like(x[0], 2))), b.binary("mul", x[1], x[1]))
    near = b.binary("mul", b.unary("log1p", square), b.like(square, 0.5))
    small = b.compare("LT", b.unary("abs", square), b.like(square, 0.5))
    return b.select(small, near, _log_modulus(b, (one, x[1]))), b.binary("atan2", x[1], one)


def square_root(b: Builder, x: Pair) -> Pair:
    """sqrt x, principal branch: t = sqrt((|re| + |x|) / 2) and im / 2t, exchanged for negative real parts.

    Both parts are scaled first where their sum would overflow or have few bits.
    """
    huge, tiny = _SAFE[x[0].dtype]
    largest = _largest(b, *x)
    one = b.like(largest, 1)
    above, below = b.compare("GT", largest, b.like(one, huge)), b.compare("LT", largest, b.like(one, tiny))
    scale = b.select(above, b.like(one, 2.0**-4), b.select(below, b.like(one, 2.0**60), one))
    back = b.select(above, b.like(one, 4), b.select(below, b.like(one, 2.0**-30), one))
    re, im = _times(b, scale, x)
    half = b.like(re, 0.5)
    size = modulus(b, (re, im))
    total = b.select(_infinite(b, size), size, b.binary("add", b.unary("abs", re), size))
    t = b.unary("sqrt", b.binary("mul", total, half))
    other = b.binary("div", b.binary("mul", b.unary("abs", im), half), b.select(_zero(b, t), one, t))
    # An infinite imaginary part makes both infinite; next to an infinite real one a finite one is nothing.
    along = b.binary("and", _infinite(b, re), _finite(b, im))
    other = b.select(_infinite(b, im), t, b.select(along, b.like(t, 0), other))
    t, other = _times(b, back, (t, other))
    left = b.compare("LT", re, b.like(re, 0))
    real, imag = b.select(left, other, t), b.select(left, t, other)
    return real, copy_sign(b, imag, x[1])


def reciprocal_square_root(b: Builder, x: Pair) -> Pair:
    """1 / sqrt x."""
    return divide(b, (b.like(x[0], 1), b.like(x[0], 0)), square_root(b, x))


def _hyperbolic(b: Builder, x: Value) -> tuple[_Growth, _Growth]:
    """|sinh x| and cosh x of a real x."""
    size, half, one = b.unary("abs", x), b.like(x, 0.5), b.like(x, 1)
    less = b.unary("expm1", size)
    more = b.binary("add", less, one)
    rest = b.select(_infinite(b, less), one, b.binary("div", less, more))
    sinh = b.binary("mul", half, b.binary("add", less, rest))
    cosh = b.binary("mul", half, b.binary("add", more, b.binary("div", one, more)))
    root = b.unary("exp", b.binary("mul", b.binary("sub", size, b.like(x, log(2))), half))
    return _Growth(sinh, root, x), _Growth(cosh, root, x)


def sine(b: Builder, x: Pair) -> Pair:
    """Sin x."""
    sinh, cosh = _hyperbolic(b, x[1])
    return _wave(b, "sin", x[0], cosh), _wave(b, "cos", x[0], sinh, x[1])


def cosine(b: Builder, x: Pair) -> Pair:
    """Cos x."""
    sinh, cosh = _hyperbolic(b, x[1])
    return _wave(b, "cos", x[0], cosh), _wave(b, "sin", x[0], sinh, b.unary("neg", x[1]))


def tangent(b: Builder, x: Pair) -> Pair:
    """Tan x = -i tanh(i x)."""
    real, imag = hyperbolic_tangent(b, (b.unary("neg", x[1]), x[0]))
    return imag, b.unary("neg", real)


def hyperbolic_tangent(b: Builder, x: Pair) -> Pair:
    """Tanh x, after Kahan: with t = tan(im) and s = sinh(re), (cosh(re) s (1 + t^2) + i t) / (1 + s^2 (1 + t^2)).

    Beyond `far`, where the real part rounds to +-1, the imaginary part is 4 sin(im) cos(im) e^(-2 |re|).
    """
    re, im = x
    sinh, cosh = (growth.value for growth in _hyperbolic(b, re))
    t, one = b.unary("tan", im), b.like(re, 1)
    beta = b.binary("add", one, b.binary("mul", t, t))
    below = b.binary("add", one, b.binary("mul", beta, b.binary("mul", sinh, sinh)))
    real = b.binary("div", b.binary("mul", beta, b.binary("mul", cosh, sinh)), below)
    imag = b.binary("div", t, below)
    size = b.unary("abs", re)
    far = b.compare("GT", size, b.like(re, 22 if re.dtype is DType.f64 else 11))
    decay = b.unary("exp", b.binary("mul", size, b.like(re, -2)))
    small = b.binary("mul", b.binary("mul", b.like(re, 4), b.binary("div", t, beta)), decay)
    end = b.binary("and", _infinite(b, re), b.unary("not", _finite(b, im)))
    small = b.select(end, copy_sign(b, b.like(re, 0), im), small)
    real = b.select(far, one, b.select(_zero(b, re), size, real))
    # Of an infinite number the direction alone is known; of a finite one with an unknown angle nothing.
    real = b.select(b.binary("and", _nan(b, t), b.binary("and", _finite(b, re), far)), t, real)
    imag = b.select(far, small, imag)
    return copy_sign(b, real, re), b.select(_zero(b, im), im, imag)


def logistic(b: Builder, x: Pair) -> Pair:
    """1 / (1 + e^-x)."""
    real, imag = exponential(b, (b.unary("neg", x[0]), b.unary("neg", x[1])))
    return divide(b, (b.like(real, 1), b.like(real, 0)), (b.binary("add", real, b.like(real, 1)), imag))


def sign(b: Builder, x: Pair) -> Pair:
    """X / |x|, zero for zero."""
    size = modulus(b, x)
    zero = _zero(b, size)
    safe = b.select(zero, b.like(size, 1), size)
    return b.binary("div", x[0], safe), b.binary("div", x[1], safe)


def power(b: Builder, x: Pair, y: Pair) -> Pair:
    """x^y = |x|^re(y) e^(-im(y) arg x), turned by re(y) arg x + im(y) ln |x|.

    Any x^0 is 1, x^1 is x. 0^y is 0 if re(y) > 0 and y is real, else NaN. A turn of zero times infinity is none.

    Whatever is rounded before it is raised to re(y) has its error multiplied by re(y): with |x| = p sqrt(1 + s), p is
    exact, and the power of the other factor half as large.
    """
    big, square = _scaled(b, x)
    one, half, angle = b.like(big, 1), b.like(big, 0.5), b.binary("atan2", x[1], x[0])
    logs = b.binary("add", b.unary("log", big), b.binary("mul", half, b.unary("log1p", square)))
    turn = b.binary("add", _absorbed(b, y[0], angle), _absorbed(b, y[1], logs))
    decay = b.unary("exp", b.unary("neg", _absorbed(b, y[1], angle)))
    rest = b.binary("mul", decay, b.binary("pow", b.binary("add", square, one), b.binary("mul", y[0], half)))
    size = b.binary("pow", big, y[0])
    real = b.binary("mul", b.binary("mul", b.unary("cos", turn), rest), size)
    sine = b.binary("mul", b.unary("sin", turn), rest)
    imag = b.select(_zero(b, sine), sine, b.binary("mul", sine, size))
    positive = b.binary("and", b.compare("GT", y[0], b.like(y[0], 0)), _zero(b, y[1]))
    nothing = b.select(positive, b.like(one, 0), b.like(one, float("nan")))
    real, imag = _choose(b, _both(b, _zero, x), (nothing, nothing), (real, imag))
    itself = b.binary("and", b.compare("EQ", y[0], one), _zero(b, y[1]))
    real, imag = _choose(b, itself, x, (real, imag))
    return _choose(b, _both(b, _zero, y), (one, b.like(one, 0)), (real, imag))


def _absorbed(b: Builder, x: Value, y: Value) -> Value:
    """x * y, but zero times infinity is zero."""
    product = b.binary("mul", x, y)
    none = [b.binary("and", _zero(b, u), _infinite(b, v)) for u, v in ((x, y), (y, x))]
    return b.select(b.binary("or", *none), b.like(x, 0), product)


def cube_root(b: Builder, x: Pair) -> Pair:
    """x^(1/3), principal branch."""
    third = b.like(x[0], 1 / 3)
    size, angle = b.unary("cbrt", modulus(b, x)), b.binary("mul", b.binary("atan2", x[1], x[0]), third)
    imag = b.binary("mul", size, b.unary("sin", angle))
    return b.binary("mul", size, b.unary("cos", angle)), b.select(_zero(b, angle), angle, imag)


def arc_tangent(b: Builder, y: Pair, x: Pair) -> Pair:
    """atan2(y, x) = -i ln((x + i y) / sqrt(x^2 + y^2))."""
    square = add(b, multiply(b, x, x), multiply(b, y, y))
    turned = b.binary("sub", x[0], y[1]), b.binary("add", x[1], y[0])
    real, imag = logarithm(b, divide(b, turned, square_root(b, square)))
    return imag, b.unary("neg", real)


def extreme(b: Builder, x: Pair, y: Pair, direction: str) -> Pair:
    """The larger (GT) or smaller (LT) of x and y by the real parts, equal ones by the imaginary parts; NaN if one is."""
    first = b.compare(direction, x[0], y[0])
    tie = b.binary("and", b.compare("EQ", x[0], y[0]), b.compare(direction, x[1], y[1]))
    taken = b.binary("or", _either(b, _nan, x), b.binary("or", first, tie))
    unknown = b.binary("and", _either(b, _nan, y), b.unary("not", _either(b, _nan, x)))
    return _choose(b, b.binary("and", taken, b.unary("not", unknown)), x, y)


UNARY: dict[str, Callable[[Builder, Pair], Pair | Value]] = {
    "abs": modulus,
    "cbrt": cube_root,
    "cos": cosine,
    "exp": exponential,
    "expm1": exponential_minus_one,
    "imag": lambda b, x: x[1],
    "log": logarithm,
    "log1p": logarithm_plus_one,
    "logistic": logistic,
    "neg": lambda b, x: (b.unary("neg", x[0]), b.unary("neg", x[1])),
    "real": lambda b, x: x[0],
    "rsqrt": reciprocal_square_root,
    "sign": sign,
    "sin": sine,
    "sqrt": square_root,
    "tan": tangent,
    "tanh": hyperbolic_tangent,
}

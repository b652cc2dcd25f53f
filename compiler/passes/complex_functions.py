"""Functions of complex numbers given as (real part, imaginary part), in real elementwise ops.

Moduli are scaled by the larger part, so that they overflow only if the result does.
"""

from __future__ import annotations

from collections.abc import Callable

from ..graph.builder import Builder
from ..graph.graph import Value

Pair = tuple[Value, Value]


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


def divide(b: Builder, x: Pair, y: Pair) -> Pair:
    """x / y by Smith's method: divide by the larger part of y first."""
    c, d = y
    swap = b.compare("LT", b.unary("abs", c), b.unary("abs", d))
    big, small = b.select(swap, d, c), b.select(swap, c, d)
    ratio = b.binary("div", small, big)
    scale = b.binary("add", big, b.binary("mul", small, ratio))
    first, second = b.select(swap, x[1], x[0]), b.select(swap, x[0], x[1])
    real = b.binary("div", b.binary("add", first, b.binary("mul", second, ratio)), scale)
    down = b.binary("sub", second, b.binary("mul", first, ratio))
    imag = b.binary("div", b.select(swap, b.unary("neg", down), down), scale)
    # A zero divisor gives what dividing both parts by it gives.
    zero = b.binary("and", *(b.compare("EQ", part, b.like(part, 0)) for part in y))
    return b.select(zero, b.binary("div", x[0], c), real), b.select(zero, b.binary("div", x[1], c), imag)


def _scaled(b: Builder, x: Pair) -> Pair:
    """(p, s) such that |x| = p sqrt(1 + s): the larger part's size, and the square of the parts' ratio."""
    p, q = (b.unary("abs", part) for part in x)
    big, small = b.binary("max", p, q), b.binary("min", p, q)
    zero = b.compare("EQ", big, b.like(big, 0))
    infinite = b.compare("EQ", big, b.like(big, float("inf")))
    ratio = b.binary("div", small, b.select(zero, b.like(big, 1), big))
    return big, b.select(b.binary("or", zero, infinite), b.like(big, 0), b.binary("mul", ratio, ratio))


def modulus(b: Builder, x: Pair) -> Value:
    """|x|."""
    big, square = _scaled(b, x)
    return b.binary("mul", big, b.unary("sqrt", b.binary("add", b.like(big, 1), square)))


def exponential(b: Builder, x: Pair) -> Pair:
    """e^x."""
    size = b.unary("exp", x[0])
    real = b.binary("mul", size, b.unary("cos", x[1]))
    flat = b.compare("EQ", x[1], b.like(x[1], 0))
    return real, b.select(flat, x[1], b.binary("mul", size, b.unary("sin", x[1])))


def exponential_minus_one(b: Builder, x: Pair) -> Pair:
    """e^x - 1: the real part is expm1(re) cos(im) - 2 sin(im / 2)^2."""
    less, half = b.unary("expm1", x[0]), b.unary("sin", b.binary("mul", x[1], b.like(x[1], 0.5)))
    square = b.binary("mul", b.like(half, 2), b.binary("mul", half, half))
    real = b.binary("sub", b.binary("mul", less, b.unary("cos", x[1])), square)
    return real, b.binary("mul", b.unary("exp", x[0]), b.unary("sin", x[1]))


def logarithm(b: Builder, x: Pair) -> Pair:
    """ln x, principal branch."""
    return b.unary("log", modulus(b, x)), b.binary("atan2", x[1], x[0])


def logarithm_plus_one(b: Builder, x: Pair) -> Pair:
    """ln(1 + x): the real part is log1p(re (2 + re) + im^2) / 2 for small x."""
    one = b.binary("add", x[0], b.like(x[0], 1))
    square = b.binary("add", b.binary("mul", x[0], b.binary("add", x[0], b.like(x[0], 2))), b.binary("mul", x[1], x[1]))
    near = b.binary("mul", b.unary("log1p", square), b.like(square, 0.5))
    far = b.unary("log", modulus(b, (one, x[1])))
    small = b.compare("LT", b.unary("abs", square), b.like(square, 0.5))
    return b.select(small, near, far), b.binary("atan2", x[1], one)


def square_root(b: Builder, x: Pair) -> Pair:
    """sqrt x, principal branch: t = sqrt((|re| + |x|) / 2) and im / 2t, exchanged for negative real parts."""
    re, im = x
    half = b.like(re, 0.5)
    total = b.binary("add", b.unary("abs", re), modulus(b, x))
    t = b.unary("sqrt", b.binary("mul", total, half))
    zero = b.compare("EQ", t, b.like(t, 0))
    other = b.binary("div", b.binary("mul", b.unary("abs", im), half), b.select(zero, b.like(t, 1), t))
    left = b.compare("LT", re, b.like(re, 0))
    size = b.select(left, t, other)
    negative = b.compare("LT", im, b.like(im, 0))
    return b.select(left, other, t), b.select(negative, b.unary("neg", size), size)


def reciprocal_square_root(b: Builder, x: Pair) -> Pair:
    """1 / sqrt x."""
    return divide(b, (b.like(x[0], 1), b.like(x[0], 0)), square_root(b, x))


def hyperbolic(b: Builder, x: Value) -> Pair:
    """(sinh x, cosh x) of a real x."""
    less = b.unary("expm1", x)
    more = b.binary("add", less, b.like(x, 1))
    half = b.like(x, 0.5)
    sinh = b.binary("mul", half, b.binary("add", less, b.binary("div", less, more)))
    cosh = b.binary("mul", half, b.binary("add", more, b.binary("div", b.like(x, 1), more)))
    return sinh, cosh


def sine(b: Builder, x: Pair) -> Pair:
    """Sin x."""
    sinh, cosh = hyperbolic(b, x[1])
    return b.binary("mul", b.unary("sin", x[0]), cosh), b.binary("mul", b.unary("cos", x[0]), sinh)


def cosine(b: Builder, x: Pair) -> Pair:
    """Cos x."""
    sinh, cosh = hyperbolic(b, x[1])
    imag = b.unary("neg", b.binary("mul", b.unary("sin", x[0]), sinh))
    return b.binary("mul", b.unary("cos", x[0]), cosh), imag


def tangent(b: Builder, x: Pair) -> Pair:
    """Tan x = -i tanh(i x)."""
    real, imag = hyperbolic_tangent(b, (b.unary("neg", x[1]), x[0]))
    return imag, b.unary("neg", real)


def hyperbolic_tangent(b: Builder, x: Pair) -> Pair:
    """Tanh x: with t = tanh(re), u = tan(im), it is (t + i u) / (1 + i t u)."""
    t, u = b.unary("tanh", x[0]), b.unary("tan", x[1])
    return divide(b, (t, u), (b.like(t, 1), b.binary("mul", t, u)))


def logistic(b: Builder, x: Pair) -> Pair:
    """1 / (1 + e^-x)."""
    real, imag = exponential(b, (b.unary("neg", x[0]), b.unary("neg", x[1])))
    return divide(b, (b.like(real, 1), b.like(real, 0)), (b.binary("add", real, b.like(real, 1)), imag))


def sign(b: Builder, x: Pair) -> Pair:
    """X / |x|, zero for zero."""
    size = modulus(b, x)
    zero = b.compare("EQ", size, b.like(size, 0))
    safe = b.select(zero, b.like(size, 1), size)
    return b.binary("div", x[0], safe), b.binary("div", x[1], safe)


def power(b: Builder, x: Pair, y: Pair) -> Pair:
    """x^y = |x|^re(y) e^(-im(y) arg x), turned by re(y) arg x + im(y) ln |x|; 0^y is 0 but 0^0 = 1.

    Whatever is rounded before it is raised to re(y) has its error multiplied by re(y): with |x| = p sqrt(1 + s), p is
    exact, and the power of the other factor half as large.
    """
    big, square = _scaled(b, x)
    half, angle = b.like(big, 0.5), b.binary("atan2", x[1], x[0])
    log = b.binary("add", b.unary("log", big), b.binary("mul", half, b.unary("log1p", square)))
    turn = b.binary("add", b.binary("mul", y[0], angle), b.binary("mul", y[1], log))
    real, imag = exponential(b, (b.unary("neg", b.binary("mul", y[1], angle)), turn))
    rest = b.binary("pow", b.binary("add", square, b.like(big, 1)), b.binary("mul", y[0], half))
    size = b.binary("mul", b.binary("pow", big, y[0]), rest)
    real, imag = b.binary("mul", size, real), b.binary("mul", size, imag)
    zero = b.binary("and", *(b.compare("EQ", part, b.like(part, 0)) for part in x))
    none = b.binary("and", *(b.compare("EQ", part, b.like(part, 0)) for part in y))
    at_zero = b.convert(none, x[0].dtype)
    return b.select(zero, at_zero, real), b.select(zero, b.like(imag, 0), imag)


UNARY: dict[str, Callable[[Builder, Pair], Pair | Value]] = {
    "abs": modulus,
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

"""The logarithm of the gamma function's magnitude, in elementwise ops; exactly 0 at 1 and 2.

Near 2 it is a power series, from which recurrences lead to all x in (0, 8); beyond stands Stirling's series, and the
reflection formula serves negative x (Abramowitz and Stegun, Handbook of Mathematical Functions, 6.1.15 to 6.1.41).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi

from ..graph.builder import Builder
from ..graph.graph import Value
from ..isa.dtypes import DType

_EULER = 0.57721566490153286
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400, 43867 / 244188)
_TERMS = {DType.f32: (12, 3), DType.f64: (28, 9)}  # of the series near 2, where |z| <= 1/2, and of Stirling's from 8 on
_LAST_SHIFT = 6  # 8 - 6 is in the first series' range


def _zeta_minus_one(k: int) -> float:
    """Zeta(k) - 1 for k >= 2: the first terms, and Euler and Maclaurin's formula for the others."""
    last = 200
    head = sum(n ** -float(k) for n in range(last - 1, 1, -1))
    tail = last ** (1.0 - k) / (k - 1) + last ** -float(k) / 2 + k * last ** (-1.0 - k) / 12
    return head + tail - k * (k + 1) * (k + 2) * last ** (-3.0 - k) / 720


def _polynomial(b: Builder, x: Value, coefficients: Sequence[float]) -> Value:
    """Sum of coefficients[k] * x**k."""
    total = b.like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = b.binary("add", b.binary("mul", total, x), b.like(x, c))
    return total


def log_gamma(b: Builder, x: Value) -> Value:
    """Return ln |gamma(x)| of f32 or f64, infinite at 0, -1, -2, ... and at infinities."""
    one, zero = b.like(x, 1), b.like(x, 0)
    negative = b.compare("LT", x, b.like(x, 0.5))
    positive = b.select(negative, b.binary("sub", one, x), x)  # 1 - x where the formula reflects: at least 1/2
    value = _right_half(b, positive)
    fraction = b.unary("abs", b.binary("sub", x, b.unary("round_even", x)))
    size = b.unary("sin", b.binary("mul", fraction, b.like(x, pi)))
    reflected = b.binary("sub", b.binary("sub", b.like(x, log(pi)), b.unary("log", size)), value)
    small = b.binary("sub", b.unary("neg", b.unary("log", x)), zero)
    # Next to 0 it is -ln x + ln gamma(1 + x), which has no ln pi to cancel.
    near = b.binary("add", small, _right_half(b, b.binary("add", x, one)))
    inside = b.binary("and", b.compare("GT", x, zero), negative)
    value = b.select(negative, b.select(inside, near, reflected), value)
    pole = b.binary("and", b.compare("LE", x, zero), b.compare("EQ", fraction, zero))
    infinite = b.compare("EQ", b.unary("abs", x), b.like(x, float("inf")))
    return b.select(b.binary("or", pole, infinite), b.like(x, float("inf")), value)


def _right_half(b: Builder, x: Value) -> Value:
    """Ln gamma(x) for x >= 1/2."""
    terms, stirling = _TERMS[x.dtype]
    one = b.like(x, 1)
    below = b.compare("LT", x, b.like(x, 1.5))
    reduced = b.select(below, b.binary("add", x, one), x)
    factor = one
    for _ in range(_LAST_SHIFT):  # gamma(x) = (x - 1) gamma(x - 1), down to [1.5, 2.5]
        large = b.compare("GT", reduced, b.like(x, 2.5))
        less = b.binary("sub", reduced, one)
        factor = b.select(large, b.binary("mul", factor, less), factor)
        reduced = b.select(large, less, reduced)
    z = b.binary("sub", reduced, b.like(x, 2))
    series = [(1 - _EULER), *((-1) ** k * _zeta_minus_one(k) / k for k in range(2, terms + 2))]
    near = b.binary("mul", z, _polynomial(b, z, series))
    shift = b.select(below, b.unary("neg", b.unary("log1p", b.binary("sub", x, one))), b.unary("log", factor))
    inverse = b.binary("div", one, x)
    tail = b.binary("mul", inverse, _polynomial(b, b.binary("mul", inverse, inverse), _STIRLING[:stirling]))
    main = b.binary("mul", b.binary("sub", x, b.like(x, 0.5)), b.binary("sub", b.unary("log", x), one))
    far = b.binary("add", main, b.binary("add", b.like(x, 0.5 * (log(2 * pi) - 1)), tail))
    return b.select(b.compare("LT", x, b.like(x, 8)), b.binary("add", near, shift), far)

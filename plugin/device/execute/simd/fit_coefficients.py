"""Fits the polynomials of functions_f32.h and prints their coefficients and errors.

Each is the polynomial of least relative error of the whole function over its reduced range: least squares on Chebyshev
points, with weights raised where the error is largest until it is level (Lawson's iteration).

Usage: python plugin/device/execute/simd/fit_coefficients.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

LN2 = np.log(2.0)


def fit(function: Callable, scale: Callable, low: float, high: float, terms: int, variable: Callable = lambda x: x):
    """Return coefficients c and max |scale(x) * (function(x) - sum c_i variable(x)**i)| over [low, high]."""
    k = np.arange(2000)
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (k + 0.5) / len(k))
    y, s, basis = function(x), scale(x), np.stack([variable(x) ** i for i in range(terms)], 1)
    norms = np.abs(basis * s[:, None]).max(0)
    weights = np.ones_like(x)
    best = None
    for _ in range(300):
        root = np.sqrt(weights)
        c = np.linalg.lstsq(basis * (s * root)[:, None] / norms, y * s * root, rcond=None)[0] / norms
        error = np.abs(s * (basis @ c - y))
        if best is None or error.max() < best[1]:
            best = (c, error.max())
        weights *= error / error.max() + 1e-3
        weights /= weights.max()
    return best


def _exp_tail(r: np.ndarray) -> np.ndarray:
    """(e^r - 1 - r) / r^2 without cancellation."""
    return sum(r**k / float(special.factorial(k + 2)) for k in range(25))


def _log_tail(f: np.ndarray) -> np.ndarray:
    """(log(1 + f) - f + f^2 / 2) / f^3 without cancellation."""
    f = np.asarray(f, np.longdouble)
    series = sum((-f) ** k / (k + 3) for k in range(60))
    direct = (np.log1p(f) - f + f * f / 2) / np.where(f == 0, 1, f**3)
    return np.where(np.abs(f) < 0.1, series, direct).astype(float)


def _odd_tail(function: Callable, series: Callable) -> Callable:
    """(function(x) - x) / x^3, by `series` where that cancels."""
    return lambda x: np.where(np.abs(x) < 0.05, series(x * x), (function(x) - x) / np.where(x == 0, 1, x**3))


def square(x: np.ndarray) -> np.ndarray:
    """The variable of even and odd functions."""
    return x * x


FITS: dict[str, Callable] = {
    "exp: (e^r - 1 - r) / r^2, |r| <= ln2 / 2": lambda: fit(_exp_tail, lambda r: r * r / np.exp(r), -0.3470, 0.3470, 5),
    "log: (log(1 + f) - f + f^2/2) / f^3, sqrt(1/2) <= 1 + f <= sqrt(2)": lambda: fit(
        _log_tail, lambda f: f**3 / np.log1p(f), -0.29290, 0.41425, 8),
    "sin: (sin r - r) / r^3, |r| <= pi/4": lambda: fit(
        _odd_tail(np.sin, lambda t: -1 / 6 + t / 120 - t * t / 5040),
        lambda r: r**3 / np.sin(r), 1e-9, 0.7860, 3, square),
    "cos: (cos r - 1 + r^2/2) / r^4": lambda: fit(
        lambda r: sum((-1) ** k * r ** (2 * k) / float(special.factorial(2 * k + 4)) for k in range(12)),
        lambda r: r**4 / np.cos(r), 0, 0.7860, 3, square),
    "tan: (tan r - r) / r^3, |r| <= pi/4": lambda: fit(
        _odd_tail(np.tan, lambda t: 1 / 3 + 2 * t / 15 + 17 * t * t / 315),
        lambda r: r**3 / np.tan(r), 1e-9, 0.7860, 6, square),
    "tanh: (tanh r - r) / r^3, |r| <= ln2 / 4": lambda: fit(
        _odd_tail(np.tanh, lambda t: -1 / 3 + 2 * t / 15 - 17 * t * t / 315 + 62 * t**3 / 2835),
        lambda r: r**3 / np.tanh(r), 1e-9, 0.1740, 3, square),
    "atan: (atan t - t) / t^3, |t| <= tan(pi/8)": lambda: fit(
        _odd_tail(np.arctan, lambda t: -1 / 3 + t / 5 - t * t / 7),
        lambda t: t**3 / np.arctan(t), 1e-9, 0.4145, 4, square),
    "erf: erf(x) / x - 1, |x| <= 0.9": lambda: fit(
        lambda x: special.erf(x) / x - 1, lambda x: x / special.erf(x), 1e-6, 0.93, 7, square),
    "erfc: log2(erfc x) over 0.9 <= x <= 4": lambda: fit(
        lambda x: special.log_ndtr(-x * np.sqrt(2)) / LN2 + 1, lambda x: special.erfc(x) * LN2, 0.87, 4.0, 8),
    "erfcx: e^(a^2) erfc(a) / t, t = 1 / (1 + 0.4 a), 0.45 <= a <= 10.6": lambda: fit(
        lambda t: special.erfcx((1 / t - 1) / 0.4) / t, lambda t: t / special.erfcx((1 / t - 1) / 0.4),
        1 / (1 + 0.4 * 10.6), 1 / (1 + 0.4 * 0.45), 9),
    "log2 in f64: (atanh(s) / s - 1) / s^2, |s| <= 0.1716": lambda: fit(
        lambda s: sum(s ** (2 * k) / (2 * k + 3) for k in range(30)), lambda s: s * s, 0, 0.1717, 4, square),
    "exp2 in f64: (2^d - 1) / d, |d| <= 1/2": lambda: fit(
        lambda d: sum(LN2 ** (k + 1) * d**k / float(special.factorial(k + 1)) for k in range(25)),
        lambda d: d / np.exp2(d), -0.5, 0.5, 7),
}  # fmt: skip

if __name__ == "__main__":
    for name, run in FITS.items():
        coefficients, error = run()
        print(f"{name}\n  error {error:.2e}")
        for c in coefficients:
            print(f"  {c!r:26}  f32 {float(np.float32(c)).hex()}")

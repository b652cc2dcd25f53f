"""Measures the error of elementary vector instructions in ULP, against f64, over samples of all f32 bit patterns.

Run as a script, it prints the table of docs/numerics.md: `python tests/device/function_accuracy.py [step]` takes every
step-th of the 2^32 patterns (97 by default).
"""

from __future__ import annotations

import math
import sys

import numpy as np
from scipy import special
from vector_instruction import VARIANTS, run

# Largest error allowed, in ULP of the f32 result. FMA makes the fast variants a little better than the portable one.
BOUNDS = {
    "texp": 1.5, "texpm1": 1.5, "tlog": 1.5, "tlog1p": 1.5, "ttanh": 3.0, "tlogistic": 2.5, "terf": 2.0, "terfc": 7.0,
    "tsin": 2.0, "tcos": 2.0,
    "ttan": 3.0, "tcbrt": 1.5, "tsqrt": 0.5, "trsqrt": 1.5, "trecip": 0.5, "tpow": 1.0, "tatan2": 2.5,
}  # fmt: skip


def _logistic(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


REFERENCE = {
    "texp": np.exp, "texpm1": np.expm1, "tlog": np.log, "tlog1p": np.log1p, "ttanh": np.tanh, "tlogistic": _logistic,
    "terf": special.erf, "terfc": np.vectorize(math.erfc, otypes=[np.float64]), "tsin": np.sin, "tcos": np.cos, "ttan": np.tan, "tcbrt": np.cbrt, "tsqrt": np.sqrt,
    "trsqrt": lambda x: 1 / np.sqrt(x), "trecip": lambda x: 1 / x, "tpow": np.power, "tatan2": np.arctan2,
}  # fmt: skip
BINARY = ("tpow", "tatan2")


def errors(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Return |got - want| in ULP of the exact value; infinite where one is NaN, infinite or of another sign alone."""
    with np.errstate(all="ignore"):
        nearest = want.astype(np.float32)
        exponent = np.maximum(np.frexp(np.abs(want))[1], -125)
        ulp = np.ldexp(1.0, exponent - 24)
        error = np.abs(got.astype(np.float64) - want) / ulp
        overflow = np.isinf(nearest) | np.isinf(got)
        # At the edge of overflow the largest number and infinity are neighbours.
        edge = np.where(np.isinf(got), np.copysign(2.0**128, got.astype(np.float64)), got.astype(np.float64))
        target = np.where(np.isinf(nearest), np.copysign(2.0**128, want), want)
        error = np.where(overflow, np.abs(edge - target) / 2.0**104, error)
        error = np.where(np.isnan(got) | np.isnan(want), np.where(np.isnan(got) & np.isnan(want), 0, np.inf), error)
        return np.where((want == 0) & (got == 0) & (np.signbit(got) != np.signbit(want)), np.inf, error)


def measure(name: str, variant: str, inputs: list[np.ndarray]) -> tuple[float, list[float]]:
    """Return the largest error and the input that has it."""
    got = run(name, inputs, inputs[0].shape, np.float32, variant=variant)
    assert got is not None
    with np.errstate(all="ignore"):
        error = errors(got, REFERENCE[name](*(x.astype(np.float64) for x in inputs)))
    at = np.unravel_index(np.argmax(error), error.shape)
    return float(error[at]), [float(x[at]) for x in inputs]


def patterns(start: int, step: int, count: int) -> np.ndarray:
    """Return `count` f32 whose bit patterns are `step` apart, as one row."""
    bits = (start + step * np.arange(count, dtype=np.uint64)) & 0xFFFFFFFF
    return bits.astype(np.uint32).view(np.float32).reshape(1, -1)


def pairs(name: str, count: int, seed: int) -> list[np.ndarray]:
    """Return random arguments of a function of two: all bit patterns, and magnitudes near 1."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2**32, (2, count), dtype=np.uint32).view(np.float32)
    near = (np.exp(rng.standard_normal((2, count)) * 2) * rng.choice([-1, 1], (2, count))).astype(np.float32)
    if name == "tpow":
        near[1] = rng.uniform(-60, 60, count)
    mixed = np.where(rng.random(count) < 0.3, x, near)
    return [mixed[0].reshape(1, -1), mixed[1].reshape(1, -1)]


def main() -> None:
    """Print the table."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 97
    chunk = 1 << 21
    print("| instruction | bound |", " | ".join(VARIANTS), "|\n|---|---|" + "---|" * len(VARIANTS))
    for name in REFERENCE:
        worst = []
        for variant in VARIANTS:
            if name in BINARY:
                found = [
                    measure(name, variant, pairs(name, chunk, seed))
                    for seed in range(max(1, 2**32 // step // chunk // 2))
                ]
            else:
                found = [
                    measure(name, variant, [patterns(s * step, step, chunk)]) for s in range(0, 2**32 // step, chunk)
                ]
            worst.append(max(found))
        print(
            f"| `{name}` | {BOUNDS[name]} |",
            " | ".join(f"{e:.3f}" for e, _ in worst),
            "|",
            "  at",
            [x for _, x in worst],
            flush=True,
        )


if __name__ == "__main__":
    main()

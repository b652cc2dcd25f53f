"""Decide whether a result meets a check, by the rules of the StableHLO reference interpreter.

expect_eq and eq ask for equal values (any NaN equals any NaN), expect_almost_eq for |a - b| <= 1e-3 or what the check says,
expect_close for at most three representable numbers between the two.
"""

import numpy as np

ABSOLUTE = 1e-3  # the interpreter's default tolerance of expect_almost_eq
ULPS = 3  # the interpreter's default max_ulp_difference of expect_close


def judge(check, actual, expected, tolerance=None):
    """Return None when `actual` passes `check` against `expected`, else what is wrong in a sentence."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"expected {expected.dtype}{list(expected.shape)}, got {actual.dtype}{list(actual.shape)}"
    if actual.dtype.kind == "c":
        parts = (actual.real, expected.real), (actual.imag, expected.imag)
        return judge(check, *parts[0], tolerance) or judge(check, *parts[1], tolerance)
    right = meets(check, actual, expected, tolerance)
    if right.all():
        return None
    actual, expected, right = np.atleast_1d(actual, expected, right)
    where = tuple(int(i) for i in np.argwhere(~right)[0])
    wrong = right.size - int(right.sum())
    return (
        f"{wrong} of {right.size} values fail {check}; at {list(where)} expected {expected[where]}, got {actual[where]}"
    )


def meets(check, actual, expected, tolerance=None):
    """Return elementwise whether real `actual` meets the check."""
    if actual.dtype.kind in "biu" or "int" in actual.dtype.name:
        return actual == expected
    with np.errstate(all="ignore"):
        wide, wide_expected = actual.astype(np.float64), expected.astype(np.float64)
        same = (wide == wide_expected) | (np.isnan(wide) & np.isnan(wide_expected))
        if check in ("eq", "expect_eq"):
            return same
        if check == "expect_almost_eq":
            return same | (np.abs(wide - wide_expected) <= (ABSOLUTE if tolerance is None else tolerance))
        if check == "expect_close":
            finite = np.isfinite(wide) & np.isfinite(wide_expected)
            return same | (finite & (ulps_between(actual, expected) <= ULPS))
    raise ValueError(f"[conformance] unknown check {check}; expected eq, almost_eq or close. Add it to judge.py.")


def ulps_between(a, b):
    """Return how many steps to the next representable number lead from `a` to `b`, as uint64."""
    bits = a.dtype.itemsize * 8
    sign = np.uint64(1 << (bits - 1))

    def rank(x):
        raw = np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}").astype(np.uint64)
        magnitude = raw & ~sign & np.uint64((1 << bits) - 1)
        return np.where(raw & sign, sign - magnitude, sign + magnitude)

    x, y = rank(a), rank(b)
    return np.maximum(x, y) - np.minimum(x, y)

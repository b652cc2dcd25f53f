"""Neutral elements of reductions."""

from __future__ import annotations

from typing import cast

import ml_dtypes
import numpy as np

from ..isa.dtypes import DType


def identity_element(kind: str, dtype: DType) -> np.generic:
    """Return the element e with `x kind e == x` for all x of the type, as a NumPy scalar of the type."""
    one = dtype.numpy.type
    if kind in ("add", "or", "xor"):
        return one(0)
    if kind == "mul":
        return one(1)
    if kind == "and":
        return one(True) if dtype.kind == "b" else np.invert(one(0))
    lowest = kind == "max"
    if dtype.kind == "b":
        return one(not lowest)
    if dtype.is_float:
        with_infinity = one(np.inf)
        if np.isinf(with_infinity):
            return one(-np.inf) if lowest else with_infinity
        ends = cast("np.finfo[np.floating]", ml_dtypes.finfo(dtype.numpy))  # it has no types
        return one(ends.min if lowest else ends.max)
    info = ml_dtypes.iinfo(dtype.numpy)
    return one(info.min if lowest else info.max)


def neutral_element(kind: str, dtype: DType) -> np.generic:
    """Return the identity element, of a sum of floats the one that leaves -0 what it is."""
    element = identity_element(kind, dtype)
    return np.negative(element) if kind == "add" and dtype.is_float else element

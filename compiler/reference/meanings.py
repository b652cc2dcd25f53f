"""The table of meanings, filled by the files of the families, and the decorators that fill it.

A meaning is a function of the machine and of the instruction's operands by name: tiles and views as elements, affines as
integers, the rest as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..isa.dtypes import DType
from .machine import Machine, ReferenceFault, TileElements

Meaning = Callable[..., None]
MEANINGS: dict[str, Meaning] = {}


def meaning(name: str) -> Callable[[Meaning], Meaning]:
    """Register the meaning of an instruction."""

    def register(function: Meaning) -> Meaning:
        assert name not in MEANINGS, f"{name} has two meanings"
        MEANINGS[name] = function
        return function

    return register


def tiles_to_tile(name: str, function: Callable[..., np.ndarray]) -> None:
    """Register an instruction whose dst is `function(dtype of the sources, *sources, *other operands)`.

    Sources are given as `widen` makes them, and the result is rounded to dst's element type.
    """

    def run(machine: Machine, dst: TileElements, **operands: Any) -> None:
        sources = [v for v in operands.values() if isinstance(v, TileElements)]
        dtype = next((s.dtype for s in sources if s.dtype is not DType.i1), sources[0].dtype if sources else dst.dtype)
        values = [
            widen(v.read()) if isinstance(v, TileElements) else widen(as_scalar(v, dtype)) if k == "scalar" else v
            for k, v in operands.items()
        ]
        dst.write(narrow(np.asarray(function(dtype, *values)), dst.dtype))

    meaning(name)(run)


def require(condition: bool, what: str) -> None:
    """Raise ReferenceFault unless `condition`."""
    if not condition:
        raise ReferenceFault(what)


def as_scalar(value: float | int, dtype: DType) -> np.ndarray:
    """Return an immediate as the nearest value of `dtype`; integers wrap."""
    if dtype.is_integer and isinstance(value, (int, np.integer)):
        bits = 8 * dtype.bytes
        wrapped = int(value) % (1 << bits)
        return np.array(wrapped - (1 << bits) if dtype.kind == "i" and wrapped >> (bits - 1) else wrapped, dtype.numpy)
    return np.asarray(value).astype(dtype.numpy)


def widen(values: np.ndarray) -> np.ndarray:
    """Return small floats as f64, in which sums, products, quotients and roots of them round as if done once."""
    return values.astype(np.float64) if DType.of_numpy(values.dtype).is_float else values


def narrow(values: np.ndarray, dtype: DType) -> np.ndarray:
    """Round f64 to `dtype`, through f32 for types below it as the vector unit does; other values as they are."""
    if values.dtype == np.float64 and dtype.is_float and dtype.bytes < 4:
        values = values.astype(np.float32)
    return values.astype(dtype.numpy)

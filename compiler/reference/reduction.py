"""Meanings of the reductions, running sums, index generation and on-chip gather."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..isa.dtypes import DType
from .machine import Machine, TileElements
from .meanings import meaning, narrow, require, tiles_to_tile

Array = np.ndarray


def _identity(kind: str, dtype: DType) -> float | int | bool:
    if kind in ("sum", "prod"):
        return int(kind == "prod")
    lowest = kind == "max"
    if dtype.is_float:
        return -np.inf if lowest else np.inf
    if dtype is DType.i1:
        return not lowest
    info = np.iinfo(dtype.numpy)
    return int(info.min if lowest else info.max)


_FOLDS: dict[str, np.ufunc] = {"sum": np.add, "max": np.maximum, "min": np.minimum, "prod": np.multiply}


def _reduce(kind: str, axis: int) -> Callable[..., Array]:
    def run(dtype: DType, x: Array) -> Array:
        return _FOLDS[kind].reduce(
            x, axis=axis, keepdims=True, initial=x.dtype.type(_identity(kind, dtype)), dtype=x.dtype
        )

    return run


def _arg(largest: bool) -> Callable[..., Array]:
    def run(dtype: DType, x: Array) -> Array:
        best = x.max(1, keepdims=True) if largest else x.min(1, keepdims=True)  # NaN if there is one
        return ((x == best) | (x != x)).argmax(1, keepdims=True).astype(np.int32)

    return run


def _accumulate(fold: np.ufunc) -> Callable[..., Array]:
    def run(dtype: DType, x: Array) -> Array:
        return fold.accumulate(x, axis=1, dtype=x.dtype)

    return run


for _kind, _fold in _FOLDS.items():
    tiles_to_tile(f"trow{_kind}", _reduce(_kind, 1))
    tiles_to_tile(f"tcol{_kind}", _reduce(_kind, 0))
    tiles_to_tile(f"trowcum{_kind}", _accumulate(_fold))
tiles_to_tile("trowargmax", _arg(True))
tiles_to_tile("trowargmin", _arg(False))


@meaning("tci")
def _ramp(machine: Machine, dst: TileElements, start: int, row_step: int, column_step: int) -> None:
    rows, columns = np.ogrid[: dst.rows, : dst.columns]
    values = np.int64(start) + row_step * rows.astype(np.int64) + column_step * columns.astype(np.int64)
    dst.write(narrow(values.astype(np.float64), dst.dtype) if dst.dtype.is_float else values.astype(dst.dtype.numpy))


@meaning("tgather")
def _gather(machine: Machine, dst: TileElements, src: TileElements, index: TileElements) -> None:
    where = index.read()
    require(
        not where.size or (where.min() >= 0 and where.max() < src.columns), "an index is outside of the source's row"
    )
    dst.write(np.take_along_axis(src.read()[: dst.rows], where, 1))

"""Meanings of the AICPU kernels: functions of slot bytes, results first, and of the declared parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..isa.dtypes import DType
from . import fourier, lapack

Aicpu = Callable[..., None]
AICPU_MEANINGS: dict[str, Aicpu] = {}


def _register(function: Aicpu) -> Aicpu:
    AICPU_MEANINGS[function.__name__.strip("_")] = function
    return function


def _array(data: np.ndarray, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape, dtype=np.int64))
    return data[: size * dtype.bytes].view(dtype.numpy).reshape(shape)


def sortable(values: np.ndarray, descending: bool, total_order: bool) -> np.ndarray:
    """Return integers that order as the values do; without total order -0 equals +0 and every NaN is last."""
    dtype = DType.of_numpy(values.dtype)
    if dtype.is_float:
        if not total_order:
            values = np.where(values != values, np.nan, values + 0).astype(dtype.numpy)
        bits = values.view(f"i{dtype.bytes}").astype(np.int64)
        keys = np.where(bits < 0, bits ^ (2 ** (8 * dtype.bytes - 1) - 1), bits)
    elif dtype is DType.u64:
        keys = (values ^ np.uint64(1 << 63)).view(np.int64)
    else:
        keys = values.astype(np.int64)
    return ~keys if descending else keys


@_register
def _sort(
    slots: list[np.ndarray], shape: list[int], dimension: int, stable: bool, dtypes: list[DType], keys: list[int],
    descending: list[bool], total_order: list[bool],
) -> None:  # fmt: skip
    operands = [_array(s, t, tuple(shape)).copy() for s, t in zip(slots[len(dtypes) :], dtypes, strict=True)]
    columns = [sortable(operands[k], *how) for k, *how in zip(keys, descending, total_order, strict=True)]
    order = np.lexsort([np.moveaxis(c, dimension, -1) for c in reversed(columns)], axis=-1)
    for slot, dtype, operand in zip(slots, dtypes, operands, strict=False):
        moved = np.take_along_axis(np.moveaxis(operand, dimension, -1), order, -1)
        _array(slot, dtype, tuple(shape))[...] = np.moveaxis(moved, -1, dimension)


@_register
def _top_k(slots: list[np.ndarray], dtype: DType, rows: int, columns: int, k: int, largest: bool) -> None:
    operand = _array(slots[2], dtype, (rows, columns))
    order = np.argsort(sortable(operand, largest, total_order=True), axis=1, kind="stable")[:, :k]
    _array(slots[0], dtype, (rows, k))[...] = np.take_along_axis(operand, order, 1)
    _array(slots[1], DType.i32, (rows, k))[...] = order


AICPU_MEANINGS.update(lapack.meanings())
AICPU_MEANINGS.update(fourier.meanings())

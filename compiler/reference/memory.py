"""Meanings of the instructions between GM and the on-chip memories."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..isa.dtypes import DType
from ..isa.machine import Layout, Loc, granularity
from .arithmetic import BINARY
from .machine import Machine, TileElements, ViewElements
from .meanings import meaning, narrow, require, widen

_ATOMIC = {"add": "tadd", "max": "tmax", "min": "tmin", "mul": "tmul", "and": "tand", "or": "tor"}


def _same(view: ViewElements, tile: TileElements) -> None:
    require(
        (view.rows, view.columns) == tile.shape,
        f"the view is {view.rows} x {view.columns}, the tile's valid region {tile.rows} x {tile.columns}",
    )


def combine(view: ViewElements, offsets: np.ndarray, values: np.ndarray, atomic: str) -> None:
    """Write values at offsets, one after the other where an offset repeats."""
    memory = view.elements()
    view.check(offsets)
    if atomic == "none":
        memory[offsets] = values
        return
    operation = BINARY[_ATOMIC[atomic]]
    flat, new = offsets.reshape(-1), values.reshape(-1)
    _, inverse = np.unique(flat, return_inverse=True)
    occurrence = _occurrence(inverse)
    for turn in range(1 + occurrence.max(initial=-1)):  # each turn takes the next occurrence of every offset
        chosen = occurrence == turn
        at = flat[chosen]
        memory[at] = narrow(operation(view.dtype, widen(memory[at]), widen(new[chosen])), view.dtype)


def _occurrence(group: np.ndarray) -> np.ndarray:
    """Return for each element how many equal ones come before it."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if ordered.size else np.zeros(0, np.int64)
    run = np.repeat(starts, np.diff(np.r_[starts, ordered.size]))
    counts = np.empty(group.size, np.int64)
    counts[order] = np.arange(group.size) - run
    return counts


@meaning("tload")
def _load(machine: Machine, dst: TileElements, src: ViewElements) -> None:
    _same(src, dst)
    require(src.dtype is dst.dtype, f"tload of {src.dtype} into a tile of {dst.dtype}")
    if dst.tile.layout in (Layout.nz, Layout.zn):
        unit = granularity(dst.tile.loc, dst.tile.layout, dst.dtype)
        rows, columns = (-(-n // u) * u for n, u in zip(dst.shape, unit, strict=True))
        dst.clear(min(rows, dst.tile.rows), min(columns, dst.tile.columns))
    dst.write(src.elements()[src.offsets()])


@meaning("tstore")
def _store(machine: Machine, dst: ViewElements, src: TileElements, atomic: str, activation: str) -> None:
    _same(dst, src)
    values = src.read()
    if activation == "relu":
        values = np.maximum(values, np.zeros((), values.dtype))
    if src.tile.loc == Loc.acc and dst.dtype is not src.dtype:
        require(src.dtype.is_float and dst.dtype.is_float, f"FIXP does not convert {src.dtype} to {dst.dtype}")
        values = narrow(widen(values), dst.dtype)
    require(DType.of_numpy(values.dtype) is dst.dtype, f"tstore of a tile of {src.dtype} to {dst.dtype}")
    combine(dst, dst.offsets(), values, atomic)


def _touched(view: ViewElements, index: TileElements, mode: str, shape: tuple[int, int]) -> np.ndarray:
    """Return the offsets into the argument, relative to index alone: negative where index is."""
    where = index.read().astype(np.int64)
    if mode == "elem":
        require(index.shape == shape, f"elem: index is {index.shape}, the tile {shape}")
        return where
    require(where.shape == (shape[0], 1), f"row: index is {where.shape}; expected {(shape[0], 1)}")
    require(view.columns == shape[1], f"row: the view has {view.columns} columns, the tile {shape[1]}")
    return np.broadcast_to(where, shape)


@meaning("mgather")
def _gather(machine: Machine, dst: TileElements, src: ViewElements, index: TileElements, mode: str) -> None:
    offsets = src.offset + _touched(src, index, mode, dst.shape)
    if mode == "row":
        offsets = offsets + src.column_offsets()[None, :]
    dst.write(src.elements()[src.check(offsets)])


@meaning("mscatter")
def _scatter(
    machine: Machine, dst: ViewElements, src: TileElements, index: TileElements, mode: str, atomic: str
) -> None:
    touched = _touched(dst, index, mode, src.shape)
    values = src.read()
    for row in range(src.rows):  # in order: of equal offsets the last row stays
        keep = touched[row] >= 0
        columns: Any = dst.column_offsets() if mode == "row" else 0
        offsets = (dst.offset + touched[row] + columns)[keep]
        combine(dst, offsets, values[row][keep], atomic)

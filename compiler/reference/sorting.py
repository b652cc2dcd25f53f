"""Meanings of the instructions that sort."""

from __future__ import annotations

import numpy as np

from .machine import Machine, TileElements
from .meanings import meaning

_RUN = 32
_SIGN = np.uint32(1 << 31)
_ALL = np.uint32(0xFFFFFFFF)


@meaning("tsort32")
def _sort(machine: Machine, dst: TileElements, key: TileElements, index: TileElements) -> None:
    bits = key.read().view(np.uint32)
    ordered = bits ^ np.where(bits & _SIGN, _ALL, _SIGN)
    pairs = ordered.astype(np.uint64) << np.uint64(32) | (~index.read().view(np.uint32)).astype(np.uint64)
    for first in range(0, dst.columns, _RUN):
        run = pairs[:, first : first + _RUN]
        run[:] = np.sort(run, axis=1)[:, ::-1]
    dst.write(pairs)


@meaning("tmrgsort")
def _merge(machine: Machine, dst: TileElements, src: TileElements, run: int, take: int) -> None:
    merged = np.zeros((dst.rows, dst.columns), np.uint64)
    for row, pairs in zip(merged, src.read()):
        runs = [[int(p) for p in pairs[first : first + run][:take]] for first in range(0, src.columns, run)]
        found = [p for first in range(0, len(runs), 4) for p in _merge_runs(runs[first : first + 4])]
        row[: len(found)] = found[: len(row)]
    dst.write(merged)


def _merge_runs(runs: list[list[int]]) -> list[int]:
    at, found = [0] * len(runs), list[int]()
    for _ in range(sum(map(len, runs))):
        heads = [run[i] if i < len(run) else -1 for run, i in zip(runs, at)]
        best = heads.index(max(heads))
        found.append(heads[best])
        at[best] += 1
    return found


@meaning("tpairkey")
def _keys(machine: Machine, dst: TileElements, src: TileElements) -> None:
    ordered = (src.read() >> np.uint64(32)).astype(np.uint32)
    dst.write((ordered ^ np.where(ordered & _SIGN, _SIGN, _ALL)).view(np.float32))


@meaning("tpairindex")
def _indices(machine: Machine, dst: TileElements, src: TileElements) -> None:
    dst.write((~src.read().astype(np.uint32)).view(np.int32))

"""The kernel of a loop as it is written: where its values are, and moves between registers, UB and GM.

A value has one holder (values.py). It moves where an op asks for it in another form, element by element, or by a vector
instruction where it is larger than registers hold.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod

import numpy as np

from ...graph.builder import splat_element
from ...graph.graph import Graph, Op, Value, row_major
from ...graph.ops import Constant
from ...isa.dtypes import DType
from ...isa.machine import Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import KernelBuilder
from ..vector.nodes import NotVectorizable
from .registers import COMPUTED, Scalar, ScalarUnit, constant, limits
from .values import FEW_CELLS, Array, Cells, Far, Held, Repeated, Splat

MOST_READ = 64  # elements of an array that become cells


class CoreProgram:
    """Writes one kernel. `held` says where each value is; `uses` how often values of the graph at hand are still read."""

    def __init__(self, builder: KernelBuilder, most_cells: int):
        self.b = builder
        self.most_cells = most_cells  # elements of a value that is held in registers
        self.unit = ScalarUnit(builder)
        self.held: dict[Value, Held] = {}
        self._uses: list[dict[Value, int]] = [{}]
        self._readers: list[dict[int, int]] = [{}]  # of a tile or, below zero, GM argument that the graph may overwrite

    # --- which tiles may be overwritten ---

    @contextmanager
    def graph(self, graph: Graph) -> Generator[None]:
        """Count the uses of a graph's values while it is lowered; what is held outside of it is not overwritten."""
        counts: dict[Value, int] = {}
        for op in graph.ops:
            for value in (*op.operands, *free_values(op)):
                counts[value] = counts.get(value, 0) + 1
        for value in graph.results:
            counts[value] = counts.get(value, 0) + 1
        self._uses.append(counts)
        self._readers.append({})
        yield
        self._uses.pop()
        self._readers.pop()

    def own(self, value: Value, held: Held) -> None:
        """Say where a value of the graph is; the graph may overwrite it once it is read no more."""
        self.held[value] = held
        key = _place(held)
        if key is not None:
            readers = self._readers[-1]
            readers[key] = readers.get(key, 0) + self._uses[-1].get(value, 0)

    def read(self, op: Op) -> None:
        """Count down the uses of an op's operands, once it is lowered."""
        for value in (*op.operands, *free_values(op)):
            key = _place(self.held[value]) if value in self.held else None
            if key in self._readers[-1]:
                self._readers[-1][key] -= 1

    def is_last_use(self, value: Value) -> bool:
        """Whether the op at hand is the only reader left of what a value of the graph is held in."""
        key = _place(self.held[value])
        return key is not None and self._readers[-1].get(key) == 1

    # --- forms ---

    def get(self, value: Value) -> Held:
        """Return where a value is; a constant of the graph is made where it is read."""
        if value not in self.held:
            element = splat_element(value)
            if element is None or value.dtype not in COMPUTED:
                raise NotVectorizable(f"[on chip] a value of {value.type} that is not there")
            return self.splat(value.shape, constant(element, value.dtype))
        return self.held[value]

    def splat(self, shape: Sequence[int], item: Scalar) -> Held:
        """Return a value of equal elements."""
        n = prod(shape)
        if n <= self.most_cells:
            return Cells(tuple(shape), item.dtype, (item,) * n)
        return Splat(tuple(shape), item.dtype, item)

    def cells(self, value: Value) -> tuple[Scalar, ...]:
        """Return the elements of a small value in registers."""
        return self.items(self.get(value))

    def items(self, held: Held) -> tuple[Scalar, ...]:
        """Return the elements of what is held, in registers."""
        if isinstance(held, Cells):
            return held.items
        n = prod(held.shape)
        if isinstance(held, Splat):
            return (held.item,) * n
        if n > MOST_READ:
            raise NotVectorizable(f"[on chip] {n} elements are too many for registers")
        return tuple(self.element(held, Affine(i)) for i in range(n))

    def scalar(self, value: Value) -> Scalar:
        """Return the element of a value of one."""
        return self.cells(value)[0]

    def element(self, held: Held, index: Affine) -> Scalar:
        """Return the element at an index, counted row by row."""
        low, high = limits(held.dtype)
        if isinstance(held, Splat):
            return held.item
        if isinstance(held, Cells) and index.is_constant:
            return held.items[index.const]
        if isinstance(held, (Cells, Repeated)):
            held = self.in_ub(held)
        if isinstance(held, Far):
            if held.dtype is DType.u64:
                raise NotVectorizable("[on chip] elements of u64 are not loaded one by one")
            return Scalar(self.b.scalar("sload", self.b.view(held.argument, index, (1,), (1,))), held.dtype, low, high)
        return Scalar(self.b.scalar("sget", held.tile, index), held.dtype, low, high)

    def set_element(self, held: Array | Far, index: Affine, item: Scalar) -> None:
        """Write the element at an index."""
        if isinstance(held, Far):
            self.b.sstore(self.b.view(held.argument, index, (1,), (1,)), item.held)
        else:
            self.b.sset(held.tile, index, item.held)

    def array(self, value: Value) -> Array:
        """Return a value in UB."""
        return self.in_ub(self.get(value))

    def in_ub(self, held: Held) -> Array:
        """Return what is held in UB."""
        if isinstance(held, Array):
            return held
        if isinstance(held, Far):
            return self.load(held)
        if isinstance(held, Repeated):
            return self._expanded(held)
        array = self.new_array(held.shape, held.dtype)
        items = (held.item,) if isinstance(held, Splat) else held.items
        if all(item.held == items[0].held for item in items):
            self.fill(array, items[0])
            return array
        self.b.texpands(array.tile, 0)
        for i, item in enumerate(items):
            self.b.sset(array.tile, Affine(i), item.held)
        return array

    def _expanded(self, held: Repeated) -> Array:
        array, n = self.new_array(held.shape, held.dtype), prod(held.row.shape)
        if held.by_element:
            with self.made(array, n, held.times) as tile:
                self.b.trowexpand(tile, self.shaped(held.row, n, 1))
        else:
            with self.made(array, held.times, n) as tile:
                self.b.tcolexpand(tile, held.row.tile)
        return array

    def fill(self, array: Array, item: Scalar) -> None:
        """Set all elements."""
        if item.is_constant:
            self.b.texpands(array.tile, immediate(item))
            return
        one = self.b.tile(Loc.vec, array.dtype, 1, 1)
        self.b.texpands(one, 0)
        self.b.sset(one, Affine(), item.held)
        self.b.trowexpand(array.tile, one)

    def new_array(self, shape: Sequence[int], dtype: DType) -> Array:
        """Return an array in UB with no elements set."""
        if dtype not in COMPUTED:
            raise NotVectorizable(f"[on chip] {dtype} is not computed")
        return Array(tuple(shape), dtype, self.b.tile(Loc.vec, dtype, 1, max(prod(shape), 1)))

    def stored(self, array: Array) -> Held:
        """Return an array, or what registers hold of it if it has few elements."""
        return array if prod(array.shape) > self.most_cells else Cells(array.shape, array.dtype, self.items(array))

    def copied(self, held: Array) -> Array:
        """Return the same elements in a tile of its own."""
        array = self.new_array(held.shape, held.dtype)
        self.b.tmov(array.tile, held.tile)
        return array

    def shaped(self, array: Array, rows: int, columns: int) -> TileRef:
        """Return an array's tile with so many rows and columns."""
        if rows == 1:
            return array.tile
        tile = self.b.tile(Loc.vec, array.dtype, rows, columns)
        self.b.treshape(tile, array.tile)
        return tile

    @contextmanager
    def made(self, array: Array, rows: int, columns: int) -> Generator[TileRef]:
        """Yield a tile of so many rows and columns to write a new array in."""
        tile = array.tile if rows == 1 else self.b.tile(Loc.vec, array.dtype, rows, columns)
        yield tile
        if rows != 1:
            self.b.treshape(array.tile, tile)

    # --- GM ---

    def load(self, far: Far, offset: Affine | int = 0, shape: Sequence[int] | None = None) -> Array:
        """Load an argument, or the part of it of this shape from an element on."""
        shape = far.shape if shape is None else tuple(shape)
        array = self.new_array(shape, far.dtype)
        self.b.tload(array.tile, self._view(far, offset, shape))
        return array

    def store(self, far: Far, array: Array, offset: Affine | int = 0) -> None:
        """Store an array to an argument, from an element on."""
        self.b.tstore(self._view(far, offset, array.shape), array.tile)

    def _view(self, far: Far, offset: Affine | int, shape: Sequence[int]):
        dims = merged_dims(shape, [row_major(far.shape)])
        if len(dims) > 5:
            raise NotVectorizable("[on chip] a part of more than five dimensions")
        extents, strides = [d[0] for d in dims] or [1], [d[1] for d in dims] or [1]
        return self.b.view(far.argument, offset, tuple(extents), tuple(strides), 0)

    # --- loops over elements ---

    @contextmanager
    def loops(self, extents: Sequence[int]) -> Generator[list[Affine]]:
        """Loop over all indices of these extents; yields one affine for each. An extent of one is no loop."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.b.loop(0, n)) if n != 1 else Affine() for n in extents]

    def copy(
        self,
        dst: Array | Far,
        src: Held,
        shape: Sequence[int],
        dst_strides: Sequence[int],
        src_strides: Sequence[int],
        dst_offset: Affine | int = 0,
        src_offset: Affine | int = 0,
    ) -> None:
        """Copy the elements at offset + index * strides, for all indices of a shape."""
        if prod(shape) == 0:
            return
        dims = merged_dims(shape, [dst_strides, src_strides])
        if isinstance(src, Cells) and Affine.of(src_offset).is_constant:
            places = [(Affine.of(dst_offset), Affine.of(src_offset))]
            for extent, to, of in dims:
                places = [(a + i * to, b + i * of) for a, b in places for i in range(extent)]
            for a, b in places:
                self.set_element(dst, a, self.element(src, b))
            return
        if not isinstance(src, (Array, Far, Splat)):
            src = self.in_ub(src)
        if isinstance(dst, Array) and isinstance(src, Array) and dims and dims[-1][0] > FEW_CELLS:
            n, to, of = dims[-1]
            if to == of == 1:
                self._copy_runs(dst, src, n, dims[:-1], Affine.of(dst_offset), Affine.of(src_offset))
                return
        with self.loops([d[0] for d in dims]) as index:
            to, of = Affine.of(dst_offset), Affine.of(src_offset)
            for i, d in zip(index, dims, strict=True):
                to, of = to + i * d[1], of + i * d[2]
            self.set_element(dst, to, self.element(src, of))

    def _copy_runs(self, dst: Array, src: Array, n: int, outer: list[tuple[int, ...]], to: Affine, of: Affine) -> None:
        with self.loops([d[0] for d in outer]) as index:
            for i, d in zip(index, outer, strict=True):
                to, of = to + i * d[1], of + i * d[2]
            whole_dst, whole_src = (prod(a.shape) == n for a in (dst, src))
            if whole_dst and whole_src:
                self.b.tmov(dst.tile, src.tile)
                return
            run = src.tile
            if not whole_src:
                run = dst.tile if whole_dst else self.b.tile(Loc.vec, src.dtype, 1, n)
                self.b.tslice(run, src.tile, 0, of)
            if not whole_dst:
                self.b.tinsert(dst.tile, run, 0, to)


def immediate(item: Scalar) -> int | float:
    """Return a constant as instructions write it."""
    if not item.dtype.is_float:
        return item.low
    bits = (item.held.const % 2 ** (8 * item.dtype.bytes)).to_bytes(item.dtype.bytes, "little")
    return float(np.frombuffer(bits, item.dtype.numpy)[0])


def merged_dims(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Return (extent, stride of each operand) per dimension, neighbours without gaps as one, extents of one left out."""
    dims: list[tuple[int, ...]] = []
    for n, *steps in zip(shape, *strides, strict=True):
        if n == 1:
            continue
        if dims and all(last == n * step for last, step in zip(dims[-1][1:], steps, strict=True)):
            dims[-1] = (dims[-1][0] * n, *steps)
        else:
            dims.append((n, *steps))
    return dims


def free_values(op: Op) -> list[Value]:
    """Return the values of outside that an op's graphs read, each once, constants excluded."""
    return [v for v in values_of_outside(op) if not isinstance(v.producer, Constant)]


def values_of_outside(op: Op) -> list[Value]:
    """Return the values, constants among them, that an op's graphs read and no graph of it makes, each once."""

    def walk(graph: Graph) -> Iterator[Value]:
        made.update(graph.arguments)
        for inner in graph.ops:
            if isinstance(inner, Constant):
                continue
            yield from (v for v in inner.operands if v not in made)
            for part in inner.regions():
                yield from walk(part)
            made.update(inner.results)
        yield from (v for v in graph.results if v not in made)

    made: set[Value] = set()
    return list(dict.fromkeys(v for graph in op.regions() for v in walk(graph)))


def _place(held: Held) -> int | None:
    if isinstance(held, Array):
        return held.tile.tile
    if isinstance(held, Repeated):
        return held.row.tile.tile
    return -1 - held.argument if isinstance(held, Far) else None

"""Expressions and a NestPlan -> the instructions of one kernel section.

Loops are opened outside in. In each, what does not depend on deeper loops is computed before they open; a reduction
whose axes are looped over accumulates in a tile that lives just outside its loops, and whatever needs its result waits
for them to close, which may mean running them again (a second pass over a row that does not fit). A value is in the
smallest tile that shows it: full, one column, one row or one element; it is expanded where an instruction needs more.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod

import numpy as np

from ...graph.graph import Value
from ...graph.identities import identity_element
from ...isa.dtypes import DType
from ...isa.machine import CLASSES, Loc
from ...isa.model import Affine, TileRef, View
from ...program.kernel import KernelBuilder
from ...tiling.vector_plan import FETCH, TABLE, Conflict, NestPlan
from .nodes import Access, Node, NotVectorizable, Store, is_affine
from .select_instruction import accumulate, emit_op, reduce_instruction, reduction_kind

Kind = tuple[bool, bool]  # varies along rows, along columns


@dataclass(eq=False)
class Task:
    """Something to do once `node` is known: store it, or add it to an accumulator."""

    node: Node
    depth: int
    access: Access | None = None  # store
    accumulator: Node | None = None  # the reduction it feeds
    done: bool = False


@dataclass(eq=False)
class Scope:
    """What is known between the opening of a loop and its end."""

    tiles: dict[tuple[Node, Kind], TileRef] = field(default_factory=lambda: {})
    starts: dict[tuple[Value, int], Affine] = field(default_factory=lambda: {})  # of dynamic slices, by value and limit
    slot: Affine = field(default_factory=Affine)
    in_loop: bool = False


class SectionEmitter:
    """Emits one loop nest into a kernel builder."""

    def __init__(self, builder: KernelBuilder, plan: NestPlan, arguments: dict[Value, int], block: Affine):
        self.b, self.plan, self.arguments, self.block = builder, plan, arguments, block
        self.index: dict[int, Affine] = {}  # axis -> number of the chunk
        self.valid: dict[int, int | Affine] = {}  # axis -> elements of the chunk
        self.coordinate: dict[int, Affine] = {}  # split axis -> block coordinate
        self.position: dict[int, int] = {}  # looped axis -> depth of its loop, from 1
        self.nest: list[int] = []
        self.scopes = [Scope()]
        self.order: dict[Node, int] = {}
        self.depths: dict[Node, int] = {}
        self.stored: set[Node] = set()
        self.tables: dict[Value, TileRef] = {}  # values whose elements are gathered on chip

    # --- the nest ---

    def run(self, stores: list[Store]) -> None:
        """Emit everything the stores need."""
        self._divide()
        for axis in self.plan.loops:
            if axis not in self.plan.split or self.plan.split[axis][1] > 1:
                self.nest.append(axis)
                self.position[axis] = len(self.nest)
        self._sort([s.node for s in stores])
        self.stored = {s.node for s in stores}
        self._load_tables()
        tasks: list[Task] = []
        for s in stores:
            depth = max([self.depths[s.node], *(self.position.get(a, 0) for a in s.access.strides)])
            tasks.append(Task(s.node, depth, s.access))
        self._level(0, tasks)

    def _load_tables(self) -> None:
        """Load what elements are gathered from, where fetching each by itself would take longer."""
        for node in self.order:
            if node.access is None or not self._takes_elements(node) or node.access.value in self.tables:
                continue
            value = node.access.value
            size, unit = value.type.size, max(1, 32 // value.dtype.bytes)
            if value.dtype in CLASSES["all"] and size <= min(TABLE, FETCH * self._taken(node)):
                table = self.b.tile(Loc.vec, value.dtype, 1, -(-size // unit) * unit, (1, size))
                self.b.tload(table, self.b.view(self.arguments[value], 0, (1, size), (0, 1)))
                self.tables[value] = table

    def _takes_elements(self, node: Node) -> bool:
        """Whether a node gathers single elements into one row of a tile, from places that its index alone gives."""
        access = node.access
        alone = access is not None and not access.strides and not access.dynamic
        return node.kind == "gather" and alone and not self.kind(node)[0]

    def _taken(self, node: Node) -> int:
        """Return how many elements a block gathers."""
        return prod(-(-self.plan.extent[a] // self.plan.split.get(a, (1, 0))[0]) for a in node.axes)

    def _divide(self) -> None:
        rest = self.block
        splits = list(self.plan.split.items())
        for i, (axis, (_, per)) in enumerate(splits):
            inner = prod(n for _, (n, _) in splits[i + 1 :])
            if inner == 1:
                at = rest
            else:
                at = self.b.scalar("sdiv", rest, inner)
                rest = rest - at * inner
            self.coordinate[axis] = at
            if per == 1:
                self.index[axis] = at
        for axis in self.plan.extent:
            if axis not in self.plan.loops:
                self.index[axis] = Affine()
                self.valid[axis] = self.plan.extent[axis]
            elif axis in self.index or self.plan.extent[axis] % self.plan.chunk.get(axis, 1) == 0:
                self._set_valid(axis)

    def _set_valid(self, axis: int) -> None:
        chunk, extent = self.plan.chunk.get(axis, 1), self.plan.extent[axis]
        if extent % chunk == 0:
            self.valid[axis] = chunk
        else:
            self.valid[axis] = self.b.minimum(chunk, extent - self.index[axis] * chunk)

    def _sort(self, roots: list[Node]) -> None:
        """Number the nodes operands first, and find the loop in which each is computed."""
        stack = [(r, False) for r in reversed(roots)]
        while stack:
            node, ready = stack.pop()
            if node in self.order:
                continue
            if not ready:
                stack.append((node, True))
                stack.extend((o, False) for o in reversed(node.operands) if o not in self.order)
                continue
            self.order[node] = len(self.order)
            axes = self._spanned(node)
            depth = max([0, *(self.position.get(a, 0) for a in axes), *(self.depths[o] for o in node.operands)])
            if self._looped(node):
                depth = self._first_loop(node) - 1
            elif node.kind != "const":
                depth = max([depth, *(self.position.get(a, 0) for a in self._ragged(node.axes))])
            self.depths[node] = depth

    def _spanned(self, node: Node) -> set[int]:
        """Return the axes that a node's tile spans: all of a group of rows or columns if it varies along one."""
        groups = zip(self.kind(node), (self.plan.rows, self.plan.columns), strict=True)
        return {*node.axes, *(a for varies, group in groups if varies for a in group)}

    def _ragged(self, axes: frozenset[int]) -> list[int]:
        """Return the axes whose last chunk is short, of the tile dimensions that a node with these axes has."""
        groups = [g for g in (self.plan.rows, self.plan.columns) if any(a in axes for a in g)]
        return [g[0] for g in groups if self.plan.extent[g[0]] % self.plan.chunk[g[0]]]

    def _looped(self, node: Node) -> bool:
        return bool(node.reduced) and any(a in self.position for a in node.reduced)

    def _first_loop(self, node: Node) -> int:
        return min(self.position[a] for a in node.reduced if a in self.position)

    def _level(self, depth: int, tasks: list[Task]) -> None:
        scope = self.scopes[-1]
        while True:
            needed = self._needed([t.node for t in tasks])
            waiting: dict[Node, list[Task]] = {}
            for t in tasks:
                waiting.setdefault(t.node, []).append(t)
            blocked: set[Node] = set()
            for node in needed:
                if any(o in blocked for o in node.operands) or (
                    self._looped(node) and self._first_loop(node) == depth + 1
                ):
                    blocked.add(node)
                elif self.depths[node] <= depth and node.kind != "const" and not self._looped(node):
                    self._compute(node)
                    self._perform(waiting.get(node, ()), depth)
            self._perform([t for t in tasks if t.node not in blocked], depth)
            tasks = [t for t in tasks if not t.done]
            if not tasks:
                return
            inner = [t for t in tasks if t.node not in blocked]
            sums = [
                n
                for n in needed
                if self._looped(n) and self._first_loop(n) == depth + 1 and n.operands[0] not in blocked
            ]
            if not inner and not sums:
                raise Conflict("a value waits for a loop that cannot run")
            for node in sums:
                self._start_sum(node)
                at = max(self.depths[node.operands[0]], *(self.position.get(a, 0) for a in node.reduced))
                inner.append(Task(node.operands[0], at, accumulator=node))
            self._loop(depth + 1, inner)
            for node in sums:
                scope.tiles[node, self.kind(node)] = self._end_sum(node)
            tasks = [t for t in tasks if not t.done]
            if not tasks:
                return

    def _loop(self, depth: int, tasks: list[Task]) -> None:
        axis = self.nest[depth - 1]
        steps = self.plan.steps(axis)
        start: int | Affine = 0
        stop: int | Affine = steps
        if axis in self.plan.split:
            _, per = self.plan.split[axis]
            start = self.coordinate[axis] * per
            stop = start + per if steps % per == 0 else self.b.minimum(steps, start + per)
        with self.b.loop(start, stop) as counter:
            self.index[axis] = counter
            self._set_valid(axis)
            self.scopes.append(Scope(slot=counter, in_loop=True))
            self._level(depth, tasks)
            self.scopes.pop()

    def _needed(self, roots: list[Node]) -> list[Node]:
        """Return what must be computed for the roots and is not there yet, operands first."""
        seen: set[Node] = set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node in seen or node.kind == "const" or self._known(node, self.kind(node)) is not None:
                continue
            seen.add(node)
            stack.extend(node.operands)
        return sorted(seen, key=self.order.__getitem__)

    def _perform(self, tasks: list[Task] | tuple[Task, ...], depth: int) -> None:
        for t in tasks:
            if t.done or t.depth > depth:
                continue
            t.done = True
            if t.accumulator is not None:
                self._add_to_sum(t.accumulator)
            else:
                assert t.access is not None
                self._store(t.node, t.access)

    # --- tiles ---

    def first(self, axis: int) -> Affine:
        """Return the first index of the current tile along an axis."""
        return self.index[axis] * self.plan.chunk.get(axis, 1)

    def kind(self, node: Node) -> Kind:
        """Return along which tile dimensions a node varies."""
        return self._kind_of(node.axes)

    def _kind_of(self, axes: frozenset[int] | dict[int, int]) -> Kind:
        return any(a in axes for a in self.plan.rows), any(a in axes for a in self.plan.columns)

    def _known(self, node: Node, kind: Kind) -> TileRef | None:
        for scope in reversed(self.scopes):
            if (node, kind) in scope.tiles:
                return scope.tiles[node, kind]
        return None

    def _extent(self, group: list[int]) -> int | Affine:
        value: int | Affine = 1
        for axis in group:
            v = self.valid[axis]
            if isinstance(value, int):
                value = v * value
            else:
                assert isinstance(v, int), "only the first axis of a group has a variable extent"
                value = value * v
        return value

    def new_tile(self, dtype: DType, kind: Kind, slots: int = 1, transposed: bool = False) -> TileRef:
        """Add a tile for values of a kind; with two slots the innermost loop alternates between them."""
        rows = self.plan.tile(self.plan.rows) if kind[0] else 1
        columns = self.plan.tile(self.plan.columns) if kind[1] else 1
        height = self._extent(self.plan.rows) if kind[0] else 1
        width = self._extent(self.plan.columns) if kind[1] else 1
        if transposed:
            rows, columns, height, width = columns, rows, width, height
        unit = max(1, 32 // dtype.bytes)
        scope = self.scopes[-1]
        slots = slots if scope.in_loop else 1
        ref = self.b.tile(Loc.vec, dtype, rows, -(-columns // unit) * unit, (height, width), slots=slots)
        return TileRef(ref.tile, scope.slot) if slots > 1 else ref

    def tile(self, node: Node, kind: Kind | None = None) -> TileRef:
        """Return a tile that holds the node, expanded to `kind` if it varies less."""
        kind = kind or self.kind(node)
        found = self._known(node, kind)
        if found is None:
            found = self._expand(node, kind)
            self.scopes[-1].tiles[node, kind] = found
        return found

    def _expand(self, node: Node, kind: Kind) -> TileRef:
        dtype = self._bits(node.dtype)
        own = self.kind(node)
        assert (kind[0] or not own[0]) and (kind[1] or not own[1]), "an expansion only adds dimensions"
        assert own != kind or node.kind == "const", f"a {node.kind} node is used before it is computed"
        if node.kind == "const":
            value = node.value if dtype is node.dtype else int(np.asarray(node.value, node.dtype.numpy).view(np.uint8))
            dst = self.new_tile(dtype, kind, 2 if node in self.stored else 1)
            self.b.texpands(dst, value)
            return self._as_bits(dst, node.dtype, kind)
        if own == (False, False) and kind == (True, True):
            own, instruction = (False, True), self.b.tcolexpand
        elif own[0] or (not own[0] and kind == (False, True)):
            instruction = self.b.trowexpand
        else:
            instruction = self.b.tcolexpand
        source = self._as_bits(self.tile(node, own), dtype, own)
        dst = self.new_tile(dtype, kind, 2 if node in self.stored else 1)
        instruction(dst, source)
        return self._as_bits(dst, node.dtype, kind)

    def _bits(self, dtype: DType) -> DType:
        """Return the type to move elements as: bytes, of a type that no instruction computes in."""
        return dtype if dtype in CLASSES["all"] else DType.u8

    def _as_bits(self, source: TileRef, dtype: DType, kind: Kind, transposed: bool = False) -> TileRef:
        """Return a tile as another type of the same width, which shares its bytes."""
        if self.b.kernel.tiles[source.tile].dtype is dtype:
            return source
        dst = TileRef(self.new_tile(dtype, kind, self.b.kernel.tiles[source.tile].slots, transposed).tile, source.slot)
        self.b.treshape(dst, source)
        return dst

    def _transpose(self, source: TileRef, dtype: DType, kind: Kind, transposed: bool) -> TileRef:
        """Return the transpose of a tile: a `transposed` one of a tile as planned, or the other way round."""
        bits = self._bits(dtype)
        dst = self.new_tile(bits, kind, 2 if transposed else 1, transposed)
        self.b.ttrans(dst, self._as_bits(source, bits, kind, not transposed))
        return self._as_bits(dst, dtype, kind, transposed)

    # --- nodes ---

    def _compute(self, node: Node) -> None:
        self.scopes[-1].tiles[node, self.kind(node)] = self._emit(node)

    def _emit(self, node: Node) -> TileRef:
        kind = self.kind(node)
        slots = 2 if node in self.stored else 1
        if node.kind == "load":
            assert node.access is not None
            return self._load(node.access, kind)
        if node.kind == "gather":
            return self._gather(node, kind)
        if node.kind == "iota":
            dst = self.new_tile(node.dtype, kind, slots)
            self._iota(dst, node)
            return dst
        if node.kind == "cvt":
            dst = self._destination(node, kind, slots)
            self.b.tcvt(dst, self.tile(node.operands[0], kind))
            return dst
        if node.kind == "bits":
            return self._as_bits(self.tile(node.operands[0], kind), node.dtype, kind)
        if node.kind in ("reduce", "arg"):
            return self._reduce(node)
        dst = self._destination(node, kind, slots)
        emit_op(self, node, dst, kind)
        return dst

    def _destination(self, node: Node, kind: Kind, slots: int) -> TileRef:
        """Return where an elementwise node is computed into."""
        return self.new_tile(node.dtype, kind, slots)

    def _iota(self, dst: TileRef, node: Node) -> None:
        start, steps = Affine(), list[int]()
        for axis, c in node.coefficients.items():
            start = start + self.first(axis) * c
        for group in (self.plan.rows, self.plan.columns):
            if not is_affine(node.coefficients, [(a, self.plan.chunk[a]) for a in group]):
                raise NotVectorizable("[vector] an iota that does not grow evenly along the rows or columns of a tile")
            steps.append(node.coefficients.get(group[-1], 0) if group else 0)
        self.b.tci(dst, start, *steps)

    def _group_view(self, access: Access, group: list[int], present: bool) -> list[tuple[int | Affine, int]]:
        """Return (extent, stride) pairs of a tile dimension, outer to inner, merged where they nest."""
        out: list[tuple[int | Affine, int]] = []
        for axis in reversed(group if present else []):
            extent, stride = self.valid[axis], access.strides.get(axis, 0)
            if out and isinstance(out[0][0], int) and stride == out[0][1] * out[0][0]:
                inner, step = out[0]
                assert isinstance(inner, int)
                out[0] = (extent * inner, step)
            elif extent != 1 or axis == group[0]:
                out.insert(0, (extent, stride))
        return out or [(1, 0)]

    def view(self, access: Access, kind: Kind, transposed: bool = False) -> View:
        """Return the window of an access that the current tile covers."""
        offset = Affine(access.offset)
        for axis, stride in access.strides.items():
            offset = offset + self.first(axis) * stride
        for axis, step in access.by_block:
            offset = offset + self.coordinate[axis] * step
        for start in access.dynamic:
            offset = offset + self._start(start.value, start.limit, start.stride)
        rows = self._group_view(access, self.plan.rows, kind[0])
        columns = self._group_view(access, self.plan.columns, kind[1])
        if transposed:
            rows, columns = columns, rows
        dims = rows + columns
        if len(dims) > 5:
            raise NotVectorizable("[vector] a view of more than five dimensions")
        return self.b.view(
            self.arguments[access.value], offset, tuple(e for e, _ in dims), tuple(s for _, s in dims), len(rows)
        )

    def _start(self, value: Value, limit: int, stride: int) -> Affine:
        for scope in reversed(self.scopes):
            if (value, limit) in scope.starts:
                return scope.starts[value, limit] * stride
        at = self.b.scalar("sload", self.b.view(self.arguments[value], 0, (1,), (1,), 0))
        low = self.b.scalar("smax", at, 0)
        start = self.scopes[-1].starts[value, limit] = self.b.scalar("smin", low, limit)
        return start * stride

    def _gather(self, node: Node, kind: Kind) -> TileRef:
        """Load from places that are data: rows if all columns belong to the window, else element by element."""
        access, (where,) = node.access, node.operands
        assert access is not None
        if access.value in self.tables and self._takes_elements(node):
            index = self.tile(where, kind)
            if access.offset:
                index = self.new_tile(DType.i32, kind)
                self.b.tadds(index, self.tile(where, kind), access.offset)
            dst = self._destination(node, kind, 2 if node in self.stored else 1)
            self.b.tgather(dst, self.tables[access.value], index)
            return dst
        by_row = any(a in access.strides for a in self.plan.columns) and not self.kind(where)[1]
        shape = (kind[0], kind[1] and not by_row)
        groups = (self.plan.rows, () if by_row else self.plan.columns)
        steps = [access.strides.get(group[-1], 0) if group else 0 for group in groups]
        if not all(is_affine(access.strides, [(a, self.plan.chunk[a]) for a in group]) for group in groups):
            raise NotVectorizable("[vector] a gather whose window does not grow evenly along a tile")
        index = self.tile(where, shape)
        if any(steps):
            window, index_of_element = (self.new_tile(DType.i32, shape) for _ in range(2))
            self.b.tci(window, 0, *steps)
            self.b.tadd(index_of_element, index, window)
            index = index_of_element
        dst = self.new_tile(node.dtype, kind, 2)
        offset = self.view(access, (False, False)).offset
        columns = self._group_view(access, self.plan.columns, by_row)
        extents, strides = zip(*columns, strict=True)
        view = self.b.view(self.arguments[access.value], offset, (1, *extents), (0, *strides), 1)
        self.b.mgather(dst, view, index, "row" if by_row else "elem")
        return dst

    def _is_transposed(self, access: Access, kind: Kind) -> bool:
        if kind != (True, True):
            return False
        row, column = access.strides.get(self.plan.rows[-1], 0), access.strides.get(self.plan.columns[-1], 0)
        return (
            abs(row) == 1
            and abs(column) > 1
            and min(self.plan.tile(self.plan.rows), self.plan.tile(self.plan.columns)) >= 4
        )

    def _load(self, access: Access, kind: Kind) -> TileRef:
        if self._is_transposed(access, kind):
            turned = self.new_tile(access.value.dtype, kind, 2, transposed=True)
            self.b.tload(turned, self.view(access, kind, transposed=True))
            return self._transpose(turned, access.value.dtype, kind, transposed=False)
        dst = self.new_tile(access.value.dtype, kind, 2)
        self.b.tload(dst, self.view(access, kind))
        return dst

    def _store(self, node: Node, access: Access) -> None:
        kind = self._kind_of(access.strides)
        own = self.kind(node)
        kind = (kind[0] or own[0], kind[1] or own[1])
        parts = dict(access.by_block)
        idle = [at for axis, at in self.coordinate.items() if axis not in access.strides and axis not in parts]
        src = self.tile(node, kind)
        if self._is_transposed(access, kind):
            src = self._transpose(src, node.dtype, kind, transposed=True)
            view = self.view(access, kind, transposed=True)
        else:
            view = self.view(access, kind)
        if idle:  # blocks that differ only in axes the output does not have hold the same values
            with self.b.when(1 - sum(idle[1:], idle[0])):
                self.b.tstore(view, src)
        else:
            self.b.tstore(view, src)

    # --- reductions ---

    def _operand_kind(self, node: Node) -> Kind:
        own, gone = self.kind(node.operands[0]), self._kind_of(node.reduced)
        return own[0] or gone[0], own[1] or gone[1]

    def _reduce(self, node: Node) -> TileRef:
        """Reduce inside the tile; the loops, if any, are the accumulator's business."""
        kind = self._operand_kind(node)
        return self._reduce_tile(node, self.tile(node.operands[0], kind), kind)

    def _reduce_tile(self, node: Node, tile: TileRef, kind: Kind) -> TileRef:
        slots = 2 if node in self.stored else 1
        for along in self._directions(node):
            kind = (kind[0], False) if along == "row" else (False, kind[1])
            dst = self.new_tile(DType.i32 if node.kind == "arg" else node.dtype, kind, slots)
            self.b.emit(reduce_instruction(node, along), dst, tile)
            tile = dst
        return tile

    def _directions(self, node: Node) -> list[str]:
        """Return what a node is reduced along inside a tile: "row" over columns, then "col" over rows."""
        rows, columns = self._kind_of(node.reduced)
        if node.kind == "arg":
            return ["row"]
        return ["row"] * columns + ["col"] * rows

    def _sums_by_element(self, node: Node) -> bool:
        """Whether tiles are added up element by element and reduced at the end: an addition is cheaper than a reduction."""
        once = sum(reduce_instruction(node, along).cost.cycles for along in self._directions(node)[:1])
        times = prod(self.plan.steps(a) for a in node.reduced if a in self.position)
        return node.dtype is not DType.i1 and 1 + times + once < times * once

    @property
    def _accumulators(self) -> dict[Node, TileRef]:
        return self.__dict__.setdefault("_sums", {})

    def _start_sum(self, node: Node) -> None:
        if self._sums_by_element(node):
            with self._full_chunks(node):
                tile = self.new_tile(node.dtype, self._operand_kind(node))
        else:
            tile = self.new_tile(node.dtype, self.kind(node), 2 if node in self.stored else 1)
        self.b.texpands(tile, identity_element(reduction_kind(node), node.dtype).item())
        self._accumulators[node] = tile

    @contextmanager
    def _full_chunks(self, node: Node) -> Generator[None]:
        """Let tiles outside a reduction's loops hold full chunks along them."""
        valid = dict(self.valid)
        self.valid.update({a: self.plan.chunk.get(a, 1) for a in node.reduced if a in self.position})
        yield
        self.valid = valid

    def _add_to_sum(self, node: Node) -> None:
        total = self._accumulators[node]
        if not self._sums_by_element(node):
            accumulate(self, node, total, self._reduce(node))
            return
        kind = self._operand_kind(node)
        part = self.tile(node.operands[0], kind)
        have, whole = (self.b.kernel.tiles[t.tile] for t in (part, total))
        if (have.valid_rows, have.valid_columns) != (whole.valid_rows, whole.valid_columns):
            shown = self.new_tile(node.dtype, kind)  # of a short chunk
            self.b.treshape(shown, total)
            total = shown
        accumulate(self, node, total, part)

    def _end_sum(self, node: Node) -> TileRef:
        total = self._accumulators.pop(node)
        if not self._sums_by_element(node):
            return total
        with self._full_chunks(node):
            return self._reduce_tile(node, total, self._operand_kind(node))

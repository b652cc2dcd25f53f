"""Sort and TopK on the vector cores: pairs of a key and its column, sorted by 32 and merged four runs at a time.

    sort(x, y) by x:   key = f32(x)   order = columns of sorted (key, column)   x[order], y[order]
    top_k(x):          best = first k of sorted (x, column), of a piece of the row after the other

Several keys, and 32-bit integers in two halves, are sorted one after the other from the least significant on: what is
equal keeps its order. Blocks share out the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod

from ...graph.graph import Op, Value
from ...graph.ops import Sort, TopK
from ...isa.dtypes import DType
from ...isa.machine import Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import KernelBuilder
from ...targets import Target
from ...tiling.sorting import RUN, key_passes, most_columns, padded, plan_top_k
from ..steps import Launch, Way
from .window import INDEX, batch_loop, split_blocks

KEY, PAIR = DType.f32, DType.u64


def sort_ways(op: Sort, target: Target) -> Iterator[Way]:
    """Yield launches that sort along the last dimension, best first; none where the vector unit cannot."""
    shape = op.operands[0].shape
    columns, rows = shape[-1], prod(shape[:-1])
    types = [v.dtype for v in op.operands]
    most = most_columns(types, [types[k] for k, _ in op.keys], target)
    if op.dimension != len(shape) - 1 or not 0 < columns <= most or rows == 0:
        return
    for height in _heights(rows, max(most // padded(columns), 1), target):
        yield [_sort(op, rows, columns, height, target)]


def top_k_ways(op: TopK, target: Target) -> Iterator[Way]:
    """Yield launches that find the k largest of rows, best first; none where the vector unit cannot."""
    (x,) = op.operands
    columns, rows = x.shape[-1], prod(x.shape[:-1])
    if key_passes(x.dtype) == 2:
        most = most_columns([x.dtype], [x.dtype], target)
        if 0 < columns <= most and rows > 0 and op.k > 0:
            for height in _heights(rows, max(most // padded(columns), 1), target):
                yield [_top_k_of_integers(op, rows, columns, height, target)]
        return
    plan = plan_top_k(x.dtype, columns, op.k, target)
    if plan is None or rows == 0:
        return
    for height in _heights(rows, plan.rows, target):
        yield [_top_k(op, rows, columns, height, plan.chunk, target)]


def _heights(rows: int, most: int, target: Target) -> Iterator[int]:
    """Yield rows of a tile: as many as fit, but so that all cores have some; then fewer."""
    height = min(most, max(-(-rows // target.vector_cores), 1))
    while height > 1:
        yield height
        height //= 2
    yield 1


@dataclass
class _Rows:
    """Rows of a tile: room for `height`, of which `count` are there."""

    b: KernelBuilder
    height: int
    count: Affine

    def tile(self, dtype: DType, columns: int) -> TileRef:
        return self.b.tile(Loc.vec, dtype, self.height, padded(columns), (self.count, columns))

    def load(self, argument: int, dtype: DType, first: Affine, columns: int, row: int) -> TileRef:
        tile = self.tile(dtype, columns)
        self.b.tload(tile, self.b.view(argument, first, (self.count, columns), (row, 1)))
        return tile

    def store(self, argument: int, tile: TileRef, first: Affine, columns: int) -> None:
        self.b.tstore(self.b.view(argument, first, (self.count, columns), (columns, 1)), tile)

    def numbers(self, columns: int, first: int | Affine = 0) -> TileRef:
        tile = self.tile(INDEX, columns)
        self.b.tci(tile, first, 0, 1)
        return tile

    def convert(self, tile: TileRef, dtype: DType, to: DType, columns: int) -> TileRef:
        if dtype is to:
            return tile
        converted = self.tile(to, columns)
        self.b.tcvt(converted, tile)
        return converted

    def negate(self, tile: TileRef, columns: int) -> TileRef:
        negated = self.tile(KEY, columns)
        self.b.tneg(negated, tile)
        return negated

    def gather(self, tile: TileRef, dtype: DType, index: TileRef, columns: int) -> TileRef:
        gathered = self.tile(dtype, columns)
        self.b.tgather(gathered, tile, index)
        return gathered

    def order(self, key: TileRef, number: TileRef, columns: int, first: int) -> TileRef:
        """Return the first pairs of sorted rows; where rows are shorter, what is missing is 0, the least pair."""
        pairs = self.tile(PAIR, columns)
        self.b.tsort32(pairs, key, number)
        width, run = columns, RUN
        while width > run or width != first:
            take = min(run, first)
            runs = -(-width // run)
            kept = (runs - 1) * take + min(take, width - (runs - 1) * run)
            merged_width = first if runs <= 4 else kept
            merged = self.tile(PAIR, merged_width)
            self.b.tmrgsort(merged, pairs, run, take)
            pairs, width, run = merged, merged_width, 4 * take
            if runs <= 4:
                break
        return pairs

    def columns_of(self, pairs: TileRef, columns: int) -> TileRef:
        number = self.tile(INDEX, columns)
        self.b.tpairindex(number, pairs)
        return number


class _Kernel:
    """A kernel under construction: its arguments, and the loop of a block over tiles of `height` rows."""

    def __init__(self, name: str, op: Op, rows: int, height: int, target: Target) -> None:
        self.op, self.rows, self.height, self.count = op, rows, height, -(-rows // height)
        blocks, self.per_block = split_blocks(self.count, target.vector_cores)
        self.b = KernelBuilder(name, "aiv", (blocks,))
        self.given = [self.b.argument(v.dtype, v.type.size) for v in op.operands]
        self.made = [self.b.argument(v.dtype, v.type.size, writes=True) for v in op.results]

    @contextmanager
    def tiles(self) -> Iterator[tuple[_Rows, Affine]]:
        """Give a tile's rows and the number of the first."""
        b = self.b
        with ExitStack() as stack:
            first = batch_loop(b, b.blocks[0], self.count, self.per_block, stack) * self.height
            ragged = self.rows % self.height
            yield (
                _Rows(b, self.height, b.minimum(self.height, self.rows - first) if ragged else Affine(self.height)),
                first,
            )

    def launch(self) -> Launch:
        return Launch(self.b.kernel, [*self.op.operands, *self.op.results], list(self.op.results))


def _sort(op: Sort, rows: int, columns: int, height: int, target: Target) -> Launch:
    types = [v.dtype for v in op.operands]
    kernel = _Kernel(f"sort_{types[op.keys[0][0]]}_{rows}x{columns}", op, rows, height, target)
    with kernel.tiles() as (part, row):
        at = row * columns
        operands = [part.load(argument, t, at, columns, columns) for argument, t in zip(kernel.given, types)]
        keys = [(operands[number], types[number], descending) for number, descending in op.keys]
        index = _sorted(part, keys, columns)
        for argument, x, t in zip(kernel.made, operands, types):
            part.store(argument, part.gather(x, t, index, columns), at, columns)
    return kernel.launch()


def _sorted(part: _Rows, keys: list[tuple[TileRef, DType, bool]], columns: int) -> TileRef:
    """Return the columns of rows in the order of (elements, their type, descending), the first the most significant."""
    index: TileRef | None = None
    for x, dtype, descending in reversed(keys):
        for half in reversed(range(key_passes(dtype))):
            here = x if index is None else part.gather(x, dtype, index, columns)
            key = _key(part, here, dtype, columns, half)
            key = key if descending else part.negate(key, columns)
            pairs = part.order(key, part.numbers(columns), columns, columns)
            order = part.columns_of(pairs, columns)
            index = order if index is None else part.gather(index, INDEX, order, columns)
    assert index is not None, "there is a key"
    return index


def _key(part: _Rows, x: TileRef, dtype: DType, columns: int, half: int) -> TileRef:
    """Return f32 whose total order is that of the elements; of a wide integer the upper half (0) or the lower (1)."""
    b = part.b
    if key_passes(dtype) == 2:
        piece = part.tile(dtype, columns)
        if half:
            mask = part.tile(dtype, columns)
            b.texpands(mask, 0xFFFF)
            b.tand(piece, x, mask)
        else:
            shift = part.tile(dtype, columns)
            b.texpands(shift, 16)
            b.tshr(piece, x, shift)
        return part.convert(piece, dtype, KEY, columns)
    key = part.convert(x, dtype, KEY, columns)
    if not dtype.is_float:
        return key
    # -0 is made 0, and every NaN the one after infinity.
    plain, nan, number = part.tile(KEY, columns), part.tile(KEY, columns), part.tile(DType.i1, columns)
    b.tadds(plain, key, 0.0)
    b.texpands(nan, float("nan"))
    b.tcmp(number, key, key, "eq")
    b.tsel(plain, number, plain, nan)
    return plain


def _top_k_name(x: Value, k: int) -> str:
    return f"top_k_{x.dtype}_{'x'.join(map(str, x.shape))}_{k}"


def _top_k_of_integers(op: TopK, rows: int, columns: int, height: int, target: Target) -> Launch:
    """The first columns of whole rows that are sorted."""
    (x,), k = op.operands, op.k
    kernel = _Kernel(_top_k_name(x, k), op, rows, height, target)
    with kernel.tiles() as (part, row):
        loaded = part.load(kernel.given[0], x.dtype, row * columns, columns, columns)
        index = _sorted(part, [(loaded, x.dtype, op.largest)], columns)
        first = part.tile(INDEX, k)
        part.b.tslice(first, index, 0, 0)
        part.store(kernel.made[0], part.gather(loaded, x.dtype, first, k), row * k, k)
        part.store(kernel.made[1], first, row * k, k)
    return kernel.launch()


def _top_k(op: TopK, rows: int, columns: int, height: int, chunk: int, target: Target) -> Launch:
    (x,), k = op.operands, op.k
    kernel = _Kernel(_top_k_name(x, k), op, rows, height, target)
    b = kernel.b
    with kernel.tiles() as (part, row):

        def best_of(first: int | Affine, width: int) -> TileRef:
            loaded = part.load(kernel.given[0], x.dtype, row * columns + first, width, columns)
            key = part.convert(loaded, x.dtype, KEY, width)
            key = key if op.largest else part.negate(key, width)
            return part.order(key, part.numbers(width, first), width, k)

        whole, rest = divmod(columns, chunk)
        if whole + (rest > 0) == 1:
            best = best_of(0, columns)
        else:
            both, best = part.tile(PAIR, 2 * k), part.tile(PAIR, k)
            b.texpands(both, 0)

            def take(first: int | Affine, width: int) -> None:
                b.tinsert(both, best_of(first, width), 0, k)
                b.tmrgsort(best, both, k, k)
                b.tinsert(both, best, 0, 0)

            with b.loop(0, whole) as piece:
                take(piece * chunk, chunk)
            if rest:
                take(whole * chunk, rest)
        key = part.tile(KEY, k)
        b.tpairkey(key, best)
        key = key if op.largest else part.negate(key, k)
        part.store(kernel.made[0], part.convert(key, KEY, x.dtype, k), row * k, k)
        part.store(kernel.made[1], part.columns_of(best, k), row * k, k)
    return kernel.launch()

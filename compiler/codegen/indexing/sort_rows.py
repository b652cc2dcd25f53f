"""Sort and TopK on the vector cores: pairs of a key and its column, sorted by 32 and merged four runs at a time.

    sort(x, y) by x:   key = f32(x)   order = columns of sorted (key, column)   x[order], y[order]
    top_k(x):          best = first k of sorted (x, column), of a piece of the row after the other

Several keys, and 32-bit integers in two halves, are sorted one after the other from the least significant on: what is
equal keeps its order. Blocks share out the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...graph.graph import Value
from ...graph.ops import Sort, TopK
from ...isa.dtypes import DType
from ...isa.model import Affine, TileRef
from ...targets import Target
from ...tiling.sorting import RUN, key_passes, most_columns, padded, plan_top_k
from ..steps import Launch, Way
from .row_tiles import RowKernel, Rows, heights
from .window import INDEX

KEY, PAIR = DType.f32, DType.u64


def sort_ways(op: Sort, target: Target) -> Iterator[Way]:
    """Yield launches that sort along the last dimension, best first; none where the vector unit cannot."""
    shape = op.operands[0].shape
    columns, rows = shape[-1], prod(shape[:-1])
    types = [v.dtype for v in op.operands]
    most = most_columns(types, [types[k] for k, _ in op.keys], target)
    if op.dimension != len(shape) - 1 or not 0 < columns <= most or rows == 0:
        return
    for height in heights(rows, max(most // padded(columns), 1), target):
        yield [_sort(op, rows, columns, height, target)]


def top_k_ways(op: TopK, target: Target) -> Iterator[Way]:
    """Yield launches that find the k largest of rows, best first; none where the vector unit cannot."""
    (x,) = op.operands
    columns, rows = x.shape[-1], prod(x.shape[:-1])
    if key_passes(x.dtype) == 2:
        most = most_columns([x.dtype], [x.dtype], target)
        if 0 < columns <= most and rows > 0 and op.k > 0:
            for height in heights(rows, max(most // padded(columns), 1), target):
                yield [_top_k_of_integers(op, rows, columns, height, target)]
        return
    plan = plan_top_k(x.dtype, columns, op.k, target)
    if plan is None or rows == 0:
        return
    for height in heights(rows, plan.rows, target):
        yield [_top_k(op, rows, columns, height, plan.chunk, target)]


def _order(part: Rows, key: TileRef, number: TileRef, columns: int, first: int) -> TileRef:
    """Return the first pairs of sorted rows; where rows are shorter, what is missing is 0, the least pair."""
    pairs = part.tile(PAIR, columns)
    part.b.tsort32(pairs, key, number)
    width, run = columns, RUN
    while width > run or width != first:
        take = min(run, first)
        runs = -(-width // run)
        kept = (runs - 1) * take + min(take, width - (runs - 1) * run)
        merged_width = first if runs <= 4 else kept
        merged = part.tile(PAIR, merged_width)
        part.b.tmrgsort(merged, pairs, run, take)
        pairs, width, run = merged, merged_width, 4 * take
        if runs <= 4:
            break
    return pairs


def _columns_of(part: Rows, pairs: TileRef, columns: int) -> TileRef:
    number = part.tile(INDEX, columns)
    part.b.tpairindex(number, pairs)
    return number


def _numbers(part: Rows, columns: int, first: int | Affine = 0) -> TileRef:
    number = part.tile(INDEX, columns)
    part.b.tci(number, first, 0, 1)
    return number


def _negated(part: Rows, key: TileRef, columns: int) -> TileRef:
    negated = part.tile(KEY, columns)
    part.b.tneg(negated, key)
    return negated


def _sort(op: Sort, rows: int, columns: int, height: int, target: Target) -> Launch:
    types = [v.dtype for v in op.operands]
    kernel = RowKernel(f"sort_{types[op.keys[0][0]]}_{rows}x{columns}", op, rows, height, target)
    with kernel.tiles() as (part, row):
        at = row * columns
        operands = [part.load(argument, t, at, columns, columns) for argument, t in zip(kernel.given, types)]
        keys = [(operands[number], types[number], descending) for number, descending in op.keys]
        index = _sorted(part, keys, columns)
        for argument, x, t in zip(kernel.made, operands, types):
            part.store(argument, part.gather(x, t, index, columns), at, columns)
    return kernel.launch()


def _sorted(part: Rows, keys: list[tuple[TileRef, DType, bool]], columns: int) -> TileRef:
    """Return the columns of rows in the order of (elements, their type, descending), the first the most significant."""
    index: TileRef | None = None
    for x, dtype, descending in reversed(keys):
        for half in reversed(range(key_passes(dtype))):
            here = x if index is None else part.gather(x, dtype, index, columns)
            key = _key(part, here, dtype, columns, half)
            key = key if descending else _negated(part, key, columns)
            pairs = _order(part, key, _numbers(part, columns), columns, columns)
            order = _columns_of(part, pairs, columns)
            index = order if index is None else part.gather(index, INDEX, order, columns)
    assert index is not None, "there is a key"
    return index


def _key(part: Rows, x: TileRef, dtype: DType, columns: int, half: int) -> TileRef:
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
    kernel = RowKernel(_top_k_name(x, k), op, rows, height, target)
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
    kernel = RowKernel(_top_k_name(x, k), op, rows, height, target)
    b = kernel.b
    with kernel.tiles() as (part, row):

        def best_of(first: int | Affine, width: int) -> TileRef:
            loaded = part.load(kernel.given[0], x.dtype, row * columns + first, width, columns)
            key = part.convert(loaded, x.dtype, KEY, width)
            key = key if op.largest else _negated(part, key, width)
            return _order(part, key, _numbers(part, width, first), width, k)

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
        key = key if op.largest else _negated(part, key, k)
        part.store(kernel.made[0], part.convert(key, KEY, x.dtype, k), row * k, k)
        part.store(kernel.made[1], _columns_of(part, best, k), row * k, k)
    return kernel.launch()

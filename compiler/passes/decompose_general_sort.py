"""Sorts by any comparator: Batcher's bitonic network, a loop whose every round is elementwise on whole halves.

A round compares x[:n/2] with x[n/2:] and shuffles the two halves like cards; after each round an element's position is
its number with the bits rotated by one, so that rounds compare numbers that differ in one bit, one bit after the other
(H. S. Stone, Parallel processing with the perfect shuffle, IEEE Trans. Computers C-20, 1971). Of the log2(n)^2 rounds
those in which the network has nothing to compare only shuffle.

%r = general_sort(%x) { body }   over 8 elements
->
loop t = 0 to 9 { a, b = %x[:4], %x[4:];  swap = less(b, a) xor descending(t);  %x = shuffle(select(swap, b, a), ...) }

Elements carry their numbers, which decide where the comparator does not: the sort is stable. What fills up to a power of
two has larger numbers than all elements, and stays behind them; it is an element too, as the comparator may hold a loop that
ends for elements only.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.builder import Builder
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.location import Location
from ..graph.module import Module
from ..graph.ops import GeneralSort, While
from ..graph.rewrite import rewrite
from ..graph.vectorize import apply_elementwise
from ..isa.dtypes import DType

_INDEX = DType.i32


def decompose_general_sort(module: Module, target: object) -> None:
    """Replace every GeneralSort, in place. Raises UnsupportedOpsError for comparators that are not elementwise."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, GeneralSort):
        return None
    shape, d = op.operands[0].shape, op.dimension
    count = shape[d]
    if count < 2 or 0 in shape:
        return op.operands
    bits = (count - 1).bit_length()
    to_last = [*(i for i in range(len(shape)) if i != d), d]
    back = [to_last.index(i) for i in range(len(shape))]
    rows = op.operands[0].type.size // count

    def laid(x: Value) -> Value:
        flat = b.reshape(b.transpose(x, to_last), (rows, count))
        first = b.reshape(b.slice_dim(flat, 1, 0, 1), (rows,))
        fill = b.broadcast(first, (rows, (1 << bits) - count), (0,))
        return b.concatenate([flat, fill][: 1 + bool(fill.type.size)], 1)

    numbers = b.iota((rows, 1 << bits), 1, _INDEX)
    carried = [b.constant(0, TensorType((), _INDEX)), numbers, *map(laid, op.operands)]
    types = [v.type for v in carried]
    loop = While(carried, _condition(types, bits * bits, op.loc), _round(op, types, count, bits))
    sorted_ = b.emit_op(loop, types)[2:]
    moved = tuple(shape[i] for i in to_last)
    return [b.transpose(b.reshape(b.slice_dim(x, 1, 0, count), moved), back) for x in sorted_]


def _condition(types: Sequence[TensorType], rounds: int, loc: Location) -> Graph:
    graph = Graph("rounds")
    arguments = [graph.argument(t) for t in types]
    b = Builder(graph.ops, loc)
    graph.results = [b.compare("LT", arguments[0], b.constant(rounds, types[0]))]
    return graph


def _round(op: GeneralSort, types: Sequence[TensorType], count: int, bits: int) -> Graph:
    """Return the body of the loop: one round of the network."""
    graph = Graph("round")
    arguments = [graph.argument(t) for t in types]
    b = Builder(graph.ops, op.loc)
    t, arrays = arguments[0], arguments[1:]
    half = (types[1].shape[0], 1 << (bits - 1))
    left = [b.slice_dim(x, 1, 0, half[1]) for x in arrays]
    right = [b.slice_dim(x, 1, half[1], 2 * half[1]) for x in arrays]
    # Round t is turn `turn` of stage `stage`: it compares numbers that differ in bit bits - 1 - turn.
    stage, turn = b.binary("div", t, b.like(t, bits)), b.binary("rem", t, b.like(t, bits))
    one = b.like(t, 1)
    idle = b.binary("sub", b.like(t, bits - 1), stage)
    active = b.compare("GE", turn, idle)
    place = b.iota(half, 1, _INDEX)

    def spread(x: Value) -> Value:
        return b.broadcast(x, half)

    number = b.binary(
        "or",
        b.binary("shr_logical", place, spread(turn)),
        b.binary(
            "and",
            b.binary("shl", place, spread(b.binary("sub", b.like(t, bits), turn))),
            b.like(place, (1 << bits) - 1),
        ),
    )
    upper = b.binary("shr_logical", number, spread(b.binary("add", stage, one)))
    descending = b.compare("NE", b.binary("and", upper, b.like(place, 1)), b.like(place, 0))
    before = _less(op, b, right, left, count)
    swap = b.binary("and", b.binary("xor", before, descending), spread(active))
    results = [b.binary("add", t, one)]
    for x, y in zip(left, right):
        pair = [b.reshape(b.select(swap, *v), (*half, 1)) for v in ((y, x), (x, y))]
        results.append(b.reshape(b.concatenate(pair, 2), (half[0], 2 * half[1])))
    graph.results = results
    return graph


def _less(op: GeneralSort, b: Builder, x: list[Value], y: list[Value], count: int) -> Value:
    """Return where x comes before y; the first of each are the numbers."""
    shape, i, j = x[0].shape, x[0], y[0]
    forward = apply_elementwise(b, op.body, [v for pair in zip(x[1:], y[1:]) for v in pair], shape)[0]
    backward = apply_elementwise(b, op.body, [v for pair in zip(y[1:], x[1:]) for v in pair], shape)[0]
    first = b.compare("LT", i, j)
    undecided = b.binary("xor", b.binary("xor", forward, backward), b.like(first, True))
    if count < 2 * shape[1]:
        filled = b.compare("GE", b.binary("max", i, j), b.like(i, count))
        undecided = b.binary("or", undecided, filled)
    return b.select(undecided, first, forward)

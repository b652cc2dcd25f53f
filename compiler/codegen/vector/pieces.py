"""Concatenate and Pad as pieces: boxes of the result, disjoint, each written from one source.

pad(x[3], p, low 1, high 2)  ->  [1:4] from x,  [0:1] and [4:6] from p
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from ...graph.graph import Op, TensorType, Value, row_major
from ...graph.ops import BroadcastInDim, Concatenate, Pad, Reshape, Slice


@dataclass(eq=False)
class Piece:
    """`value`, of `shape`, goes to the result's elements offset + strides x index; `made_by` computes it first."""

    value: Value
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]
    made_by: Op

    def ops(self, before: list[Op]) -> list[Op]:
        """Return the ops of the piece: those of the region it needs, then its own."""
        made = {r: op for op in before for r in op.results}
        wanted: set[Op] = set()
        stack = list(self.made_by.operands)
        while stack:
            op = made.get(stack.pop())
            if op is not None and op not in wanted:
                wanted.add(op)
                stack += op.operands
        return [*(op for op in before if op in wanted), self.made_by]


def concatenate_pieces(op: Concatenate) -> list[Piece]:
    """Return one piece per operand."""
    strides = row_major(op.results[0].shape)
    out, at = list[Piece](), 0
    for x in op.operands:
        same = Reshape([x])
        same.with_results([x.type], op.loc)
        out.append(Piece(same.results[0], x.shape, at * strides[op.dimension], strides, same))
        at += x.shape[op.dimension]
    return out


def pad_pieces(op: Pad) -> list[Piece]:
    """Return the operand's piece, then boxes of padding."""
    x, padding = op.operands
    result = op.results[0]
    strides = row_major(result.shape)
    start, limit = list[int](), list[int]()  # of the operand's elements that remain
    for lo, hi, gap, n in zip(op.low, op.high, op.interior, x.shape, strict=True):
        s = (gap - lo) // (gap + 1) if lo < 0 else 0  # elements cut off at the front: ceil(-lo / (gap + 1))
        last = lo + (n - 1) * (gap + 1)  # where the last element would go
        room = lo + n + max(n - 1, 0) * gap + hi
        e = n if last < room else (room - 1 - lo) // (gap + 1) + 1
        start.append(min(s, n))
        limit.append(max(min(s, n), e))
    cut = Slice([x], tuple(start), tuple(limit), (1,) * x.type.rank)
    cut.with_results([TensorType(tuple(l - s for s, l in zip(start, limit)), x.dtype)], op.loc)
    kept = cut.results[0].shape
    at = [lo + s * (gap + 1) for lo, s, gap in zip(op.low, start, op.interior)]
    step = tuple(t * (gap + 1) for t, gap in zip(strides, op.interior))
    made: Op = cut
    if kept == x.shape:
        made = Reshape([x])
        made.with_results([x.type], op.loc)
    pieces = [Piece(made.results[0], kept, sum(a * t for a, t in zip(at, strides)), step, made)]
    for shape, offset, along in _padding_boxes(op, kept, at, strides):
        fill = BroadcastInDim([padding], ())
        fill.with_results([TensorType(shape, x.dtype)], op.loc)
        pieces.append(Piece(fill.results[0], shape, offset, along, fill))
    return [p for p in pieces if prod(p.shape)]


def _padding_boxes(
    op: Pad, kept: tuple[int, ...], at: list[int], strides: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], int, tuple[int, ...]]]:
    """Yield (shape, offset, strides) of boxes that cover the padding, dimension by dimension."""
    sizes = op.results[0].shape
    rank = len(sizes)
    for d in range(rank):
        gap = op.interior[d]
        head = [kept[i] for i in range(d)]
        tail = [sizes[i] for i in range(d + 1, rank)]
        head_strides = [strides[i] * (op.interior[i] + 1) for i in range(d)]
        tail_strides = list(strides[d + 1 :])
        base = sum(at[i] * strides[i] for i in range(d))
        if kept[d] == 0:
            spans = [(0, sizes[d])]
            gaps = 0
        else:
            end = at[d] + (kept[d] - 1) * (gap + 1) + 1
            spans = [(0, at[d]), (end, sizes[d] - end)]
            gaps = kept[d] - 1 if gap else 0
        for first, count in spans:
            if count > 0:
                yield (*head, count, *tail), base + first * strides[d], (*head_strides, strides[d], *tail_strides)
        if gaps:
            yield (
                (*head, gaps, gap, *tail),
                base + (at[d] + 1) * strides[d],
                (*head_strides, strides[d] * (gap + 1), strides[d], *tail_strides),
            )

"""The gradient of pooling: which cell of each window was chosen, then one padded contribution per cell.

%dx = select_and_scatter(%x, %dy, %init) window=(2,2) stride=(2,2)
->
chosen = index of the first cell of the window that no later cell beats    (compare and select, cell by cell)
%dx = init + sum over cells k of pad(select(chosen == k, %dy, 0)) to where cell k lies in x
"""

from __future__ import annotations

from itertools import product

from ..graph.builder import Builder, splat_element
from ..graph.graph import Op, TensorType, Value
from ..graph.identities import identity_element
from ..graph.module import Module
from ..graph.ops import SelectAndScatter
from ..graph.rewrite import rewrite
from ..graph.vectorize import apply_elementwise
from ..isa.dtypes import DType


def decompose_select_and_scatter(module: Module, target: object) -> None:
    """Replace every SelectAndScatter, in place."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, SelectAndScatter):
        return None
    x, source, init = op.operands
    shape = source.shape
    padded = b.pad(x, b.constant(0, TensorType((), x.dtype)), op.low, op.high)
    cells = list(product(*(range(w) for w in op.window)))

    def cell_of(value: Value, cell: tuple[int, ...]) -> Value:
        limit = [c + (n - 1) * t + 1 for c, n, t in zip(cell, shape, op.stride)]
        return b.slice(value, cell, limit, op.stride)

    if 0 in shape:
        return [b.broadcast(init, x.shape)]
    chosen_type = TensorType(shape, DType.i32)
    best, chosen = cell_of(padded, cells[0]), b.constant(0, chosen_type)
    # A cell in the padding loses against any cell of x, equal or not.
    inside: list[Value] = []
    have: Value | None = None  # whether a cell so far was of x
    if any(op.low) or any(op.high):
        mask = b.pad(
            b.constant(True, TensorType(x.shape, DType.i1)),
            b.constant(False, TensorType((), DType.i1)),
            op.low,
            op.high,
        )
        inside = [cell_of(mask, cell) for cell in cells]
        have = inside[0]
    for k, cell in enumerate(cells[1:], 1):
        rival = cell_of(padded, cell)
        both = None if have is None else b.binary("and", have, inside[k])
        (keep,) = apply_elementwise(b, op.select, [best, rival], shape, both)
        take = b.unary("not", keep)
        if have is not None:
            take = b.binary("and", inside[k], b.binary("or", take, b.unary("not", have)))
            have = b.binary("or", have, inside[k])
        best = b.select(take, rival, best)
        chosen = b.select(take, b.constant(k, chosen_type), chosen)

    def place(value: Value, element: Value, cell: tuple[int, ...]) -> Value:
        """Return the value of each window where its cell lies in x, and the element elsewhere."""
        low = [c - lo for c, lo in zip(cell, op.low)]
        interior = [t - 1 for t in op.stride]
        reach = [lo + (n - 1) * t + 1 for lo, n, t in zip(low, shape, op.stride)]
        high = [n - r for n, r in zip(x.shape, reach)]
        return b.pad(value, element, low, high, interior)

    hits = [b.compare("EQ", chosen, b.constant(k, chosen_type)) for k in range(len(cells))]
    if have is not None:  # a window without a cell of x has none
        hits = [b.binary("and", hit, have) for hit in hits]
    total: Value | None = None
    if op.body is not None:
        total = b.broadcast(init, x.shape)
        zero, no = b.constant(0, TensorType((), x.dtype)), b.constant(False, TensorType((), DType.i1))
        for cell, hit in zip(reversed(cells), reversed(hits)):  # an element's last cell is of its first window
            both, where = [total, place(source, zero, cell)], place(hit, no, cell)
            (combined,) = apply_elementwise(b, op.body, both, x.shape, where)
            total = b.select(where, combined, total)
        return [total]
    neutral = identity_element(op.kind, x.dtype)
    nothing, scalar = b.constant(neutral, source.type), b.constant(neutral, TensorType((), x.dtype))
    for cell, hit in zip(cells, hits):
        part = place(b.select(hit, source, nothing), scalar, cell)
        total = part if total is None else b.binary(op.kind, total, part)
    assert total is not None
    if splat_element(init) == neutral:
        return [total]
    return [b.binary(op.kind, total, b.broadcast(init, x.shape))]

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
from ..isa.dtypes import DType


def decompose_select_and_scatter(module: Module, target: object) -> None:
    """Replace every SelectAndScatter, in place."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, SelectAndScatter):
        return None
    x, source, init = op.operands
    shape = source.shape
    extreme = "max" if op.select in ("GE", "GT") else "min"
    worst = b.constant(identity_element(extreme, x.dtype), TensorType((), x.dtype))
    padded = b.pad(x, worst, op.low, op.high)
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
        keep = b.compare(op.select, best, rival)
        take = b.unary("not", keep)
        if have is not None:
            take = b.binary("and", inside[k], b.binary("or", take, b.unary("not", have)))
            have = b.binary("or", have, inside[k])
        best = b.select(take, rival, best)
        chosen = b.select(take, b.constant(k, chosen_type), chosen)
    neutral = identity_element(op.kind, x.dtype)
    nothing, scalar = b.constant(neutral, source.type), b.constant(neutral, TensorType((), x.dtype))
    total: Value | None = None
    for k, cell in enumerate(cells):
        mine = b.select(b.compare("EQ", chosen, b.constant(k, chosen_type)), source, nothing)
        low = [c - lo for c, lo in zip(cell, op.low)]
        interior = [t - 1 for t in op.stride]
        reach = [lo + (n - 1) * t + 1 for lo, n, t in zip(low, shape, op.stride)]
        high = [n - r for n, r in zip(x.shape, reach)]
        part = b.pad(mine, scalar, low, high, interior)
        total = part if total is None else b.binary(op.kind, total, part)
    assert total is not None
    if splat_element(init) == neutral:
        return [total]
    return [b.binary(op.kind, total, b.broadcast(init, x.shape))]

"""Ops that hold graphs, and those that say only how values lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...graph import ops
from ...graph.graph import Op, TensorType, Value
from ...graph.sharding import Sharding, replicated
from ..piece import Piece

if TYPE_CHECKING:
    from ..partitioner import Partitioner


def while_(p: Partitioner, op: ops.While) -> None:
    """Carry parts, which lie in every iteration as in the first; terms, if the program says so."""
    shardings = [p.usable(r.sharding, r.shape, terms=True) or p.cut_of(v) for r, v in zip(op.results, op.operands)]
    start = [p.get(v, s) for v, s in zip(op.operands, shardings)]
    cond = p.region(op.cond, shardings, [replicated(p.mesh, 0)])
    body = p.region(op.body, shardings, shardings)
    _define(p, op, p.b.emit_op(ops.While(start, cond, body), [v.type for v in start]), shardings)


def case(p: Partitioner, op: ops.Case) -> None:
    """Divide the branches; all give results that lie the same way."""
    shardings = [p.wish(r) or replicated(p.mesh, r.type.rank) for r in op.results]
    (index,) = (p.get(v, replicated(p.mesh, 0)) for v in op.operands)
    branches = [p.region(branch, [], shardings) for branch in op.branches]
    types = [TensorType(s.local_shape(r.shape), r.dtype) for r, s in zip(op.results, shardings)]
    _define(p, op, p.b.emit_op(ops.Case([index], branches), types), shardings)


def _define(p: Partitioner, op: Op, results: list[Value], shardings: list[Sharding]) -> None:
    for result, value, sharding in zip(op.results, results, shardings, strict=True):
        p.define(result, value, sharding)


def call(p: Partitioner, op: ops.Call) -> None:
    """Divide what the callee does, here."""
    for argument, operand in zip(op.callee.arguments, op.operands, strict=True):
        p.pieces[argument] = p.piece(operand)
    p.run(op.callee)
    for result, inner in zip(op.results, op.callee.results, strict=True):
        p.pieces[result] = p.piece(inner)


def reshard(p: Partitioner, op: ops.Reshard) -> None:
    """Bring the operand to where the program says."""
    (x,) = op.operands
    piece = p.piece(x)
    to = p.usable(op.to, x.shape, terms=True) or piece.sharding
    apart = set(piece.sharding.partial)
    if p.uses[op.result] == 1 and not to.partial and to.mesh == piece.sharding.mesh and not apart & set(to.axes):
        to = Sharding(to.mesh, to.dims, piece.sharding.partial)  # whoever needs it may need less of the sum
    p.pieces[op.result] = p.reshard(piece, to)


def manual_computation(p: Partitioner, op: ops.ManualComputation) -> None:
    """Let the body see what the manual axes leave; the parts it sees, cut along other axes, are those of the operands."""
    for argument, operand, sharding in zip(op.body.arguments, op.operands, op.ins, strict=True):
        to = p.together(
            op.kept(sharding, manual=True), p.usable(op.kept(sharding, manual=False), argument.shape, terms=True)
        )
        piece = p.reshard(p.piece(operand), to)
        p.pieces[argument] = Piece(piece.value, op.kept(to, manual=False), argument.type, piece.b)
    outside, p.manual = p.manual, (*p.manual, *op.manual)
    p.run(op.body)
    p.manual = outside
    for result, inner, sharding in zip(op.results, op.body.results, op.outs, strict=True):
        free = p.usable(op.kept(sharding, manual=False), inner.shape, terms=True)
        piece = p.reshard(p.piece(inner), free) if free else p.reshard(p.piece(inner), p.cut_of(inner))
        lies = p.together(op.kept(sharding, manual=True), piece.sharding)
        p.pieces[result] = Piece(piece.value, lies, result.type, piece.b)


WALKS: dict[type[Op], Callable[..., None]] = {
    ops.Call: call,
    ops.Case: case,
    ops.ManualComputation: manual_computation,
    ops.Reshard: reshard,
    ops.While: while_,
}

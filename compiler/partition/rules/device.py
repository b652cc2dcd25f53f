"""Ops that name devices: collectives of a manual computation, and calls of the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...graph import ops
from ...graph.builder import Builder
from ...graph.graph import Graph, Op, TensorType, Value
from ...graph.ops.collectives import Groups
from ...graph.sharding import replicated
from ..plan import Factors, Plan
from .pointwise import separate

if TYPE_CHECKING:
    from ..partitioner import Partitioner


def along(*names: str) -> Callable[[Op], Plan]:
    """Return the plan of a collective that parts may do each for itself but along these dimensions."""

    def plan(op: Op) -> Plan:
        f = Factors()
        dims = [f.each(v.shape, [getattr(op, name) for name in names]) for v in op.operands]
        return Plan(f.sizes, dims, dims)

    return plan


def device_number(op: Op) -> Plan:
    """No dimensions."""
    return Plan([], [], [()])


def host_call(p: Partitioner, op: ops.HostCall) -> None:
    """Call the host once for all devices whose parts hold copies, with whole operands, and give all of them the results.

    A handler of the FFI without an effect is a function of its operands: every device calls it.
    """
    operands = [p.get(v, replicated(p.mesh, v.type.rank)) for v in op.operands]
    types = [r.type for r in op.results]
    copies = tuple(a for a in range(len(p.mesh.sizes)) if a not in p.manual)
    groups: Groups = p.mesh.groups(copies)
    if len(groups[0]) == 1 or (isinstance(op.callee, ops.Foreign) and not op.effect):
        results = p.b.emit_op(op.clone(operands), types)
    else:
        results = _once(p, op, operands, types, groups)
    for result, value in zip(op.results, results):
        p.define(result, value, replicated(p.mesh, result.type.rank))


def _once(
    p: Partitioner, op: ops.HostCall, operands: list[Value], types: list[TensorType], groups: Groups
) -> list[Value]:
    first = np.zeros(len(p.mesh.devices), np.int32)
    first[[group[0] for group in groups]] = 1
    chosen = p.device_table(first)
    no, yes = Graph("others"), Graph("first")
    b = Builder(no.ops, op.loc)
    no.results = [b.constant(0, t) for t in types]
    yes.results = list(Builder(yes.ops, op.loc).emit_op(op.clone(operands), types))
    results = p.b.emit_op(ops.Case([chosen], [no, yes]), types)
    return [p.b.emit(ops.CollectiveBroadcast([r], groups), r.type) for r in results]


def ragged(op: Op) -> Plan:
    """Dimensions of rows behind the first one."""
    f = Factors()
    x, _, *numbers = op.operands
    rest = f.each(x.shape[1:])
    dims = ((), *rest)
    return Plan(f.sizes, [dims, dims, *[((),)] * len(numbers)], [dims])


PLANS: dict[type[Op], Callable[..., Plan]] = {
    ops.AllGather: along("dimension"),
    ops.AllReduce: separate,
    ops.AllToAll: along("split", "concat"),
    ops.CollectiveBroadcast: separate,
    ops.CollectivePermute: separate,
    ops.PartitionId: device_number,
    ops.RaggedAllToAll: ragged,
    ops.ReduceScatter: along("dimension"),
    ops.ReplicaId: device_number,
}
WALKS: dict[type[Op], Callable[..., None]] = {ops.HostCall: host_call}

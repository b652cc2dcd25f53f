"""Apply a scalar region to whole tensors: the body of a reduction or of `map` becomes elementwise ops.

    case(i) { a } { b }   ->   select(i == 0, a, b), all branches being computed
    while { cond } { body }   ->   while { any(p) } { select(p, body, what it was) }   where p is cond of each element

A loop in a branch runs for the elements that take the branch: for others it might never end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import UnsupportedOp
from ..isa.dtypes import DType
from . import ops
from .builder import Builder
from .graph import Graph, TensorType, Value

_ELEMENTWISE = (ops.Unary, ops.Binary, ops.Compare, ops.Select, ops.Convert, ops.BitcastConvert, ops.ReducePrecision)


def apply_elementwise(
    b: Builder, body: Graph, operands: Sequence[Value], shape: tuple[int, ...], where: Value | None = None
) -> list[Value]:
    """Emit `body` (scalar arguments and ops) on operands of this shape; return its results, of this shape.

    Scalars of the graphs around the body are broadcast. Results count only `where` (i1) says so. Raises UnsupportedOp for a
    body that holds anything but elementwise ops, constants and control flow.
    """
    return _Elements(b, shape, dict(zip(body.arguments, operands)), where).run(body)


class _Elements:
    """Emits scalar graphs for all elements: `values` has the tensor of each scalar so far, `where` those that run."""

    def __init__(self, b: Builder, shape: tuple[int, ...], values: Mapping[Value, Value], where: Value | None) -> None:
        self.b, self.shape, self.values, self.where = b, shape, dict(values), where

    def run(self, graph: Graph) -> list[Value]:
        for op in graph.ops:
            if isinstance(op, ops.Constant):
                constant = ops.Constant([], np.broadcast_to(op.value.reshape(()), self.shape))
                self.values[op.result] = self.b.emit(constant, self._type(op.result))
            elif isinstance(op, (ops.Reshape, ops.BroadcastInDim)) and not op.result.shape:
                self.values[op.result] = self._use(op.operands[0])
            elif isinstance(op, ops.Call):
                arguments = dict(zip(op.callee.arguments, map(self._use, op.operands)))
                self.values.update(zip(op.results, self._inner(self.b, arguments, self.where).run(op.callee)))
            elif isinstance(op, ops.Case):
                self.values.update(zip(op.results, self._case(op)))
            elif isinstance(op, ops.While) and not any(v.shape for v in op.results):
                self.values.update(zip(op.results, self._while(op)))
            elif isinstance(op, _ELEMENTWISE) and not op.result.shape:
                copy = op.clone([self._use(v) for v in op.operands])
                self.values[op.result] = self.b.emit(copy, self._type(op.result))
            else:
                what = f"{op.name} at {op.loc or 'unknown'} in a {graph.name} body"
                raise UnsupportedOp(f"{what}; expected elementwise ops")
        return [self._use(r) for r in graph.results]

    def _type(self, scalar: Value) -> TensorType:
        return TensorType(self.shape, scalar.dtype)

    def _use(self, value: Value) -> Value:
        if value not in self.values:
            op = ops.BroadcastInDim([value], ())
            self.values[value] = self.b.emit(op, self._type(value)) if self.shape else value
        return self.values[value]

    def _inner(self, b: Builder, arguments: Mapping[Value, Value], where: Value | None) -> _Elements:
        return _Elements(b, self.shape, {**self.values, **arguments}, where)

    def _and(self, b: Builder, condition: Value) -> Value:
        return condition if self.where is None else b.binary("and", self.where, condition)

    def _case(self, op: ops.Case) -> list[Value]:
        index = self._use(op.operands[0])
        number = [self.b.like(index, i) for i in range(len(op.branches))]
        taken = [self.b.compare("EQ", index, n) for n in number[:-1]]  # else the last
        last = self.b.constant(True, TensorType(self.shape, DType.i1))
        for t in taken:
            last = self.b.binary("and", last, self.b.unary("not", t))
        arms = zip(op.branches, [*taken, last])
        chosen = [self._inner(self.b, {}, self._and(self.b, where)).run(branch) for branch, where in arms]
        results = chosen[-1]
        for t, arm in zip(taken, chosen):
            results = [self.b.select(t, x, y) for x, y in zip(arm, results)]
        return results

    def _while(self, op: ops.While) -> list[Value]:
        carried = [self._use(v) for v in op.operands]
        types = [v.type for v in carried]

        def begin(part: Graph) -> tuple[Graph, Builder, list[Value], Value]:
            """Return a new graph, its arguments, and which elements go on."""
            graph = Graph(part.name)
            arguments = [graph.argument(t) for t in types]
            b = Builder(graph.ops, op.loc)
            going = self._inner(b, dict(zip(op.cond.arguments, arguments)), self.where).run(op.cond)[0]
            return graph, b, arguments, self._and(b, going)

        cond, b, _, going = begin(op.cond)
        cond.results = [b.reduce("or", going, range(len(self.shape))) if self.shape else going]
        body, b, arguments, going = begin(op.body)
        after = self._inner(b, dict(zip(op.body.arguments, arguments)), going).run(op.body)
        body.results = [b.select(going, new, old) for new, old in zip(after, arguments)]
        return self.b.emit_op(ops.While(carried, cond, body), types)

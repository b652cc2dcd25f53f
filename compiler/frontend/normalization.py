"""Importers of the batch normalisation ops, written out in elementwise ops and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from jaxlib.mlir import ir

from ..graph import ops
from ..graph.graph import TensorType, Value
from .scope import Importer, Scope


class _Features:
    """Arithmetic between a tensor and per-feature vectors."""

    def __init__(self, scope: Scope, op: ir.OpView, x: Value) -> None:
        self.scope, self.x = scope, x
        self.feature = scope.integer(op, "feature_index")
        self.others = tuple(d for d in range(x.type.rank) if d != self.feature)
        self.count = prod(x.shape[d] for d in self.others)
        self.vector = TensorType((x.shape[self.feature],), x.dtype)
        self.epsilon = scope.constant(scope.attribute(op, "epsilon").value, self.vector)

    def spread(self, v: Value) -> Value:
        return self.scope.broadcast(v, self.x.shape, (self.feature,))

    def sum(self, t: Value) -> Value:
        return self.scope.emit(ops.Reduce([t], "add", self.others), self.vector)

    def mean(self, t: Value) -> Value:
        return self.scope.binary("div", self.sum(t), self.scope.constant(self.count, self.vector))

    def deviation(self, variance: Value) -> Value:
        return self.scope.unary("sqrt", self.scope.binary("add", variance, self.epsilon))

    def normalized(self, mean: Value, variance: Value) -> Value:
        centered = self.scope.binary("sub", self.x, self.spread(mean))
        return self.scope.binary("div", centered, self.spread(self.deviation(variance)))

    def scaled(self, normal: Value, scale: Value, offset: Value) -> Value:
        return self.scope.binary("add", self.scope.binary("mul", normal, self.spread(scale)), self.spread(offset))


def inference(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import batch_norm_inference: scale * (x - mean) / sqrt(variance + epsilon) + offset."""
    x, scale, offset, mean, variance = scope.operands(op)
    f = _Features(scope, op, x)
    return [f.scaled(f.normalized(mean, variance), scale, offset)]


def training(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import batch_norm_training: the batch's own mean and variance, which are results too."""
    x, scale, offset = scope.operands(op)
    f = _Features(scope, op, x)
    mean = f.mean(x)
    centered = scope.binary("sub", x, f.spread(mean))
    variance = f.mean(scope.binary("mul", centered, centered))
    return [f.scaled(f.normalized(mean, variance), scale, offset), mean, variance]


def gradient(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import batch_norm_grad: gradients of operand, scale and offset."""
    x, scale, mean, variance, grad = scope.operands(op)
    f = _Features(scope, op, x)
    normal = f.normalized(mean, variance)
    grad_offset = f.sum(grad)
    grad_scale = f.sum(scope.binary("mul", grad, normal))
    factor = scope.binary("div", scale, f.deviation(variance))
    count = scope.constant(f.count, f.vector)
    pulled = scope.binary("mul", normal, f.spread(scope.binary("div", grad_scale, count)))
    rest = scope.binary("sub", grad, f.spread(scope.binary("div", grad_offset, count)))
    grad_x = scope.binary("mul", f.spread(factor), scope.binary("sub", rest, pulled))
    return [grad_x, grad_scale, grad_offset]


IMPORTERS: dict[str, Importer] = {
    "stablehlo.batch_norm_grad": gradient,
    "stablehlo.batch_norm_inference": inference,
    "stablehlo.batch_norm_training": training,
}

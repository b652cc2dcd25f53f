"""Convolutions without batch groups and reversed windows.

    convolution(%x, %k) batch_groups=g    ->   convolution(%x', %k) feature_groups=g
    convolution(%x, %k) reversal=(1,1)    ->   convolution(%x, reverse(%k))

where x' has the g parts of the batch side by side as features: part i only meets the output features of group i,
which is what a feature group is.
"""

from __future__ import annotations

from dataclasses import replace

from ..frontend import Module
from ..ir.builder import Builder
from ..ir.graph import Op, Value
from ..ir.ops import Convolution, Reverse
from ..ir.rewrite import rewrite


def normalize_convolution(module: Module, target: object) -> None:
    """Rewrite convolutions to batch_groups = 1 and no reversal, in place."""
    rewrite(module.main, _normalize)


def _normalize(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, Convolution) or (op.batch_groups == 1 and not any(op.reversal)):
        return None
    x, kernel = op.operands
    reversed_dimensions = tuple(op.rhs_spec[2 + i] for i, r in enumerate(op.reversal) if r)
    if reversed_dimensions:
        kernel = b.emit(Reverse([kernel], reversed_dimensions), kernel.type)
    groups = op.batch_groups
    if groups > 1:
        batch, feature = op.lhs_spec[:2]
        size = x.shape[batch] // groups
        # [.., g * n, .., c, ..] -> [.., g, n, .., c, ..] -> [.., n, .., g, c, ..] -> [.., n, .., g * c, ..]
        x = b.reshape(x, (*x.shape[:batch], groups, size, *x.shape[batch + 1 :]))
        order = [d for d in range(x.type.rank) if d != batch]
        order.insert(order.index(feature + (feature > batch)), batch)
        x = b.transpose(x, order)
        shape = [n * (groups if d == feature else 1) for d, n in enumerate(op.operands[0].shape)]
        shape[batch] = size
        x = b.reshape(x, tuple(shape))
    plain = (False,) * len(op.reversal)
    same = replace(op, operands=[x, kernel], reversal=plain, batch_groups=1, feature_groups=op.feature_groups * groups)
    return [b.emit(same, op.result.type)]

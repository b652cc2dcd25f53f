"""Rules of `simplify` for contractions."""

from __future__ import annotations

from dataclasses import replace

from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import Value


def simplify_dot(op: ops.Dot, b: Builder) -> Value | None:
    """Transposed operands become other dimension numbers, as long as the free dimensions keep their order."""
    lhs, rhs = op.operands
    lhs_free, rhs_free = op.free()
    changes: dict[str, object] = {}
    for side, x, free in (("lhs", lhs, lhs_free), ("rhs", rhs, rhs_free)):
        inner = x.producer
        if not isinstance(inner, ops.Transpose):
            continue
        moved = [inner.permutation[d] for d in free]
        if moved != sorted(moved):
            continue
        changes[side] = inner.operands[0]
        for group in ("batch", "contracting"):
            name = f"{side}_{group}"
            dimensions: tuple[int, ...] = getattr(op, name)
            changes[name] = tuple(inner.permutation[d] for d in dimensions)
    if not changes:
        return None
    operands = [changes.pop("lhs", lhs), changes.pop("rhs", rhs)]
    return b.emit(replace(op, operands=operands, **changes), op.result.type)


def simplify_convolution(op: ops.Convolution, b: Builder) -> Value | None:
    """Transposed operands become other dimension numbers, a reversed window becomes `reversal`."""
    (x, k), changes = op.operands, dict[str, object]()
    if isinstance(x.producer, ops.Transpose):
        changes["lhs_spec"] = tuple(x.producer.permutation[d] for d in op.lhs_spec)
        x = x.producer.operands[0]
    inner = k.producer
    if isinstance(inner, ops.Transpose):
        changes["rhs_spec"] = tuple(inner.permutation[d] for d in op.rhs_spec)
        k = inner.operands[0]
    elif isinstance(inner, ops.Reverse) and set(inner.dimensions) <= set(op.rhs_spec[2:]):
        flipped = (d in inner.dimensions for d in op.rhs_spec[2:])
        changes["reversal"] = tuple(f != r for f, r in zip(flipped, op.reversal, strict=True))
        k = inner.operands[0]
    if not changes:
        return None
    return b.emit(replace(op, operands=[x, k], **changes), op.result.type)

"""Rules of `simplify` for contractions."""

from __future__ import annotations

from dataclasses import replace

from ..ir import ops
from ..ir.builder import Builder
from ..ir.graph import Value


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
            changes[name] = tuple(inner.permutation[d] for d in getattr(op, name))
    if not changes:
        return None
    operands = [changes.pop("lhs", lhs), changes.pop("rhs", rhs)]
    return b.emit(replace(op, operands=operands, **changes), op.result.type)  # type: ignore[arg-type]

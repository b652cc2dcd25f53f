"""Drop optimization barriers once nothing that follows could merge or move values across them.

    %1, %2 = optimization_barrier(%a, %b)    ->    %a, %b

They keep rematerialised values from being merged with the originals, so this runs after the last merging pass.
"""

from __future__ import annotations

from ..frontend import Module
from ..ir.builder import Builder
from ..ir.graph import Op, Value
from ..ir.ops import OptimizationBarrier
from ..ir.rewrite import rewrite


def remove_barriers(module: Module, target: object) -> None:
    """Replace every barrier's results by its operands, in place."""
    rewrite(module.main, _remove)


def _remove(op: Op, builder: Builder) -> list[Value] | None:
    return op.operands if isinstance(op, OptimizationBarrier) else None

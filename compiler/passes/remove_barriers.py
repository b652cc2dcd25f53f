"""Drop optimization barriers once nothing that follows could merge or move values across them.

    %1, %2 = optimization_barrier(%a, %b)    ->    %a, %b

They keep rematerialised values from being merged with the originals, so this runs after the last merging pass.
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.ops import OptimizationBarrier
from ..graph.rewrite import rewrite


def remove_barriers(module: Module, target: object) -> None:
    """Replace every barrier's results by its operands, in place."""
    rewrite(module.main, _remove)


def _remove(op: Op, builder: Builder) -> list[Value] | None:
    return op.operands if isinstance(op, OptimizationBarrier) else None

"""What the pass partition knows of each op: a plan, a walk (ops that hold graphs or stand for shardings), or nothing.

An op is in exactly one of these, as a test says: PLANS gives the factors of its dimensions, WALKS divides it by itself, and
GATHERED ops are computed whole on every device, which a note in the compiler's stages says.
"""

from __future__ import annotations

from ...graph import ops
from ...graph.graph import Op
from . import contraction, control, device, indexing, irregular, pointwise, reduction, shape

PLANS = {
    kind: plan
    for family in (contraction, device, indexing, irregular, pointwise, reduction, shape)
    for kind, plan in family.PLANS.items()
}
WALKS = {**control.WALKS, **device.WALKS}
GATHERED: frozenset[type[Op]] = frozenset((ops.RngBitGenerator,))
"""Ops whose every element depends on all operands in ways that no factor says."""

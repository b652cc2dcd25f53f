"""Choose what cuts each factor of a plan, from how operands lie and how the results are wanted.

First come reductions whose operands all lie cut the same way: each device reduces its parts, and less is sent afterwards.
Then what the results want, then how the operands lie, the largest first, unless it is cheaper to bring an operand together
than a result that nobody wants cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Op
from ..graph.sharding import Axes, Mesh, Sharding
from .plan import Dims, Plan


def choose_axes(
    op: Op, plan: Plan, mesh: Mesh, given: Sequence[Sharding], wanted: Sequence[Sharding | None]
) -> list[Axes]:
    """Return the axes of each factor. `given` is how operands lie, `wanted` how results should."""
    chosen: dict[int, Axes] = {}
    operands = [_by_factor(s, dims, plan, mesh) for s, dims in zip(given, plan.operands, strict=True)]
    results = [_by_factor(s, dims, plan, mesh) if s else {} for s, dims in zip(wanted, plan.results, strict=True)]

    part = _parts(plan)

    def take(votes: dict[int, Axes]) -> None:
        for factor, axes in votes.items():
            used = {a for other, taken in chosen.items() if part[other] == part[factor] for a in taken}
            free = next((i for i, a in enumerate(axes) if a in used), len(axes))
            if factor not in chosen and free:
                chosen[factor] = axes[:free]

    for factor in plan.reductions:
        lie = [votes.get(factor, ()) for votes, dims in zip(operands, plan.operands) if _has(dims, factor)]
        if len(set(lie)) == 1 and lie[0]:
            take({factor: lie[0]})
    for votes in results:
        take(votes)
    said = {f for s, dims in zip(wanted, plan.results) if s for factors in dims for f in factors}
    result_bytes = sum(r.type.bytes for r in op.results)
    for i in sorted(range(len(operands)), key=lambda i: -op.operands[i].type.bytes):
        small = result_bytes > op.operands[i].type.bytes  # then it is cheaper to bring it together
        take({f: a for f, a in operands[i].items() if not (small and f in said)})
    axes = [chosen.get(f, ()) for f in range(len(plan.sizes))]
    _keep_in_order(plan, mesh, axes)
    return axes


def _parts(plan: Plan) -> list[int]:
    """Return for each factor the part of the op that it belongs to: an axis cuts one factor of a part."""
    part = [0] * len(plan.sizes)
    if plan.separate:
        for i, dims in enumerate(plan.operands):
            for factor in (factor for factors in dims for factor in factors):
                part[factor] = i
    return part


def _has(dims: Dims, factor: int) -> bool:
    return any(factor in factors for factors in dims)


def _by_factor(sharding: Sharding, dims: Dims, plan: Plan, mesh: Mesh) -> dict[int, Axes]:
    """Return the axes of each factor of a value that lies as `sharding` says."""
    votes: dict[int, Axes] = {}
    if sharding.mesh != mesh:
        return votes
    for axes, factors in zip(sharding.dims, dims, strict=True):
        for factor in factors:
            single = len(factors) == 1 and factor not in plan.even
            count = len(axes) if single else _fitting(mesh, axes, plan.sizes[factor])
            if count:
                votes[factor] = axes[:count]
            if mesh.extent(axes[:count]) != plan.sizes[factor]:
                break  # what is less significant lies in pieces on each device
            axes = axes[count:]
    return votes


def _fitting(mesh: Mesh, axes: Axes, size: int) -> int:
    """Return how many of the axes cut a factor into equal parts."""
    count = 0
    while count < len(axes) and size % mesh.extent(axes[: count + 1]) == 0:
        count += 1
    return count


def _keep_in_order(plan: Plan, mesh: Mesh, axes: list[Axes]) -> None:
    """Take back what would cut a factor of a dimension whose more significant factors are not cut entirely, in place."""
    changed = True
    while changed:
        changed = False
        for dims in (*plan.operands, *plan.results):
            for factors in dims:
                if len(factors) < 2:
                    continue
                cuttable = True
                for factor in factors:
                    keep = axes[factor] if cuttable else ()
                    keep = keep[: _fitting(mesh, keep, plan.sizes[factor])]
                    changed |= keep != axes[factor]
                    axes[factor] = keep
                    cuttable = cuttable and mesh.extent(keep) == plan.sizes[factor]

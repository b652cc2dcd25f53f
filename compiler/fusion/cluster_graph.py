"""The graph of clusters of ops while fusion grows them: who depends on whom, and which merges keep it free of cycles.

A cluster knows the set of all clusters before it as the bits of one integer, so "is there a way from A to B through a
third" is a few word operations; a merge updates what comes after, which is little as ops arrive in execution order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..graph.graph import Op, Value
from ..graph.ops import GatherSlices
from .vector_dims import RegionDims


@dataclass(eq=False)
class Cluster:
    """Ops that may become one region."""

    kind: str
    bits: int
    dims: RegionDims
    ops: dict[Op, None] = field(default_factory=lambda: {})
    before: int = 0  # bits of all clusters this one depends on
    preds: set[Cluster] = field(default_factory=lambda: set())
    succs: set[Cluster] = field(default_factory=lambda: set())
    merged_into: Cluster | None = None
    open: bool = False  # takes part in merging
    sums: bool = False  # only reductions of values in memory
    main: int = 0  # size of the largest value
    main_axes: tuple[int, ...] = ()

    def root(self) -> Cluster:
        """Return the cluster this one is part of now."""
        c = self
        while c.merged_into is not None:
            c = c.merged_into
        return c


class ClusterGraph:
    """All clusters, and the merges among them."""

    def __init__(self) -> None:
        self.clusters: list[Cluster] = []

    def new(self, kind: str, dims: RegionDims, preds: Iterable[Cluster]) -> Cluster:
        """Add a cluster that depends on `preds`."""
        c = Cluster(kind, 1 << len(self.clusters), dims)
        self.clusters.append(c)
        for p in preds:
            self.depend(c, p.root())
        return c

    def depend(self, c: Cluster, on: Cluster) -> None:
        """Make `c` depend on a cluster that does not depend on it."""
        if on is c or on in c.preds:
            return
        c.preds.add(on)
        on.succs.add(c)
        self._add_before(c, on.before | on.bits)

    def can_merge(self, a: Cluster, b: Cluster) -> bool:
        """Whether no third cluster lies on a way between the two; only vector kernels gather."""
        if a.kind != b.kind and any(isinstance(op, GatherSlices) for op in (*a.ops, *b.ops)):
            return False
        return not self._way_through(a, b) and not self._way_through(b, a)

    def _way_through(self, a: Cluster, b: Cluster) -> bool:
        return any(x.before & a.bits for x in map(Cluster.root, b.preds) if x is not a and x is not b)

    def merge(self, a: Cluster, b: Cluster) -> Cluster:
        """Make `b` part of `a`, which must be allowed; returns `a`. Dims are the caller's business."""
        for x in (*b.preds, *b.succs):
            x = x.root()
            x.preds.discard(b)
            x.succs.discard(b)
        b.merged_into = a
        a.bits |= b.bits
        a.preds = {x.root() for x in a.preds | b.preds} - {a}
        a.succs = {x.root() for x in a.succs | b.succs} - {a}
        for x in a.preds:
            x.succs.add(a)
        for x in a.succs:
            x.preds.add(a)
        before = (a.before | b.before) & ~a.bits
        a.before = before
        for x in a.succs:
            self._add_before(x, before | a.bits)
        a.ops.update(b.ops)
        b.bits = b.before = 0  # as wide as there are clusters
        return a

    def _add_before(self, c: Cluster, bits: int) -> None:
        stack = [c]
        while stack:
            c = stack.pop()
            if bits & ~c.before:
                c.before |= bits
                stack.extend(s.root() for s in c.succs)

    def alive(self) -> list[Cluster]:
        """Return the clusters that are part of no other."""
        return [c for c in self.clusters if c.merged_into is None]

    def readers(self) -> dict[Value, set[Cluster]]:
        """Return for each value the clusters that read it and do not make it."""
        found: dict[Value, set[Cluster]] = {}
        for c in self.alive():
            made = {r for op in c.ops for r in op.results}
            for op in c.ops:
                for v in op.operands:
                    if v not in made:
                        found.setdefault(v, set()).add(c)
        return found

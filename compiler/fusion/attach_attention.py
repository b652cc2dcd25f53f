"""Makes one region of two matrix products and the softmax between them.

    cube {dot q k, scale}, vector {mask, softmax, convert}, cube {dot w v}   ->   attention {all of them}

The scores and the weights must be wanted nowhere else, maxima and sums of the rows only by gradients; `codegen/attention/problem.py` proves the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..codegen.attention.problem import read_attention
from ..codegen.cube.dot import LAYOUT_OPS
from ..graph.graph import Op, Value
from ..graph.ops import Concatenate, Dot, Reduce
from .cluster_graph import Cluster, ClusterGraph
from .region import Region


def attach_attention(
    clusters: ClusterGraph, home: Mapping[Value, Cluster], results: list[Value], position: Mapping[Op, int]
) -> None:
    """Merge a softmax's cluster with the products before and after it, where the three are an attention.

    Args:
        clusters: all clusters, merged otherwise.
        home: the cluster that puts a value into memory.
        results: what the graph returns.
        position: the index of each op in the graph.
    """
    readers = clusters.readers()
    returned = set(results)
    for c in clusters.alive():
        if c.kind != "vector" or not c.open or {op.kind for op in c.ops if isinstance(op, Reduce)} != {"max", "add"}:
            continue
        stored = [v for op in c.ops for v in op.results if home.get(v) is not None and home[v].root() is c]
        wanted = [v for v in stored if v in returned or any(x.root() is not c for x in readers.get(v, ()))]
        weights = [v for v in wanted if not _is_statistic(v, readers)]
        if len(weights) != 1 or returned & set(wanted):
            continue
        after = _only_reader(readers, weights[0])
        before = [
            home[v].root()
            for v in dict.fromkeys(v for op in c.ops for v in op.operands)
            if v in home and v not in returned and _is_product(home[v].root()) and _only_reader(readers, v) is c
        ]
        if after is None or not _is_product(after) or len(before) != 1:
            continue
        merged = _merge(clusters, before[0], c, after, home, position, [v for v in wanted if v is not weights[0]])
        if merged is not None:
            _join(clusters, merged, home, returned, position)


def _join(
    clusters: ClusterGraph, c: Cluster, home: Mapping[Value, Cluster], returned: set[Value], position: Mapping[Op, int]
) -> None:
    """Let an attention read operands in their parts where nobody else wants them put together."""
    readers = clusters.readers()
    outputs = [v for op in c.ops for v in op.results if home.get(v) is not None and home[v].root() is c]
    outputs = [v for v in outputs if v in returned or any(x.root() is not c for x in readers.get(v, ()))]
    for v in dict.fromkeys(v for op in c.ops for v in op.operands):
        join = home[v].root() if v in home else c
        if join is c or not isinstance(v.producer, Concatenate) or v in returned or _only_reader(readers, v) is not c:
            continue
        if not all(isinstance(op, (Concatenate, *LAYOUT_OPS)) for op in join.ops) or not clusters.can_merge(c, join):
            continue
        if all(x in home and x not in returned and len(readers[x]) == 1 for x in v.producer.operands):
            continue  # each is computed in its place
        ops = sorted({**c.ops, **join.ops}, key=position.__getitem__)
        if read_attention(Region("attention", ops, [], outputs)) is not None:
            clusters.merge(c, join)


def _is_statistic(value: Value, readers: dict[Value, set[Cluster]]) -> bool:
    """Whether a value is the maximum or the sum of rows, that only gradients read to make weights of it again."""
    return isinstance(value.producer, Reduce) and all(x.root().kind == "gradient" for x in readers.get(value, ()))


def _only_reader(readers: dict[Value, set[Cluster]], value: Value) -> Cluster | None:
    found = {x.root() for x in readers.get(value, ())}
    return found.pop() if len(found) == 1 else None


def _is_product(c: Cluster) -> bool:
    return c.kind == "cube" and any(isinstance(op, Dot) for op in c.ops)


def _merge(
    clusters: ClusterGraph,
    first: Cluster,
    between: Cluster,
    second: Cluster,
    home: Mapping[Value, Cluster],
    position: Mapping[Op, int],
    statistics: list[Value],
) -> Cluster | None:
    """Merge the three if they are an attention; returns what they have become."""
    ops = sorted({**first.ops, **between.ops, **second.ops}, key=position.__getitem__)
    outputs = [r for op in second.ops for r in op.results if r in home and home[r].root() is second]
    if not clusters.can_merge(first, between) or not clusters.can_merge(between, second):
        return None
    if read_attention(Region("attention", ops, [], [*outputs, *statistics])) is None:
        return None
    clusters.merge(first, between)
    if not clusters.can_merge(first, second):
        return None
    clusters.merge(first, second).kind = "attention"
    return first

"""Gives the elementwise work on a matrix product's result to the product's own kernel.

    cube {dot, bias}, vector {gelu, dropout}   ->   cube {dot, bias, gelu, dropout}

A vector cluster joins if it computes nothing but elementwise values over the product's result (codegen/cube/epilogue.py
says what a kernel can take) and nothing else stands between the two. One that also reduces stays: it needs its own loops.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..codegen.cube.read_region import read_epilogue
from ..graph.graph import Op, Value
from ..graph.ops import Binary, Dot, Select, Unary
from .cluster_graph import Cluster, ClusterGraph
from .region import Region
from .vector_dims import POINTWISE, VIEWS

_ALLOWED = (*POINTWISE, *VIEWS)


def attach_epilogues(
    clusters: ClusterGraph, home: Mapping[Value, Cluster], results: list[Value], position: Mapping[Op, int]
) -> None:
    """Merge vector clusters into the clusters of the products they follow.

    Args:
        clusters: all clusters, merged otherwise.
        home: the cluster that puts a value into memory.
        results: what the graph returns.
        position: the index of each op in the graph.
    """
    readers = clusters.readers()
    products: list[tuple[Cluster, Value]] = []
    for c in clusters.alive():
        if c.kind == "cube" and any(isinstance(op, Dot) for op in c.ops):
            made = (r for op in c.ops for r in op.results)
            products.append((c, next(r for r in made if r in home and home[r] is c)))
    returned = set(results)
    for product, head in products:
        users = [c for c in map(Cluster.root, readers.get(head, ())) if _is_elementwise(c, head)]
        for c in sorted(users, key=lambda c: max(position[op] for op in c.ops)):
            if not clusters.can_merge(product, c):
                continue
            both = {product, c}
            ops = sorted({**product.ops, **c.ops}, key=position.__getitem__)
            outputs = [
                r
                for op in ops
                for r in op.results
                if r in home
                and home[r].root() in both
                and (r in returned or any(x.root() not in both for x in readers.get(r, ())))
            ]
            if read_epilogue(Region("cube", ops, [], outputs)) is not None:
                clusters.merge(product, c)


def _is_elementwise(c: Cluster, head: Value) -> bool:
    """Whether a cluster computes from a product's result element by element, and more than its type or place."""
    return (
        c.kind == "vector"
        and c.open
        and c.main == head.type.size
        and all(isinstance(op, _ALLOWED) for op in c.ops)
        and any(isinstance(op, (Unary, Binary, Select)) for op in c.ops)
    )

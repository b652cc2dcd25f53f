"""Gives the elementwise work that makes an operand of a matrix product to the product's own kernel.

    vector {convert int8 weights, scale}, cube {dot}   ->   cube {convert, scale, dot}

Only what makes the operand larger in bytes than what it reads is worth it (dequantised weights): it never reaches HBM.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..codegen.cube.prologue import read_prologue
from ..graph.graph import Op, Value
from ..graph.ops import Dot
from .cluster_graph import Cluster, ClusterGraph
from .region import Region


def attach_prologues(
    clusters: ClusterGraph, home: Mapping[Value, Cluster], results: list[Value], position: Mapping[Op, int]
) -> None:
    """Merge vector clusters into the clusters of the products whose operands they make.

    Args:
        clusters: all clusters, merged otherwise.
        home: the cluster that puts a value into memory.
        results: what the graph returns.
        position: the index of each op in the graph.
    """
    readers = clusters.readers()
    returned = set(results)
    for product in clusters.alive():
        if product.kind != "cube" or not any(isinstance(op, Dot) for op in product.ops):
            continue
        made = {r for op in product.ops for r in op.results}
        for v in dict.fromkeys(v for op in product.ops for v in op.operands if v not in made):
            c = home[v].root() if v in home else None
            if c is None or v in returned or not _widens(c, v) or {x.root() for x in readers[v]} != {product}:
                continue
            if not clusters.can_merge(product, c):
                continue
            ops = sorted({**product.ops, **c.ops}, key=position.__getitem__)
            outputs = [r for op in product.ops for r in op.results if r in home and home[r].root() is product]
            if read_prologue(Region("cube", ops, [], outputs)) is not None:
                clusters.merge(product, c)
                break


def _widens(c: Cluster, value: Value) -> bool:
    """Whether a cluster makes nothing but a value that has more bytes than all that it reads."""
    made = {r for op in c.ops for r in op.results}
    read = {v for op in c.ops for v in op.operands if v not in made}
    return c.kind == "vector" and c.open and sum(v.type.bytes for v in read) < value.type.bytes

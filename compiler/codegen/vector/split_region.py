"""Splits a vector region for which no single loop nest serves, into regions that are lowered one after the other.

    {reduce(x), x * 2, argmax(y)}   ->  {reduce(x), x * 2}  {argmax(y)}       by outputs
    softmax                         ->  {max}  {sub, exp, sum}  {div}         by reductions
    anything                        ->  an op at a time                       everywhere

A value that several parts need is computed by the first (`only` leaves it out of the others).
"""

from __future__ import annotations

from ...fusion.region import Region
from ...graph.builder import is_splat
from ...graph.graph import Op, Value
from ...graph.ops import Constant, Reduce


def make_region(ops: list[Op], outputs: list[Value], two_stages: bool) -> Region:
    """Return a vector region of ops, its inputs found."""
    made = {r for op in ops for r in op.results}
    inputs = dict.fromkeys(v for op in ops for v in op.operands if v not in made and not is_splat(v))
    return Region("vector", ops, list(inputs), outputs, two_stages)


def only(region: Region, outputs: list[Value], made: set[Value]) -> Region:
    """Return the region that computes these outputs from the inputs and what is made already, and nothing else."""
    producers = {r: op for op in region.ops for r in op.results if r not in made}
    wanted: set[Op] = set()
    stack = list(outputs)
    while stack:
        op = producers.get(stack.pop())
        if op is not None and op not in wanted:
            wanted.add(op)
            stack += op.operands
    return make_region([op for op in region.ops if op in wanted], outputs, region.two_stages)


def split_by_outputs(region: Region) -> list[Region]:
    """Return a region per output; each has all the ops."""
    return [make_region(region.ops, [v], region.two_stages) for v in region.outputs]


def split_by_reductions(region: Region) -> list[Region]:
    """Split where a reduction's result is used: each part ends in reductions at most."""
    level: dict[Value, int] = {}
    parts: dict[int, list[Op]] = {}
    for op in region.ops:
        at = max((level.get(v, 0) for v in op.operands), default=0)
        parts.setdefault(at, []).append(op)
        for r in op.results:
            level[r] = at + isinstance(op, Reduce)
    return _as_regions(region, [parts[k] for k in sorted(parts)])


def split_everywhere(region: Region) -> list[Region]:
    """Return a region per op."""
    return _as_regions(region, [[op] for op in region.ops if not is_free(op)])


def is_free(op: Op) -> bool:
    """Whether an op takes no work: every user of a splat constant has its element."""
    return isinstance(op, Constant) and op.splat is not None


def _as_regions(region: Region, parts: list[list[Op]]) -> list[Region]:
    """Make regions of consecutive groups of ops; constants go wherever they are used."""
    constants = {r: op for op in region.ops if is_free(op) for r in op.results}
    out: list[Region] = []
    outside = set(region.outputs)
    for i, ops in enumerate(parts):
        ops = [op for op in ops if op not in set(constants.values()) or op.results[0] in outside]
        extra = dict.fromkeys(constants[v] for op in ops for v in op.operands if v in constants)
        later = {v for other in parts[i + 1 :] for op in other for v in op.operands}
        outputs = [r for op in ops for r in op.results if r in outside or (r in later and r not in constants)]
        if ops and outputs:
            out.append(make_region([*(c for c in extra if c not in ops), *ops], outputs, region.two_stages))
    return out

"""Splits a vector region for which no single loop nest serves, into regions that are lowered one after the other.

    {reduce(x), x * 2, argmax(y)}   ->  {reduce(x), x * 2}  {argmax(y)}       by outputs
    softmax                         ->  {max}  {sub, exp, sum}  {div}         by reductions
    anything                        ->  an op at a time                       everywhere

What passes between the parts are values of their own, which the planner gives temporary storage.
"""

from __future__ import annotations

from ...ir.graph import Op, Value
from ...ir.ops import Constant, Reduce
from ...ir.schedule import Region


def make_region(ops: list[Op], outputs: list[Value]) -> Region:
    """Return a vector region of ops, its inputs found."""
    made = {r for op in ops for r in op.results}
    inputs = dict.fromkeys(v for op in ops for v in op.operands if v not in made and not is_splat(v))
    return Region("vector", ops, list(inputs), outputs)


def is_splat(value: Value) -> bool:
    """Whether a value is a constant whose elements are all equal."""
    return isinstance(value.producer, Constant) and value.producer.splat is not None


def with_own_values(region: Region) -> Region:
    """Return the region with new values between its ops: another region may compute some of them as well."""
    mapping: dict[Value, Value] = {}
    outputs = set(region.outputs)
    ops = []
    for op in region.ops:
        copy = op.clone([mapping.get(v, v) for v in op.operands])
        mapping.update((old, new) for old, new in zip(op.results, copy.results, strict=True) if old not in outputs)
        copy.results = [mapping.get(r, r) for r in op.results]
        ops.append(copy)
    return Region(region.kind, ops, region.inputs, region.outputs)


def split_by_outputs(region: Region) -> list[Region]:
    """Return a region per output, in order; each reads the outputs before it instead of computing them again."""
    producers = {r: op for op in region.ops for r in op.results}
    position = {op: i for i, op in enumerate(region.ops)}
    known: set[Value] = set()
    parts = []
    for output in sorted(region.outputs, key=lambda v: position[producers[v]]):
        wanted: set[Op] = set()
        stack = [output]
        while stack:
            value = stack.pop()
            op = producers.get(value)
            if op is not None and op not in wanted and value not in known:
                wanted.add(op)
                stack += op.operands
        parts.append(make_region([op for op in region.ops if op in wanted], [output]))
        known.add(output)
    return parts


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
    out = []
    outside = set(region.outputs)
    for i, ops in enumerate(parts):
        ops = [op for op in ops if op not in set(constants.values()) or op.results[0] in outside]
        extra = dict.fromkeys(constants[v] for op in ops for v in op.operands if v in constants)
        later = {v for other in parts[i + 1 :] for op in other for v in op.operands}
        outputs = [r for op in ops for r in op.results if r in outside or (r in later and r not in constants)]
        if ops and outputs:
            out.append(make_region([*(c for c in extra if c not in ops), *ops], outputs))
    return out

"""Replace calls by the ops of their callees.

    %1 = call(%0) @f          ->    %1 = unary(%0) kind=exp
    graph @f(%a) { exp }

The last call of a callee takes its ops as they are; the calls before it get copies.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..graph.clone import clone_into
from ..graph.graph import Graph, Op, Value
from ..graph.location import Location
from ..graph.module import Module
from ..graph.ops import Call


def inline_calls(module: Module, target: object) -> None:
    """Inline every call of the module, in place."""
    _inline(module.main, _call_sites(module.main), {}, set())


def _call_sites(main: Graph) -> dict[int, int]:
    """Count the call sites of each callee, those in a callee once."""
    sites: dict[int, int] = {}
    graphs = [main]
    while graphs:
        for op in graphs.pop().ops:
            if not isinstance(op, Call):
                graphs += op.regions()
                continue
            if id(op.callee) not in sites:
                graphs.append(op.callee)
            sites[id(op.callee)] = sites.get(id(op.callee), 0) + 1
    return sites


def _inline(graph: Graph, sites: dict[int, int], mapping: dict[Value, Value], flat_callees: set[int]) -> None:
    """Inline the calls of a graph; `sites` are those still to come, `mapping` what stands for a value now."""
    get = mapping.get
    flat: list[Op] = []
    around: list[tuple[Iterator[Op], Call | None]] = [(iter(graph.ops), None)]  # ops, and the call they stand for
    while around:
        ops, call = around[-1]
        for op in ops:
            op.operands = [get(v, v) for v in op.operands]
            if not isinstance(op, Call):
                for region in op.regions():
                    _inline(region, sites, mapping, flat_callees)
                flat.append(op)
                continue
            callee = op.callee
            sites[id(callee)] -= 1
            if sites[id(callee)] == 0:
                mapping.update(zip(callee.arguments, op.operands, strict=True))
                _relocate(callee.ops, op.loc, {})
                around.append((iter(callee.ops), op))
                break
            if id(callee) not in flat_callees:
                flat_callees.add(id(callee))
                _inline(callee, sites, mapping, flat_callees)
            first = len(flat)
            mapping.update(zip(op.results, clone_into(flat, callee, op.operands), strict=True))
            _relocate(flat[first:], op.loc, {})
        else:
            around.pop()
            if call is not None:
                mapping.update(zip(call.results, [get(v, v) for v in call.callee.results], strict=True))
    graph.ops = flat
    graph.results = [get(v, v) for v in graph.results]


def _relocate(ops: list[Op], call: Location, known: dict[Location, Location]) -> None:
    """Let the ops of a callee, and of the regions in them, say where the call is; callees wait for their own calls."""
    for op in ops:
        place = known.get(op.loc)
        if place is None:
            place = known[op.loc] = op.loc.inside(call)
        op.loc = place
        if not isinstance(op, Call):
            for region in op.regions():
                _relocate(region.ops, call, known)

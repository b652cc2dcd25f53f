"""Importers of control flow, calls, composites and shardings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlib.mlir import ir

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import Graph, Value
from ..graph.sharding import replicated
from ..isa.dtypes import DType
from .constants import python_value
from .scope import Importer, Scope, flattened, grouped
from .shape import pass_through
from .shardings import Shardings


def while_(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a loop."""
    operands, types = scope.operands(op), scope.result_types(op)
    loc = scope.loc
    cond = scope.region(op.regions[0], "cond")
    body = scope.region(op.regions[1], "body")
    scope.loc = loc
    return scope.emit_op(ops.While(operands, cond, body), types)


def case(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a choice by index."""
    (index,) = scope.operands(op)
    branches = [scope.region(region, f"branch{i}") for i, region in enumerate(op.regions)]
    return _choose(scope, op, index, branches)


def if_(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a choice by predicate as a case: 0 is false."""
    (pred,) = scope.operands(op)
    yes, no = (scope.region(region, name) for region, name in zip(op.regions, ("if_true", "if_false")))
    return _choose(scope, op, scope.convert(pred, DType.i32), [no, yes])


def _choose(scope: Scope, op: ir.OpView, index: Value, branches: list[Graph]) -> Sequence[Value]:
    types = scope.result_types(op)
    scope.loc = scope.module.location(op)
    return scope.emit_op(ops.Case([index], branches), types)


def call(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a call; the callee is imported once."""
    return _call(scope, op, scope.attribute(op, "callee").value)


def _call(scope: Scope, op: ir.OpView, symbol: str) -> Sequence[Value]:
    callee = scope.module.callee(symbol)
    results = scope.emit_op(ops.Call(flattened(scope.operands(op)), callee), [r.type for r in callee.results])
    return grouped([r.type for r in op.results], iter(results))


def tuple_(scope: Scope, op: ir.OpView) -> Sequence[Any]:
    """Import a tuple: its elements, which stay Values of their own."""
    return [tuple(scope.operands(op))]


def get_tuple_element(scope: Scope, op: ir.OpView) -> Sequence[Any]:
    """Import the choice of a tuple's element."""
    (elements,) = scope.operands(op)
    return [elements[scope.integer(op, "index")]]  # type: ignore[index]


def async_start(scope: Scope, op: ir.OpView) -> Sequence[Any]:
    """Import work that may overlap other work by doing it here."""
    block = op.regions[0].blocks[0]
    for argument, value in zip(block.arguments, scope.operands(op)):
        scope.values[argument] = value
    return [tuple(scope.inline(block))]


def async_done(scope: Scope, op: ir.OpView) -> Sequence[Any]:
    """Import the end of such work: its results."""
    return list(*scope.operands(op))  # type: ignore[call-overload]


def composite(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a composite: directly if the Graph has its op, else as a call of its decomposition."""
    name = scope.attribute(op, "name").value
    if name in COMPOSITES and scope.module.type(op.operands[0].type).dtype.kind != "c":
        return COMPOSITES[name](scope, op)
    return _call(scope, op, scope.attribute(op, "decomposition").value)


def _unary_composite(name: str) -> Importer:
    return lambda scope, op: [scope.unary(name, *scope.operands(op))]


def _top_k(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    attributes: Any = python_value(op.attributes["composite_attributes"])
    top = ops.TopK(scope.operands(op), attributes["k"], bool(attributes.get("largest", True)))
    return scope.emit_op(top, scope.result_types(op))


COMPOSITES: dict[str, Importer] = {
    "chlo.erf": _unary_composite("erf"),
    "chlo.tan": _unary_composite("tan"),
    "chlo.top_k": _top_k,
}
"""Composites that are one op of the Graph, of operands that are not complex."""


def optimization_barrier(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a barrier."""
    return scope.emit_op(ops.OptimizationBarrier(scope.operands(op)), scope.result_types(op))


def manual_computation(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a manual computation; over one device, where local shapes are global shapes, its body."""
    if scope.module.shardings is not None:
        return _manual_over_devices(scope, op, scope.module.shardings)
    operands, block = scope.operands(op), op.regions[0].blocks[0]
    for argument, value in zip(block.arguments, operands):
        if scope.module.type(argument.type) != value.type:
            raise UnsupportedOp("manual computation over several devices")
        scope.values[argument] = value
    return scope.inline(block)


def _manual_over_devices(scope: Scope, op: ir.OpView, shardings: Shardings) -> Sequence[Value]:
    body = scope.region(op.regions[0], "manual")
    operands, types = scope.operands(op), scope.result_types(op)
    ins, outs = (
        [
            s if s and len(s.dims) == rank else replicated(shardings.mesh, rank)  # a token
            for s, rank in zip(shardings.read_all(op.attributes[name], exact=True), ranks)
        ]
        for name, ranks in (
            ("in_shardings", [v.type.rank for v in operands]),
            ("out_shardings", [t.rank for t in types]),
        )
    )
    if any(s.mesh != shardings.mesh for s in (*ins, *outs)):
        raise UnsupportedOp("over a mesh with the devices in another order than the program's first. Use one mesh")
    scope.loc = scope.module.location(op)
    computation = ops.ManualComputation(operands, body, shardings.manual_axes(op), tuple(ins), tuple(outs))
    return scope.emit_op(computation, types)


def reshard(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import an op that says how a value is to lie; over one device its operand."""
    (x,) = scope.operands(op)
    if scope.module.shardings is None:
        return [x]
    name = "sharding" if "sharding" in op.attributes else "out_sharding"
    to = scope.module.shardings.read(op.attributes[name])
    if to is None or (x.type.rank == 0 and not to.partial):  # nothing to cut; reducers have such, too
        return [x]
    return [scope.emit(ops.Reshard([x], to), x.type)]


def named_computation(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a computation that has a name only."""
    block = op.regions[0].blocks[0]
    for argument, value in zip(block.arguments, scope.operands(op)):
        scope.values[argument] = value
    return scope.inline(block)


_RESHARDS = (
    *("all_gather", "all_reduce", "all_slice", "all_to_all", "collective_permute", "reduce_scatter"),
    *("replicated_to_unreduced", "reshard", "sharded_to_unreduced", "sharding_constraint"),
)

_TRANSFER = "data from or to the host while the program runs; pass it as an argument or a result"
REFUSED = {
    **{f"stablehlo.{name}": _TRANSFER for name in ("infeed", "outfeed", "recv", "send")},
    "stablehlo.collective_reduce": "a collective that JAX does not make; use all_reduce",
}
"""Ops that are refused whatever their operands, with the reason."""

IMPORTERS: dict[str, Importer] = {
    **{f"sdy.{name}": reshard for name in _RESHARDS},
    "func.call": call,
    "stablehlo.async_done": async_done,
    "stablehlo.async_start": async_start,
    "stablehlo.get_tuple_element": get_tuple_element,
    "stablehlo.tuple": tuple_,
    "sdy.manual_computation": manual_computation,
    "sdy.named_computation": named_computation,
    "sdy.propagation_barrier": pass_through,
    "sdy.sharding_group": lambda scope, op: [],
    "stablehlo.case": case,
    "stablehlo.composite": composite,
    "stablehlo.if": if_,
    "stablehlo.optimization_barrier": optimization_barrier,
    "stablehlo.while": while_,
}

"""Write a Graph module as StableHLO in its generic form, which jaxlib reads again.

Ops that StableHLO does not have are custom calls of their names: what JAX shows is for people, and for tools that count
collectives. Programs are compiled from the Graph, not from this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import ops
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.identities import identity_element
from ..graph.module import Module
from ..isa.dtypes import DType
from .attributes import ATTRIBUTES, literal, tensor
from .names import BINARY, UNARY

_SAME_NAME = (
    *(ops.AllGather, ops.AllReduce, ops.AllToAll, ops.BitcastConvert, ops.BroadcastInDim, ops.Case),
    *(ops.CollectiveBroadcast, ops.CollectivePermute, ops.Compare, ops.Concatenate, ops.Constant, ops.Convert),
    *(
        ops.Convolution,
        ops.DynamicSlice,
        ops.DynamicUpdateSlice,
        ops.Gather,
        ops.Iota,
        ops.OptimizationBarrier,
        ops.Pad,
    ),
    *(
        ops.PartitionId,
        ops.Reduce,
        ops.ReducePrecision,
        ops.ReduceScatter,
        ops.ReduceWindow,
        ops.ReplicaId,
        ops.Reshape,
    ),
    *(ops.Reverse, ops.RngBitGenerator, ops.Scatter, ops.Select, ops.SelectAndScatter, ops.Slice, ops.Sort),
    *(ops.Transpose, ops.While),
)
_OTHER_NAME: dict[type[Op], str] = {ops.Dot: "dot_general", ops.GeneralReduce: "reduce", ops.GeneralSort: "sort"}


def export_module(module: Module) -> str:
    """Return the text of a module whose calls are inlined."""
    writer = _Writer()
    graph = module.main
    aliases = {p: r for r, p in enumerate(module.aliases) if p is not None}
    arguments: list[str] = []
    for number, value in enumerate(graph.arguments):
        attribute = ""
        if number in aliases:
            attribute = f" {{tf.aliasing_output = {aliases[number]} : i32}}"
        elif number in module.donated:
            attribute = " {jax.buffer_donor = true}"
        arguments.append(f"{writer.define(value)}: {tensor(value.type)}{attribute}")
    results = ", ".join(tensor(v.type) for v in graph.results)
    writer.lines += [
        f"module @{_symbol(module.name)} attributes {{mhlo.num_partitions = {module.num_partitions} : i32, "
        f"mhlo.num_replicas = {module.num_replicas} : i32}} {{",
        f"func.func public @main({', '.join(arguments)}) -> ({results}) {{",
    ]
    writer.ops(graph.ops)
    writer.end(graph.results, "func.return")
    writer.lines += ["}", "}"]
    return "\n".join(writer.lines)


def _symbol(name: str) -> str:
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\{b:02X}" for b in name.encode())
    return f'"{"".join(plain)}"'


class _Writer:
    """Lines so far, and the names of values."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[Value, str] = {}
        self.count = 0

    def new(self) -> str:
        """Return a name that no value has."""
        self.count += 1
        return f"%v{self.count}"

    def define(self, value: Value) -> str:
        """Name a value."""
        name = self.names[value] = self.new()
        return name

    def ops(self, listed: Sequence[Op]) -> None:
        """Write ops."""
        for op in listed:
            self._op(op)

    def end(self, values: Sequence[Value], name: str = "stablehlo.return") -> None:
        """Write what ends a region."""
        self._line("", name, [self.names[v] for v in values], [v.type for v in values], [])

    def _line(
        self,
        results: str,
        name: str,
        operands: Sequence[str],
        types: Sequence[TensorType],
        made: Sequence[TensorType],
        attributes: dict[str, str] | None = None,
        loc: str = "",
    ) -> None:
        held = ", ".join(k if v == "unit" else f"{k} = {v}" for k, v in (attributes or {}).items())
        braces = f" {{{held}}}" if held else ""
        signature = f"({', '.join(map(tensor, types))}) -> ({', '.join(map(tensor, made))})"
        self.lines.append(f'{results}"{name}"({", ".join(operands)}){braces} : {signature}{loc}')

    def _op(self, op: Op) -> None:
        name, attributes = _name_of(op), ATTRIBUTES.get(type(op), _nothing)(op)
        if name is None:
            name, attributes = "stablehlo.custom_call", {"call_target_name": f'"{_target(op)}"'}
        operands = [self.names[v] for v in op.operands]
        types = [v.type for v in op.operands]
        if isinstance(op, (ops.Reduce, ops.ReduceWindow)) and len(op.operands) == 1:
            operands.append(self._constant(identity_element(op.kind, op.operands[0].dtype), op.operands[0].dtype))
            types.append(TensorType((), op.operands[0].dtype))
        results = [self.define(r) for r in op.results]
        head = f"{', '.join(results)} = " if results else ""
        loc = f" loc({_symbol(op.loc.name)})" if op.loc.name else ""
        regions = self._regions(op) if name != "stablehlo.custom_call" else []
        if not regions:
            self._line(head, name, operands, types, [r.type for r in op.results], attributes, loc)
            return
        held = ", ".join(k if v == "unit" else f"{k} = {v}" for k, v in attributes.items())
        self.lines.append(f'{head}"{name}"({", ".join(operands)}) ({{')
        for number, (arguments, body) in enumerate(regions):
            if number:
                self.lines.append("}, {")
            named = ", ".join(f"{self.define(a)}: {tensor(a.type)}" for a in arguments)
            if named:
                self.lines.append(f"^bb0({named}):")
            self.ops(body.ops)
            self.end(body.results)
        made = ", ".join(tensor(r.type) for r in op.results)
        braces = f" {{{held}}}" if held else ""
        self.lines.append(f"}}){braces} : ({', '.join(map(tensor, types))}) -> ({made}){loc}")

    def _constant(self, element: object, dtype: DType) -> str:
        type = TensorType((), dtype)
        op = ops.Constant([], np.asarray(element, dtype.numpy)).with_results([type])
        assert isinstance(op, ops.Constant)
        name = self.new()
        self._line(f"{name} = ", "stablehlo.constant", [], [], [type], {"value": literal(op)})
        return name

    def _regions(self, op: Op) -> list[tuple[list[Value], Graph]]:
        """Return the regions of an op with their arguments."""
        if isinstance(op, ops.Sort):
            return [_comparator(op)]
        kind = getattr(op, "kind", None)
        reducing = (ops.AllReduce, ops.Reduce, ops.ReduceScatter, ops.ReduceWindow, ops.Scatter, ops.SelectAndScatter)
        if isinstance(op, reducing):
            held = [(g.arguments, g) for g in op.regions()]
            if kind != "general":
                held.append(_binary_body(str(kind), op.operands[0].dtype))
            return held
        return [(g.arguments, g) for g in op.regions()]


def _nothing(op: Op) -> dict[str, str]:
    return {}


def _name_of(op: Op) -> str | None:
    """Return StableHLO's name of an op, None if it has none."""
    if isinstance(op, ops.Unary):
        return f"stablehlo.{UNARY[op.kind]}" if op.kind in UNARY else None
    if isinstance(op, ops.Binary):
        return f"stablehlo.{BINARY[op.kind]}"
    if isinstance(op, (ops.AllGather, ops.AllReduce, ops.AllToAll, ops.ReduceScatter, ops.CollectivePermute)):
        several = isinstance(op, (ops.ReduceScatter, ops.CollectivePermute)) and len(op.operands) > 1
        return None if several else f"stablehlo.{op.name}"
    if type(op) in _SAME_NAME:
        return f"stablehlo.{op.name}"
    other = _OTHER_NAME.get(type(op))
    return f"stablehlo.{other}" if other else None


def _target(op: Op) -> str:
    """Return what to call an op that StableHLO does not have."""
    if isinstance(op, ops.Unary):
        return f"mhlo.{op.kind}" if op.kind == "erf" else f"ascend.{op.kind}"
    if isinstance(op, ops.AicpuKernel):
        return f"ascend.{op.kernel}"
    return f"ascend.{op.name}"


def _binary_body(kind: str, dtype: DType) -> tuple[list[Value], Graph]:
    graph = Graph("body")
    type = TensorType((), dtype)
    a, b = graph.argument(type), graph.argument(type)
    graph.results = [b if kind == "assign" else graph.add(ops.Binary([a, b], kind), type)]
    return graph.arguments, graph


def _comparator(op: ops.Sort) -> tuple[list[Value], Graph]:
    """Return the comparison by the keys, most significant first."""
    graph, flag = Graph("comparator"), TensorType((), DType.i1)
    pairs = [(graph.argument(TensorType((), v.dtype)), graph.argument(TensorType((), v.dtype))) for v in op.operands]
    before: Value | None = None
    for number, descending in reversed(op.keys):
        a, b = pairs[number]
        less = graph.add(ops.Compare([a, b], "GT" if descending else "LT"), flag)
        if before is not None:
            equal = graph.add(ops.Compare([a, b], "EQ"), flag)
            both = graph.add(ops.Binary([equal, before], "and"), flag)
            less = graph.add(ops.Binary([less, both], "or"), flag)
        before = less
    assert before is not None, "[export] a sort without keys"
    graph.results = [before]
    return graph.arguments, graph

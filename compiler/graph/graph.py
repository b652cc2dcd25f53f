"""The Graph: one function of a program as single-assignment tensor operations.

One op is one dataclass (the classes are in `ops/`); its non-operand fields are its attributes. A Graph is
both a function body and a region (the body of a while, a branch, a reduction's combiner).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import ClassVar, cast

import numpy as np

from ..isa.dtypes import DType
from .location import UNKNOWN, Location
from .sharding import Sharding


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides, in elements, of a dense tensor."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class TensorType:
    """A dense row-major tensor: static shape and element type."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Storage bytes."""
        return self.size * self.dtype.bytes

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(eq=False, slots=True, repr=False)
class Value:
    """What an op produces or a graph takes as argument. Compared by identity."""

    type: TensorType
    producer: Op | None = None
    index: int = 0  # which result of the producer, or which argument
    sharding: Sharding | None = None  # how it is to lie on several devices, until the pass partition

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.type.shape

    @property
    def dtype(self) -> DType:
        """Element type of the tensor."""
        return self.type.dtype

    def __repr__(self) -> str:  # a full one would print all the program that leads here
        return f"<{self.type} of {self.producer.name if self.producer else 'argument'}>"


class GraphError(Exception):
    """A Graph that breaks a rule of its op; the message names the op and the rule."""


@dataclass(eq=False, repr=False)
class Op:
    """Base of all operations.

    Subclasses are dataclasses whose fields after these are the op's attributes; `verify` states its rules.
    """

    name: ClassVar[str] = "op"

    operands: list[Value]
    results: list[Value] = field(init=False, default_factory=lambda: [])
    loc: Location = field(init=False, default=UNKNOWN)  # the JAX line it comes from

    def __init_subclass__(cls) -> None:
        cls.__repr__ = Op.__repr__  # before @dataclass makes one that prints the whole program

    def __repr__(self) -> str:
        return f"<{self.name} {self.operands} -> {self.results}>"

    def with_results(self, types: Iterable[TensorType], loc: Location = UNKNOWN) -> Op:
        """Create this op's result values; returns the op itself."""
        self.results = [Value(t, self, i) for i, t in enumerate(types)]
        self.loc = loc
        return self

    @property
    def result(self) -> Value:
        """The only result."""
        assert len(self.results) == 1, f"{self.name} has {len(self.results)} results"
        return self.results[0]

    def attributes(self) -> dict[str, object]:
        """Return the op's attributes by name, in declaration order."""
        return {name: getattr(self, name) for name in attribute_names(type(self))}

    def regions(self) -> Iterator[Graph]:
        """Yield the graphs this op holds."""
        for name in region_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, Graph):
                yield value
            elif value:
                yield from value

    @property
    def has_effect(self) -> bool:
        """Whether it does more than to give results, apart from what ops in its regions do."""
        return False

    def clone(self, operands: Sequence[Value]) -> Op:
        """Copy this op onto other operands: same attributes (regions shared) and result types, new results."""
        other: Op = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.operands = list(operands)
        return other.with_results([r.type for r in self.results], self.loc)

    def verify(self) -> None:
        """Raise GraphError if the op breaks one of its rules."""

    def require(self, condition: bool, rule: str) -> None:
        """Raise GraphError naming this op and its source line unless `condition`."""
        if not condition:
            types = ", ".join(str(v.type) for v in self.operands)
            outs = ", ".join(str(v.type) for v in self.results)
            raise GraphError(f"[{self.name} ({types}) -> ({outs}) at {self.loc or 'unknown'}] {rule}")


@cache
def attribute_names(kind: type[Op]) -> tuple[str, ...]:
    """Return the names of an op class's attributes, in declaration order."""
    skip = {"operands", "results", "loc"}
    return tuple(f.name for f in dataclasses.fields(kind) if f.name not in skip)


@cache
def region_names(kind: type[Op]) -> tuple[str, ...]:
    """Return the names of the attributes of an op class that hold graphs."""
    return tuple(f.name for f in dataclasses.fields(kind) if "Graph" in str(f.type))


@dataclass(eq=False, repr=False)
class Graph:
    """Arguments, ops in execution order, results. Regions may use values of the graphs around them."""

    name: str
    arguments: list[Value] = field(default_factory=lambda: [])
    ops: list[Op] = field(default_factory=lambda: [])
    results: list[Value] = field(default_factory=lambda: [])

    def argument(self, type: TensorType) -> Value:
        """Append an argument of this type and return it."""
        value = Value(type, None, len(self.arguments))
        self.arguments.append(value)
        return value

    def add(self, op: Op, *types: TensorType, loc: Location = UNKNOWN) -> Value:
        """Append `op` with results of `types`; return the first result."""
        self.ops.append(op.with_results(types, loc))
        return op.results[0]

    def walk(self) -> Iterator[Op]:
        """Yield every op, those of regions after the op that holds them."""
        stack = [iter(self.ops)]
        while stack:
            for op in stack[-1]:
                yield op
                inside = [iter(region.ops) for region in op.regions()]
                if inside:
                    stack += reversed(inside)
                    break
            else:
                stack.pop()

    def users(self, captured: dict[Op, list[Value]]) -> dict[Value, list[Op]]:
        """Map every value used in this graph (its regions included, as uses by the holding op) to its users."""
        uses: dict[Value, list[Op]] = {}
        for op in self.ops:
            for value in dict.fromkeys([*op.operands, *captured.get(op, ())]):
                uses.setdefault(value, []).append(op)
        return uses

    def replace_uses(self, mapping: dict[Value, Value]) -> None:
        """Replace uses of the keys by the values, chains followed and cut short in `mapping`, regions included."""

        def resolve(value: Value) -> Value:
            return follow(mapping, value)

        for op in self.walk():
            op.operands = [resolve(v) for v in op.operands]
            for region in op.regions():
                region.results = [resolve(v) for v in region.results]
        self.results = [resolve(v) for v in self.results]

    def verify(self) -> None:
        """Check single assignment, use after definition, and every op's own rules; raises GraphError."""
        _verify(self, {})

    def __str__(self) -> str:
        return print_graph(self)


def follow(mapping: dict[Value, Value], value: Value) -> Value:
    """Return where the chain from `value` ends, and let all of the chain lead there at once."""
    end = value
    while end in mapping:
        end = mapping[end]
    while value is not end:
        mapping[value], value = end, mapping[value]
    return end


def captured_values(graph: Graph) -> dict[Op, list[Value]]:
    """Map every op that holds regions, at any depth, to the outer values these use, each once, in order of first use."""
    captured: dict[Op, list[Value]] = {}
    _free(graph, captured)
    return captured


def ops_with_effects(graph: Graph) -> set[Op]:
    """Return the ops, at any depth, that do more than to give results, and those that hold such ops."""
    found: set[Op] = set()
    _add_effects(graph, found)
    return found


def _add_effects(graph: Graph, found: set[Op]) -> bool:
    some = False
    for op in graph.ops:
        inside = [_add_effects(region, found) for region in op.regions()]
        if op.has_effect or any(inside):
            found.add(op)
            some = True
    return some


def _free(graph: Graph, captured: dict[Op, list[Value]]) -> dict[Value, None]:
    local, free = set(graph.arguments), dict[Value, None]()

    def use(values: Iterable[Value]) -> None:
        free.update((v, None) for v in values if v not in local)

    for op in graph.ops:
        use(op.operands)
        inside = [_free(region, captured) for region in op.regions()]
        if inside:
            captured[op] = list(dict.fromkeys(v for values in inside for v in values))
            use(captured[op])
        local.update(op.results)
    use(graph.results)
    return free


def _verify(graph: Graph, visible: dict[Value, None]) -> None:
    around = len(visible)
    visible.update(dict.fromkeys(graph.arguments))
    for op in graph.ops:
        for value in op.operands:
            op.require(value in visible, "uses a value before it is defined")
        for region in op.regions():
            _verify(region, visible)
        op.verify()
        for result in op.results:
            op.require(result not in visible and result.producer is op, "defines a value twice")
            visible[result] = None
    for value in graph.results:
        if value not in visible:
            raise GraphError(f"[graph {graph.name}] returns a value ({value.type}) that is not defined")
    while len(visible) > around:  # what comes after does not see what this graph defines
        visible.popitem()


def print_graph(graph: Graph, indent: str = "", names: dict[Value, str] | None = None) -> str:
    """Return the text form: one op a line, values numbered in order of definition."""
    names = {} if names is None else names

    def define(value: Value, prefix: str) -> str:
        names[value] = f"%{prefix}{len(names)}"
        return f"{names[value]}: {value.type}{value.sharding or ''}"

    use: Callable[[Value], str] = lambda v: names.get(v, "%?")  # noqa: E731
    arguments = ", ".join(define(v, "arg") for v in graph.arguments)
    lines = [f"{indent}graph @{graph.name}({arguments}) {{"]
    for op in graph.ops:
        attributes = " ".join(
            f"{k}={_show(v)}" for k, v in op.attributes().items() if not _holds_graph(v) and v is not None
        )
        operands = ", ".join(map(use, op.operands))
        outs = ", ".join(define(r, "") for r in op.results)
        where = f"  // {op.loc}" if op.loc else ""
        lines.append(f"{indent}  {outs} = {op.name}({operands}) {attributes}".rstrip() + where)
        for region in op.regions():
            lines.append(print_graph(region, indent + "    ", names))
    lines.append(f"{indent}  return {', '.join(map(use, graph.results))}")
    lines.append(f"{indent}}}")
    return "\n".join(lines)


def _holds_graph(value: object) -> bool:
    return isinstance(value, Graph) or (
        isinstance(value, (list, tuple)) and any(isinstance(v, Graph) for v in cast("Sequence[object]", value))
    )


def _show(value: object) -> str:
    if isinstance(value, np.ndarray):
        if value.size > 1 and not any(value.strides):
            return f"splat({value.reshape(-1)[:1][0]})"
        array = cast("np.ndarray", value)
        return np.array2string(array, threshold=8, separator=",").replace("\n", "") if array.size <= 8 else "<...>"
    return str(value).replace(" ", "")

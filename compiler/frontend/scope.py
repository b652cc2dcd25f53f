"""The state of an import: which Graph is being built, which MLIR values it already holds.

An importer is a function `(scope, op) -> results`. It reads operands with `scope.operands(op)`, attributes with
`scope.integers(op, name)` and the like, and appends ops with `scope.emit`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from jaxlib.mlir import ir

from ..errors import Refusal, UnsupportedOp
from ..graph.builder import Builder
from ..graph.graph import Graph, TensorType, Value
from ..graph.location import MOST_FRAMES, Location
from ..graph.sharding import Sharding
from ..isa.dtypes import DType
from .constants import integers
from .shardings import Shardings

if TYPE_CHECKING:
    from .user_functions import UserFunctions

Importer = Callable[["Scope", "ir.OpView"], "Sequence[Any]"]
Nested: TypeAlias = "Value | tuple[Nested, ...]"

_FILE = re.compile(r'"((?:[^"\\]|\\.)*)":(\d+)')
_NAME = re.compile(r'loc\("((?:[^"\\]|\\.)*)"\(')


class ModuleState:
    """What all scopes of one module share: caches, functions, unsupported ops found so far."""

    def __init__(
        self,
        importers: dict[str, Importer],
        refused: dict[str, str],
        num_partitions: int,
        num_replicas: int,
        handlers: Mapping[str, str],
    ) -> None:
        self.importers = importers
        self.refused = refused
        self.num_partitions = num_partitions
        self.num_replicas = num_replicas
        self.handlers = handlers
        self.types: dict[ir.Type, TensorType] = {}
        self.locations: dict[ir.Attribute, Location] = {}
        self.lists: dict[ir.Attribute, tuple[int, ...]] = {}
        self.keywords: dict[ir.Attribute, str] = {}
        self.functions: dict[str, ir.OpView] = {}
        self.meshes: dict[str, ir.Attribute] = {}
        self.shardings: Shardings | None = None  # of a module over several partitions
        self.callees: dict[str, Graph] = {}
        self.unsupported: list[Refusal] = []
        self.inspected: list[tuple[int, Sharding | None]] = []
        self.functions_of_the_user: UserFunctions | None = None

    def read(self, module: ir.Module) -> None:
        """Take the functions and meshes of an MLIR module."""
        for op in module.body.operations:
            attributes: Any = op.operation.attributes
            if op.operation.name == "func.func":
                self.functions[attributes["sym_name"].value] = op
            elif op.operation.name == "sdy.mesh":
                self.meshes[attributes["sym_name"].value] = attributes["mesh"]
            else:
                self.unsupported.append((op.operation.name, self.location(op), "at module level"))

    def type(self, mlir_type: ir.Type) -> TensorType:
        """Return the tensor type; a token is i1[0], as JAX passes it. Raises UnsupportedOp for dynamic shapes and tuples."""
        known = self.types.get(mlir_type)
        if known is None:
            known = self.types[mlir_type] = _tensor_type(mlir_type)
        return known

    def location(self, op: ir.OpView) -> Location:
        """Return where an op comes from, as far as the module says."""
        where = op.location
        key = where.attr
        known = self.locations.get(key)
        if known is None:
            text = str(where)
            name = _NAME.match(text)
            frames = tuple((_unescaped(file), int(line)) for file, line in _FILE.findall(text)[:MOST_FRAMES])
            known = self.locations[key] = Location(frames, _unescaped(name.group(1)) if name else "")
        return known

    def callee(self, symbol: str) -> Graph:
        """Return the Graph of a function of the module, imported once."""
        if symbol not in self.callees:
            function = self.functions[symbol]
            scope = Scope(self, Graph(symbol), {})
            scope.fill(function.regions[0].blocks[0])
            self.callees[symbol] = scope.graph
        return self.callees[symbol]


class Scope(Builder):
    """One Graph under construction."""

    def __init__(self, module: ModuleState, graph: Graph, values: dict[ir.Value, Any]) -> None:
        super().__init__(graph.ops)
        self.module = module
        self.graph = graph
        self.values = values  # to a Value each, to a (nested) tuple of them where the MLIR value is a tuple or a future

    def operands(self, op: ir.OpView | ir.Operation) -> list[Value]:
        """Return the op's operands."""
        values = self.values
        return [values[v] for v in op.operands]

    def result_types(self, op: ir.OpView) -> list[TensorType]:
        """Return the types of the op's results."""
        return [self.module.type(r.type) for r in op.results]

    def result_type(self, op: ir.OpView) -> TensorType:
        """Return the type of the op's first result."""
        return self.module.type(op.results[0].type)

    def integers(self, op: ir.OpView, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """Return an integer list attribute, flattened; `default` if the op does not have it."""
        attributes: Any = op.attributes
        if name not in attributes:
            return tuple(default)
        attribute = attributes[name]
        known = self.module.lists.get(attribute)
        if known is None:
            known = self.module.lists[attribute] = integers(attribute)
        return known

    def integer(self, op: ir.OpView, name: str, default: int = 0) -> int:
        """Return an integer or bool attribute."""
        attributes: Any = op.attributes
        return int(attributes[name].value) if name in attributes else default

    def attribute(self, op: ir.OpView, name: str) -> Any:
        """Return an attribute that must be there, as jaxlib's class for it."""
        return op.attributes[name]

    def keyword(self, op: ir.OpView, name: str, default: str = "") -> str:
        """Return an enumeration attribute, `#stablehlo<comparison_direction LT>` as `LT`."""
        attributes = op.attributes
        if name not in attributes:
            return default
        attribute = attributes[name]
        known = self.module.keywords.get(attribute)
        if known is None:
            known = self.module.keywords[attribute] = str(attribute).rstrip(">").split()[-1]
        return known

    def region(self, region: ir.Region, name: str) -> Graph:
        """Import a region as a Graph; it may use values of this scope."""
        inner = Scope(self.module, Graph(name), self.values)
        inner.fill(region.blocks[0])
        return inner.graph

    def fill(self, block: ir.Block) -> None:
        """Import a block's arguments, ops and returned values into this scope's Graph."""
        for argument in block.arguments:
            self.values[argument] = self._argument(argument.type)
        self.graph.results = self.inline(block)

    def _argument(self, mlir_type: ir.Type) -> Any:
        if isinstance(mlir_type, ir.TupleType):
            return tuple(self._argument(mlir_type.get_type(i)) for i in range(mlir_type.num_types))
        try:
            return self.graph.argument(self.module.type(mlir_type))
        except UnsupportedOp as reason:
            self.module.unsupported.append((f"an argument of @{self.graph.name}", self.loc, str(reason)))
            return self.graph.argument(TensorType((), DType.i1))

    def inline(self, block: ir.Block) -> list[Value]:
        """Import the ops of a block whose arguments are bound already; return what it returns."""
        module, values, importers = self.module, self.values, self.module.importers
        for view in block.operations:
            op = view.operation
            name = op.name
            if name in _TERMINATORS:
                return flattened(self.operands(view))
            self.loc = module.location(view)
            try:
                importer = importers.get(name)
                if importer is None:
                    raise UnsupportedOp(module.refused.get(name, ""))
                results = importer(self, view)
            except UnsupportedOp as reason:
                module.unsupported.append((_display_name(view), self.loc, str(reason)))
                results = [self.stand_in(r.type) for r in view.results]
            except Exception:
                if not module.unsupported:
                    raise
                # What stands in for the result of a refused op has another shape than the op would have given.
                results = [self.stand_in(r.type) for r in view.results]
            for outer, inner in zip(view.results, results):
                values[outer] = inner
            if module.shardings is not None and "sdy.sharding" in op.attributes:
                attributes: Any = op.attributes
                self._wish(results, module.shardings.read_all(attributes["sdy.sharding"]))
        return []

    def _wish(self, values: Sequence[Any], shardings: Sequence[Sharding | None]) -> None:
        for value, sharding in zip(values, shardings):
            if isinstance(value, Value) and value.sharding is None and value.producer is not None:
                value.sharding = sharding

    def stand_in(self, mlir_type: ir.Type) -> Value:
        """Return a value of this type so that the import can go on after an unsupported op."""
        try:
            type = self.module.type(mlir_type)
        except UnsupportedOp:
            type = TensorType((), DType.i1)
        return self.constant(0, type)


def flattened(values: Sequence[Nested]) -> list[Value]:
    """Return the Values of nested tuples in order."""
    return [leaf for v in values for leaf in (flattened(v) if isinstance(v, tuple) else (v,))]


def grouped(types: Sequence[ir.Type], leaves: Iterator[Value]) -> list[Any]:
    """Return the inverse of `flattened`: one Value or nested tuple for each MLIR type."""
    return [
        tuple(grouped([t.get_type(i) for i in range(t.num_types)], leaves))
        if isinstance(t, ir.TupleType)
        else next(leaves)
        for t in types
    ]


def _unescaped(text: str) -> str:
    r"""Return what MLIR prints as `gr\C3\B6\C3\9Fe.py`; as it is printed if it does not fit on a line."""
    if "\\" not in text:
        return text
    data = re.sub(rb"\\(?:([0-9A-Fa-f]{2})|(.))", lambda m: bytes([int(m[1], 16)]) if m[1] else m[2], text.encode())
    plain = data.decode(errors="replace")
    return plain if plain.isprintable() else text


_TERMINATORS = frozenset(("stablehlo.return", "func.return", "sdy.return"))


def _display_name(op: ir.OpView) -> str:
    name = op.operation.name
    attributes: Any = op.attributes
    for key in ("call_target_name", "name"):
        if name in ("stablehlo.custom_call", "stablehlo.composite") and key in attributes:
            return f"{name} @{attributes[key].value}"
    return name


def _tensor_type(mlir_type: ir.Type) -> TensorType:
    if isinstance(mlir_type, ir.RankedTensorType):
        if not mlir_type.has_static_shape:
            raise UnsupportedOp(f"dynamic shape {mlir_type}")
        try:
            return TensorType(tuple(mlir_type.shape), DType.of_mlir(str(mlir_type.element_type)))
        except KeyError:
            raise UnsupportedOp(f"element type {mlir_type.element_type}") from None
    if str(mlir_type) == "!stablehlo.token":
        return TensorType((0,), DType.i1)
    raise UnsupportedOp(f"type {mlir_type}")

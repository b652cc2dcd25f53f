"""The state of a division: what each device holds of every value so far, and the graph that it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..errors import Refusal, UnsupportedOp
from ..graph import ops
from ..graph.builder import Builder
from ..graph.clone import clone_graph, region_fields
from ..graph.graph import Graph, Op, TensorType, Value, captured_values
from ..graph.identities import identity_element
from ..graph.sharding import Axes, Mesh, Sharding, replicated
from ..isa.dtypes import DType
from .choose_axes import choose_axes
from .piece import Piece
from .plan import Part, Plan, sharding_of, whole
from .reshard import Resharder
from .rules import PLANS, WALKS
from .rules.linear import linear_operands
from .terms import combined


class Partitioner:
    """Divides ops one after the other, appending to `graph`.

    Attributes:
        pieces: of each value of the whole program, what a device holds.
        manual: axes along which the program itself divides, where it stands.
        b: appends where the op stands that is divided.
        notes: what is computed whole, or brought together, though it is cut; for the user.
    """

    def __init__(self, mesh: Mesh, graph: Graph) -> None:
        self.mesh = mesh
        self.graph = graph
        self.entry = Builder(graph.ops)
        self.b = self.entry
        self.pieces: dict[Value, Piece] = {}
        self.uses: Counter[Value] = Counter()
        self.manual: Axes = ()
        self.notes: list[str] = []
        self.refused: list[Refusal] = []
        self.reshard = Resharder(self.part_number)
        self._tables: dict[bytes, Value] = {}
        self._device: Value | None = None

    def count_uses(self, graph: Graph) -> None:
        """Count the ops that use each value of the program, and graphs that return it."""
        graphs = [graph]
        while graphs:
            inner = graphs.pop()
            self.uses.update(set(inner.results))
            for op in inner.ops:
                self.uses.update(set(op.operands))
                graphs += op.regions()

    def run(self, graph: Graph) -> None:
        """Divide the ops of a graph."""
        for op in graph.ops:
            self.b.loc = op.loc
            try:
                walk = WALKS.get(type(op))
                if walk is not None:
                    walk(self, op)
                else:
                    self._divide(op)
            except UnsupportedOp as reason:
                self.refused.append((op.name, op.loc, str(reason)))
                for r in op.results:
                    self.define(r, self.b.constant(0, r.type), replicated(self.mesh, r.type.rank))

    def region(self, source: Graph, arguments: Sequence[Sharding], results: Sequence[Sharding]) -> Graph:
        """Return the graph that a device runs for a region whose arguments and results lie so."""
        outside, graph = self.b, Graph(source.name)
        self.b = Builder(graph.ops, outside.loc)
        for argument, sharding in zip(source.arguments, arguments, strict=True):
            self.define(argument, graph.argument(self.part_type(argument, sharding)), sharding)
        self.run(source)
        graph.results = [self.get(v, s) for v, s in zip(source.results, results, strict=True)]
        self.b = outside
        return graph

    def define(self, whole: Value, part: Value, sharding: Sharding) -> None:
        """Say what a device holds of a value."""
        self.pieces[whole] = Piece(part, sharding, whole.type, self.b)

    def piece(self, value: Value) -> Piece:
        """Return what a device holds of a value."""
        return self.pieces[value]

    def get(self, value: Value, sharding: Sharding) -> Value:
        """Return what a device holds of a value that lies so."""
        return self.reshard(self.pieces[value], sharding).value

    @staticmethod
    def part_type(value: Value, sharding: Sharding) -> TensorType:
        """Return the type of what a device holds of a value that lies so."""
        return TensorType(sharding.local_shape(value.shape), value.dtype)

    def cut_of(self, value: Value) -> Sharding:
        """Return how a value lies, without terms; on all devices, if these stand in another order there."""
        sharding = self.pieces[value].sharding
        if sharding.mesh != self.mesh:
            return replicated(self.mesh, value.type.rank)
        return Sharding(sharding.mesh, sharding.dims)

    def usable(
        self, sharding: Sharding | None, shape: Sequence[int], even: bool = False, terms: bool = False
    ) -> Sharding | None:
        """Return a sharding on this mesh, of each dimension the first axes that cut it (`even`: into equal parts).

        Without `terms` it is one of the sum, if it says that devices hold terms.
        """
        if sharding is None or sharding.mesh != self.mesh or len(sharding.dims) != len(shape):
            return None
        dims: list[Axes] = []
        for n, axes in zip(shape, sharding.dims):
            while axes and (n < 2 or (even and n % self.mesh.extent(axes))):
                axes = axes[:-1]
            dims.append(axes)
        return Sharding(self.mesh, tuple(dims), sharding.partial if terms else ())

    def wish(self, value: Value) -> Sharding | None:
        """Return how the program would have a value lie, if it says so."""
        return self.usable(value.sharding, value.shape)

    def together(self, first: Sharding, then: Sharding | None) -> Sharding:
        """Return a sharding with the axes of both."""
        assert then is not None and first.mesh == self.mesh, "[partition] a manual computation over another mesh"
        dims = tuple(a + b for a, b in zip(first.dims, then.dims, strict=True))
        return Sharding(self.mesh, dims, tuple(sorted(first.partial + then.partial)))

    def device_table(self, numbers: np.ndarray) -> Value:
        """Return, as i32[], the element of i32[devices] that is this device's."""
        key = numbers.astype(np.int32).tobytes()
        if key not in self._tables:
            b, scalar = self.entry, TensorType((), DType.i32)
            if self._device is None:
                number = b.emit(ops.PartitionId([]), TensorType((), DType.u32))
                self._device = b.convert(number, DType.i32)
            table = b.emit(ops.Constant([], numbers.astype(np.int32)), TensorType(numbers.shape, DType.i32))
            one = b.emit(ops.DynamicSlice([table, self._device], (1,)), TensorType((1,), DType.i32))
            self._tables[key] = b.reshape(one, scalar.shape)
        return self._tables[key]

    def part_number(self, mesh: Mesh, axes: Axes, scale: int) -> Value:
        """Return, as i32[], which part along these axes the device has, times `scale`."""
        return self.device_table(mesh.index(axes) * np.int32(scale))

    def _divide(self, op: Op) -> None:
        rule = PLANS.get(type(op))
        plan = rule(op) if rule else Plan([], [whole(v) for v in op.operands], [whole(r) for r in op.results])
        given = [self.pieces[v].sharding for v in op.operands]
        axes = choose_axes(op, plan, self.mesh, given, [self.wish(r) for r in op.results])
        terms = self._kept_terms(op, plan, axes)
        linear = linear_operands(op)
        shardings = [
            sharding_of(self.mesh, dims, axes, terms if i < linear else ()) for i, dims in enumerate(plan.operands)
        ]
        self._note(op, plan, given)
        operands = [self.get(v, s) for v, s in zip(op.operands, shardings, strict=True)]
        sums = tuple(a for k, kind in plan.reductions.items() if kind == "add" for a in axes[k])
        results = [sharding_of(self.mesh, dims, axes, (*terms, *sums)) for dims in plan.results]
        types = [self.part_type(r, s) for r, s in zip(op.results, results, strict=True)]
        part = Part(op, self.b, operands, types, self.mesh, axes, plan.sizes, self.part_number)
        self._mask(plan, part)
        local = self._with_regions(op)
        part.op = local
        values = list(plan.local(part)) if plan.local else self.b.emit_op(local.clone(part.operands), types)
        for result, value, sharding in zip(op.results, values, results, strict=True):
            self.define(result, value, sharding)
        by_kind: dict[str, Axes] = {}
        for k, kind in plan.reductions.items():
            if kind != "add":
                by_kind[kind] = (*by_kind.get(kind, ()), *axes[k])
        for kind, along in by_kind.items():
            for result in op.results:
                wish = self.wish(result)
                if along:
                    self.pieces[result] = combined(self.pieces[result], along, kind, wish.dims if wish else None)

    def _kept_terms(self, op: Op, plan: Plan, axes: Sequence[Axes]) -> Axes:
        """Return the axes along which operands are terms and the results are too: a linear op is done to each term.

        Only to terms that nobody else needs, so that the sum is made once, or if the program wants terms.
        """
        linear = op.operands[: linear_operands(op)]
        if not linear or any(axes[k] and kind != "add" for k, kind in plan.reductions.items()):
            return ()
        if any(self.pieces[v].sharding.mesh != self.mesh for v in linear):
            return ()
        wish = op.results[0].sharding
        first, *others = [self.pieces[v].sharding.partial for v in linear]
        if wish is not None and wish.mesh == self.mesh and wish.partial:
            first = wish.partial  # the program says so
        elif not all(self.uses[v] == 1 for v in linear) or any(o != first for o in others):
            return ()
        return () if any(a in first for cut in axes for a in cut) else first

    def _with_regions(self, op: Op) -> Op:
        """Return the op, or a copy that holds copies of its graphs, which use parts instead of whole values."""
        fields = region_fields(op)
        if not fields:
            return op
        captured = captured_values(Graph("", [], [op], [])).get(op, [])
        values = {v: self.get(v, replicated(self.mesh, v.type.rank)) for v in captured}
        copy = op.clone(op.operands)
        for name in fields:
            setattr(copy, name, clone_graph(getattr(op, name), dict(values)))
        return copy

    def _mask(self, plan: Plan, part: Part) -> None:
        """Put neutral elements where uneven parts end, in operands that are reduced, in place."""
        for factor, kind in plan.reductions.items():
            n, extent = part.sizes[factor], part.extent(factor)
            if n % extent == 0 or kind == "bits":
                continue
            for i, dims in enumerate(plan.operands):
                for d, factors in enumerate(dims):
                    if factor in factors:
                        x = part.operands[i]
                        place = part.b.iota(x.shape, d)
                        place = part.b.binary("add", place, part.b.broadcast(part.start(factor), x.shape))
                        counts = part.b.compare("LT", place, part.b.like(place, n))
                        neutral = part.b.like(x, identity_element(kind, x.dtype))
                        part.operands[i] = part.b.select(counts, x, neutral)

    def _note(self, op: Op, plan: Plan, given: Sequence[Sharding]) -> None:
        for value, dims, sharding in zip(op.operands, plan.operands, given):
            lost = [d for d, factors in enumerate(dims) if sharding.dims[d] and not factors and value.shape[d] > 1]
            if lost:
                self.notes.append(
                    f"{op.name} at {op.loc or 'unknown'}: {value.type}{sharding} is brought together along "
                    f"dimension {', '.join(map(str, lost))}, which the op needs whole"
                )

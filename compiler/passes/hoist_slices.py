"""Slice what an expression reads instead of what it gives, where nobody wants all of it.

    %y = mul(%x, %s)                            %a = slice(%x, left)    %u = mul(%a, slice(%s, left))
    %u = slice(%y, left)                ->      %b = slice(%x, right)   %v = mul(%b, slice(%s, right))
    %v = slice(%y, right)

A slice is read in its place, so the whole of %y is never stored: gates split in two, rotated halves. What is computed does not
grow: the slices together are no larger than what they are cut from.
"""

from __future__ import annotations

from ..fusion.vector_dims import ELEMENTWISE
from ..graph.builder import Builder, splat_element
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.module import Module
from ..graph.ops import BroadcastInDim, Constant, Convolution, Dot, Iota, Reduce, Reshape, Slice, Transpose
from ..graph.rewrite import rewrite

_VIEWS = (BroadcastInDim, Reshape, Transpose)

Box = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # start, limit and stride by dimension


def hoist_slices(module: Module, target: object) -> None:
    """Move slices from before the ops that read them to before the expressions they are cut from, in place."""
    if any(isinstance(op, Slice) and isinstance(op.operands[0].producer, ELEMENTWISE) for op in module.main.walk()):
        plan = _Plan(module.main)
        for graph in plan.graphs:
            plan.add(graph)
        rewrite(module.main, _Rule(set(plan.hoisted)))


class _Plan:
    """Finds the elementwise ops that slices can pass."""

    def __init__(self, main: Graph) -> None:
        self.readers: dict[Value, list[Op]] = {}
        self.graphs = [main]
        for op in main.walk():
            self.graphs += op.regions()
            for v in dict.fromkeys(op.operands):
                self.readers.setdefault(v, []).append(op)
        self.returned = {v for graph in self.graphs for v in graph.results}
        place = {op: i for i, graph in enumerate(self.graphs) for op in graph.ops}
        self.outside = {  # values that another graph reads than the one that makes them
            v for v, ops in self.readers.items() if v.producer and any(place[op] != place[v.producer] for op in ops)
        }
        self.product = set[Value]()
        self.hoisted: dict[Op, None] = {}

    def add(self, graph: Graph) -> None:
        """Look at one graph's ops."""
        self.product |= self._epilogues(graph)
        boxes: dict[Value, set[Box]] = {}
        for op in reversed(graph.ops):
            if isinstance(op, Slice) and self._is_computed_with(op.result):
                boxes.setdefault(op.operands[0], set()).add((tuple(op.start), tuple(op.limit), tuple(op.stride)))
            elif isinstance(op, ELEMENTWISE) and self._only_sliced(op.results[0], boxes.get(op.results[0])):
                self.hoisted[op] = None
                for v in op.operands:
                    boxes.setdefault(v, set()).update(boxes[op.results[0]])
        for op in graph.ops:
            if op in self.hoisted and not self._stores_no_more(op):
                del self.hoisted[op]

    def _epilogues(self, graph: Graph) -> set[Value]:
        """Return the values that a product's kernel computes on its way out."""
        found: set[Value] = set()
        for op in graph.ops:
            if isinstance(op, (Dot, Convolution)) or (
                isinstance(op, ELEMENTWISE) and any(v in found and len(self.readers[v]) == 1 for v in op.operands)
            ):
                found.add(op.results[0])
        return found

    def _only_sliced(self, value: Value, boxes: set[Box] | None) -> bool:
        if boxes is None or value in self.returned or value in self.outside or value in self.product:
            return False
        if not all(
            op in self.hoisted or (isinstance(op, Slice) and self._is_computed_with(op.result))
            for op in self.readers[value]
        ):
            return False
        return sum(TensorType(_shape(box), value.dtype).size for box in boxes) <= value.type.size

    def _is_computed_with(self, value: Value) -> bool:
        """Whether vector kernels read a value, that need not have it in memory, or it is a result of its own."""
        return value not in self.outside and all(
            isinstance(op, (*ELEMENTWISE, Reduce)) or (isinstance(op, _VIEWS) and self._is_computed_with(op.results[0]))
            for op in self.readers.get(value, ())
        )

    def _stores_no_more(self, op: Op) -> bool:
        """Whether what must be in memory for the slices is no larger than what the op gives."""
        made = [
            v.type.bytes
            for v in dict.fromkeys(op.operands)
            if v.producer is not None
            and not isinstance(v.producer, (*_VIEWS, Constant, Iota))
            and v.producer not in self.hoisted
            and len(self.readers[v]) == 1
        ]
        return sum(made) <= op.results[0].type.bytes


class _Rule:
    def __init__(self, hoisted: set[Op]) -> None:
        self.hoisted = hoisted
        self.made: dict[tuple[Value, Box], Value] = {}

    def __call__(self, op: Op, b: Builder) -> list[Value] | None:
        if not isinstance(op, Slice) or op.operands[0].producer not in self.hoisted:
            return None
        return [self._sliced(op.operands[0], (tuple(op.start), tuple(op.limit), tuple(op.stride)), b)]

    def _sliced(self, value: Value, box: Box, b: Builder) -> Value:
        if (value, box) not in self.made:
            self.made[value, box] = self._make(value, box, b)
        return self.made[value, box]

    def _make(self, value: Value, box: Box, b: Builder) -> Value:
        op, type = value.producer, TensorType(_shape(box), value.dtype)
        if (element := splat_element(value)) is not None:
            return b.constant(element, type)
        if op is None or op not in self.hoisted:
            return b.slice(value, *box)
        new = op.clone([self._sliced(v, box, b) for v in op.operands]).with_results([type], op.loc)
        b.ops.append(new)
        return new.results[0]


def _shape(box: Box) -> tuple[int, ...]:
    return tuple(-(-(limit - start) // stride) for start, limit, stride in zip(*box, strict=True))

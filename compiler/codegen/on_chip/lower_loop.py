"""A loop whose state fits one vector core -> one kernel, whatever its body does.

    for i in range(n): x[i % 100] = x[7 * i % 100] + 1

    tload %x;  loop %i = 0 to n { %a = smod 7*%i, 100; %v = sget %x, %a; %w = scompute add %v, 1; %b = smod %i, 100;
    sset %x, %b, %w };  tstore %x

Carried values live in registers (few elements) or in UB, from the first iteration to the last; what is too large for UB and
only read or written in parts stays in GM. Loops, conditions and branches inside are part of the kernel. A loop that would
spend more time on the one core than its launches cost, and one with an op that has no lowering here, stays a loop of the
stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...graph.builder import splat_element
from ...graph.graph import Graph, Value
from ...graph.ops import While
from ...isa.model import Affine, TileRef
from ...program.kernel import Instruction, Kernel
from ...program.structure import find_spans
from ...targets import Target
from ..steps import Launch, Way
from ..vector.nodes import NotVectorizable
from .control import CONTROL, ENDLESS, LOWER, lower_while
from .core_kernel import CoreKernel
from .program import values_of_outside
from .registers import COMPUTED
from .values import FEW_CELLS, MOST_CELLS, Far, Held

_MOST_OPS, _MOST_DEPTH = 1500, 16  # of its graphs: so much is tried


@dataclass(frozen=True)
class _Facts:
    """Of a graph with those inside it: its ops, how deep loops and branches are nested, what every value allows."""

    ops: int
    depth: int
    lowered: bool  # every op has a lowering
    largest: int  # elements of a value


class LoopKernels:
    """Makes kernels of loops; remembers what it has seen of their graphs, as loops inside loops are asked for again."""

    def __init__(self, target: Target):
        self.target = target
        self._seen: dict[Graph, _Facts] = {}

    def ways(self, op: While, launches: int) -> Iterator[Way]:
        """Yield the launch of a loop's kernel; nothing if the loop is not of the kind, or its launches cost less.

        launches: of the stream, for an iteration.
        """
        if not self._is_tried(op):
            return
        try:
            launch = _LoopKernel(op, self.target, MOST_CELLS if self.is_small(op) else FEW_CELLS).launch()
        except NotVectorizable:
            return
        if _cycles(launch.kernel, self.target) <= launches * self.target.launch_dispatch * self.target.clock:
            yield [launch]

    def is_small(self, op: While) -> bool:
        """Whether a loop works on nothing but what registers hold."""
        return self._largest(op) <= MOST_CELLS

    def is_scalar(self, op: While) -> bool:
        """Whether it works on so little that a vector instruction would have almost nothing to do."""
        return self._largest(op) <= FEW_CELLS

    def _largest(self, op: While) -> int:
        return max(self._facts(op.cond).largest, self._facts(op.body).largest)

    def joins_chain(self, op: While) -> bool:
        """Whether a loop may be part of a chain of small ops."""
        held = all(v.type.size > 0 and v.dtype in COMPUTED for v in op.operands)
        return held and self.is_scalar(op) and self._is_tried(op)

    def _is_tried(self, op: While) -> bool:
        facts = [self._facts(graph) for graph in (op.cond, op.body)]
        return all(f.lowered and f.ops <= _MOST_OPS and f.depth <= _MOST_DEPTH for f in facts)

    def _facts(self, graph: Graph) -> _Facts:
        if graph not in self._seen:
            inner = [self._facts(part) for op in graph.ops for part in op.regions()]
            lowered = all(type(op) in LOWER or isinstance(op, CONTROL) for op in graph.ops)
            values = [*graph.arguments, *(v for op in graph.ops for v in (*op.operands, *op.results))]
            self._seen[graph] = _Facts(
                len(graph.ops) + sum(f.ops for f in inner),
                1 + max((f.depth for f in inner), default=0),
                lowered and all(f.lowered for f in inner),
                max((*(v.type.size for v in values), *(f.largest for f in inner)), default=0),
            )
        return self._seen[graph]


class _LoopKernel(CoreKernel):
    def __init__(self, op: While, target: Target, most_cells: int):
        if any(v.type.size == 0 or v.dtype not in COMPUTED for v in op.operands):
            raise NotVectorizable("[on chip] a carried value that no tile holds")
        super().__init__("loop", most_cells)
        self.op, self.target = op, target
        self.starts_as: list[tuple[Value, Value]] = []

    # --- what is on chip and what stays in GM ---

    def launch(self) -> Launch:
        op, p = self.op, self.p
        body = op.body
        kept = [i for i, v in enumerate(body.results) if v is body.arguments[i]]
        outside = [v for v in values_of_outside(op) if splat_element(v) is None]
        far = self._far(kept, outside)
        read = {v: self.argument(v) for v in outside}
        first: dict[int, Held] = {}
        for i, operand in enumerate(op.operands):
            result = op.results[i]
            if i in far or (i in kept and splat_element(operand) is None):
                argument = self.argument(result, writes=True)
                self.starts_as.append((result, operand))
                whole = Far(operand.shape, operand.dtype, argument, result)
                first[i] = whole if i in far else self.near(whole)
            elif splat_element(operand) is None:
                argument = self.argument(operand)
                first[i] = self.near(Far(operand.shape, operand.dtype, argument, operand))
            else:
                first[i] = p.get(operand)
        for v in outside:
            whole = Far(v.shape, v.dtype, read[v], v)
            p.held[v] = whole if v in far else self.near(whole)
        held = lower_while(p, op, [first[i] for i in range(len(first))], set(kept))
        for result, value in zip(op.results, held, strict=True):
            if result not in self.arguments:
                self.store(Far(result.shape, result.dtype, self.argument(result, writes=True), result), value)
        kernel = self.finish()
        inputs = set(self.arguments) - set(op.results)
        started = {result for result, _ in self.starts_as}
        aliases = tuple(
            (result, operand)
            for result, operand in zip(op.results, op.operands, strict=True)
            if result not in started and operand in inputs and operand not in far
        )
        if any(start in inputs for _, start in self.starts_as) or len({s for _, s in self.starts_as}) < len(
            self.starts_as
        ):
            raise NotVectorizable("[on chip] a value that is read is also updated")
        return Launch(kernel, list(self.arguments), list(op.results), aliases, tuple(self.starts_as))

    def _far(self, kept: list[int], outside: list[Value]) -> set[Any]:
        """Return the carried values (by number) and those of outside that stay in GM, the largest first, so that UB suffices."""
        op = self.op
        size: dict[Any, int] = {i: v.type.bytes for i, v in enumerate(op.operands)}
        size.update((v, v.type.bytes) for v in outside)
        far: set[Any] = set()
        budget = self.target.ub_bytes // 3
        for key in sorted(size, key=lambda k: -size[k]):
            if sum(size[k] for k in size if k not in far) <= budget:
                break
            far.add(key)
        return far


def _cycles(kernel: Kernel, target: Target) -> float:
    """Return about how many cycles an iteration of the outermost loop takes."""
    body = kernel.body
    spans, _ = find_spans(body)
    weight = [0.0] * len(body)
    outermost = next((s for s in spans if s.kind == "loop"), None)  # none: no iteration
    for span in spans:
        if span.kind == "loop":
            count = Affine.of(span.opener.operand("stop")) - Affine.of(span.opener.operand("start"))
            times = min(count.const, 1000) if count.is_constant and count.const < ENDLESS else 8
            base = 1.0 if span is outermost else weight[span.start] * times
            weight[span.start + 1 : span.end] = [base] * (span.end - span.start - 1)
    return sum(w * _cycles_of(i, kernel, target) for w, i in zip(weight, body, strict=True) if w)


def _cycles_of(i: Instruction, kernel: Kernel, target: Target) -> float:
    if i.spec.group in ("scalar", "control"):
        return target.scalar_access if i.spec.cost.kind == "scalar_access" else 1.0
    largest = max((kernel.tiles[v.tile].bytes for v in i.values if isinstance(v, TileRef)), default=0)
    return target.vector_start + max(i.spec.cost.cycles, 1.0) * largest / target.vector_repeat_bytes

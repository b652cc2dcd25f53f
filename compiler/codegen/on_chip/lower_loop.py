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

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...graph.builder import splat_element
from ...graph.graph import Graph, Op, Value
from ...graph.ops import (
    ArgReduce,
    Binary,
    BitcastConvert,
    BroadcastInDim,
    Case,
    Compare,
    Concatenate,
    Constant,
    Convert,
    Dot,
    DynamicSlice,
    DynamicUpdateSlice,
    GatherSlices,
    Iota,
    OptimizationBarrier,
    Pad,
    Reduce,
    ReducePrecision,
    Reshape,
    Reverse,
    ScatterSlices,
    Select,
    Slice,
    Transpose,
    Unary,
    While,
)
from ...graph.trip_count import progressions, trip_count
from ...isa.dtypes import DType
from ...isa.model import Affine, TileRef, View
from ...program.kernel import Instruction, Kernel, KernelBuilder
from ...program.structure import find_spans
from ...targets import Target
from ..steps import Launch, Way
from ..vector.nodes import NotVectorizable
from .elementwise import lower_elementwise
from .indexing import lower_dynamic_slice, lower_dynamic_update_slice, lower_gather, lower_scatter
from .program import CoreProgram
from .reduction import lower_arg_reduce, lower_dot, lower_reduce
from .registers import COMPUTED, Scalar, constant, limits
from .shape import (
    lower_broadcast,
    lower_concatenate,
    lower_iota,
    lower_pad,
    lower_reshape,
    lower_reverse,
    lower_slice,
    lower_transpose,
)
from .values import FEW_CELLS, MOST_CELLS, Array, Cells, Far, Held, Repeated, Splat

_MOST_INSTRUCTIONS = 6000  # of a kernel
_MOST_OPS, _MOST_DEPTH = 1500, 16  # of its graphs: so much is tried
_ENDLESS = 2**62

_LOWER: dict[type[Op], Callable[[CoreProgram, Any], Held]] = {
    **dict.fromkeys((Unary, Binary, Compare, Select, Convert, BitcastConvert, ReducePrecision), lower_elementwise),
    Reshape: lower_reshape,
    Iota: lower_iota,
    BroadcastInDim: lower_broadcast,
    Transpose: lower_transpose,
    Slice: lower_slice,
    Reverse: lower_reverse,
    Concatenate: lower_concatenate,
    Pad: lower_pad,
    DynamicSlice: lower_dynamic_slice,
    DynamicUpdateSlice: lower_dynamic_update_slice,
    GatherSlices: lower_gather,
    ScatterSlices: lower_scatter,
    Reduce: lower_reduce,
    ArgReduce: lower_arg_reduce,
    Dot: lower_dot,
}
_CONTROL = (Constant, While, Case, OptimizationBarrier)


@dataclass(frozen=True)
class _Facts:
    """Of a graph with those inside it: its ops, how deep loops and branches are nested, what every value allows."""

    ops: int
    depth: int
    lowered: bool  # every op has a lowering
    small: bool  # every value is of few elements


class LoopKernels:
    """Makes kernels of loops; remembers what it has seen of their graphs, as loops inside loops are asked for again."""

    def __init__(self, target: Target):
        self.target = target
        self._seen: dict[Graph, _Facts] = {}

    def ways(self, op: While, launches: int) -> Iterator[Way]:
        """Yield the launch of a loop's kernel; nothing if the loop is not of the kind, or its launches cost less.

        launches: of the stream, for an iteration.
        """
        facts = [self._facts(graph) for graph in (op.cond, op.body)]
        if not all(f.lowered and f.ops <= _MOST_OPS and f.depth <= _MOST_DEPTH for f in facts):
            return
        try:
            launch = _LoopKernel(op, self.target, MOST_CELLS if self.is_small(op) else FEW_CELLS).launch()
        except NotVectorizable:
            return
        if _cycles(launch.kernel, self.target) <= launches * self.target.launch_dispatch * self.target.clock:
            yield [launch]

    def is_small(self, op: While) -> bool:
        """Whether a loop works on nothing but what registers hold."""
        return self._facts(op.cond).small and self._facts(op.body).small

    def _facts(self, graph: Graph) -> _Facts:
        if graph not in self._seen:
            inner = [self._facts(part) for op in graph.ops for part in op.regions()]
            lowered = all(type(op) in _LOWER or isinstance(op, _CONTROL) for op in graph.ops)
            values = [*graph.arguments, *(v for op in graph.ops for v in (*op.operands, *op.results))]
            self._seen[graph] = _Facts(
                len(graph.ops) + sum(f.ops for f in inner),
                1 + max((f.depth for f in inner), default=0),
                lowered and all(f.lowered for f in inner),
                all(v.type.size <= MOST_CELLS for v in values) and all(f.small for f in inner),
            )
        return self._seen[graph]


@dataclass(eq=False)
class _Carried:
    """A value that a loop carries: registers that change with it, or the tile or GM argument that it stays in."""

    registers: tuple[int, ...] = ()
    home: Array | Far | None = None


class _LoopKernel:
    def __init__(self, op: While, target: Target, most_cells: int):
        if any(v.type.size == 0 or v.dtype not in COMPUTED for v in op.operands):
            raise NotVectorizable("[on chip] a carried value that no tile holds")
        self.op, self.target = op, target
        self.b = KernelBuilder("loop", "aiv", (1,))
        self.p = CoreProgram(self.b, most_cells)
        self.arguments: dict[Value, int] = {}
        self.starts_as: list[tuple[Value, Value]] = []

    # --- what is on chip and what stays in GM ---

    def launch(self) -> Launch:
        op, p = self.op, self.p
        body = op.body
        kept = [i for i, v in enumerate(body.results) if v is body.arguments[i]]
        outside = [v for v in dict.fromkeys(_outside(op)) if splat_element(v) is None]
        far = self._far(kept, outside)
        read = {v: self._argument(v) for v in outside}
        first: dict[int, Held] = {}
        for i, operand in enumerate(op.operands):
            result = op.results[i]
            if i in far or (i in kept and splat_element(operand) is None):
                argument = self._argument(result, writes=True)
                self.starts_as.append((result, operand))
                whole = Far(operand.shape, operand.dtype, argument, result)
                first[i] = whole if i in far else self._near(whole)
            elif splat_element(operand) is None:
                argument = self._argument(operand)
                first[i] = self._near(Far(operand.shape, operand.dtype, argument, operand))
            else:
                first[i] = p.get(operand)
        for v in outside:
            whole = Far(v.shape, v.dtype, read[v], v)
            p.held[v] = whole if v in far else self._near(whole)
        held = lower_while(p, op, [first[i] for i in range(len(first))], set(kept))
        for result, value in zip(op.results, held, strict=True):
            if result not in self.arguments:
                self._store(Far(result.shape, result.dtype, self._argument(result, writes=True), result), value)
        if len(self.b.kernel.body) > _MOST_INSTRUCTIONS or len(self.arguments) > 200:
            raise NotVectorizable("[on chip] a kernel of too many instructions")
        self.b.kernel.body = _keep_in_registers(_drop_unread(self.b.kernel.body))
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
        return Launch(self.b.kernel, list(self.arguments), list(op.results), aliases, tuple(self.starts_as))

    def _argument(self, value: Value, writes: bool = False) -> int:
        if value not in self.arguments:
            self.arguments[value] = self.b.argument(value.dtype, value.type.size, writes)
        return self.arguments[value]

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

    def _near(self, whole: Far) -> Held:
        n = whole.value.type.size
        if n > self.p.most_cells or whole.dtype is DType.u64:
            return self.p.stored(self.p.load(whole))
        return Cells(whole.shape, whole.dtype, tuple(self.p.element(whole, Affine(i)) for i in range(n)))

    def _store(self, to: Far, held: Held) -> None:
        if isinstance(held, Cells):
            for i, item in enumerate(held.items):
                self.p.set_element(to, Affine(i), item)
        else:
            self.p.store(to, self.p.in_ub(held))


def _outside(op: While) -> Iterator[Value]:
    """Yield the values, constants of many elements among them, that a loop's graphs read and no graph of it makes."""

    def walk(graph: Graph, made: set[Value]) -> Iterator[Value]:
        made |= set(graph.arguments)
        for inner in graph.ops:
            if isinstance(inner, Constant):
                continue
            yield from (v for v in inner.operands if v not in made)
            for part in inner.regions():
                yield from walk(part, made)
            made |= set(inner.results)
        yield from (v for v in graph.results if v not in made)

    made: set[Value] = set()
    for graph in (op.cond, op.body):
        yield from walk(graph, made)


# --- graphs ---


def lower_graph(p: CoreProgram, graph: Graph) -> list[Held]:
    """Lower the ops of a graph whose arguments are held; return its results."""
    for op in graph.ops:
        if isinstance(op, Constant):
            continue
        if len(p.b.kernel.body) > _MOST_INSTRUCTIONS:
            raise NotVectorizable("[on chip] a kernel of too many instructions")
        if isinstance(op, While):
            held = _nested_while(p, op)
        elif isinstance(op, Case):
            held = _case(p, op)
        elif isinstance(op, OptimizationBarrier):
            held = [p.get(v) for v in op.operands]
        else:
            held = [_LOWER[type(op)](p, op)]
        p.read(op)
        for result, value in zip(op.results, held, strict=True):
            p.own(result, value)
    return [p.get(v) for v in graph.results]


def lower_while(p: CoreProgram, op: While, first: list[Held], kept: set[int]) -> list[Held]:
    """Lower a loop whose carried values start as `first`, which it may overwrite but for `kept`; return what they end as."""
    b, body = p.b, op.body
    count = trip_count(op)
    known = progressions(op, count) if count is not None else {}
    carried: list[_Carried] = []
    for i, held in enumerate(first):
        argument = body.arguments[i]
        if i in kept or argument in known:
            carried.append(_Carried())
        elif isinstance(held, (Array, Far)):
            carried.append(_Carried(home=held))
        elif isinstance(held, (Splat, Repeated)) or _is_indexed(op, i):
            carried.append(_Carried(home=p.in_ub(held)))
        else:
            carried.append(_Carried(registers=tuple(_register(p, item) for item in held.items)))
    current = [
        first[i] if i in kept else _held(c, first[i]) if body.arguments[i] not in known else first[i]
        for i, c in enumerate(carried)
    ]
    if count == 0:
        return first
    with b.loop(0, _ENDLESS if count is None else count) as iteration:
        if count is None:
            with p.graph(op.cond):
                for argument, held in zip(op.cond.arguments, current, strict=True):
                    p.own(argument, held)
                (condition,) = (_only(h) for h in lower_graph(p, op.cond))
                b.until(1 - condition.held)
        with p.graph(body):
            for i, (argument, held) in enumerate(zip(body.arguments, current, strict=True)):
                progress = known.get(argument)
                if progress is not None and count is not None:
                    first_and_last = progress.start, progress.start + progress.step * (count - 1)
                    value = Scalar(
                        progress.start + iteration * progress.step,
                        argument.dtype,
                        min(first_and_last),
                        max(first_and_last),
                    )
                    held = Cells(argument.shape, argument.dtype, (value,))
                if i in kept:
                    p.held[argument] = held
                else:
                    p.own(argument, held)
            new = lower_graph(p, body)
            _carry_over(p, carried, new)
    ends: list[Held] = []
    for i, held in enumerate(current):
        progress = known.get(body.arguments[i])
        if progress is not None and count is not None:
            dtype = body.arguments[i].dtype
            held = Cells(held.shape, dtype, (_wrapped(progress.start + progress.step * count, dtype),))
        ends.append(held)
    return ends


def _wrapped(value: int, dtype: DType) -> Scalar:
    low, high = limits(dtype)
    return constant((value - low) % (high - low + 1) + low, dtype)


def _only(held: Held) -> Scalar:
    assert isinstance(held, Cells), "a condition is one element"
    return held.items[0]


def _register(p: CoreProgram, item: Scalar) -> int:
    register = p.b.register()
    p.b.saffine(register, item.held)
    return register


def _held(carried: _Carried, first: Held) -> Held:
    """Return what a carried value is while the loop runs."""
    if carried.home is not None:
        return carried.home
    low, high = limits(first.dtype)
    return Cells(
        first.shape, first.dtype, tuple(Scalar(Affine(0, ((r, 1),)), first.dtype, low, high) for r in carried.registers)
    )


def _is_indexed(op: While, i: int) -> bool:
    """Whether a small carried value is read or written at places that are data: then it has to be an array."""
    return _indexes(op.body, op.body.arguments[i]) or _indexes(op.cond, op.cond.arguments[i])


def _indexes(graph: Graph, value: Value) -> bool:
    if value.type.size == 1:
        return False
    same = {value}
    for op in graph.ops:
        if isinstance(op, (DynamicSlice, DynamicUpdateSlice, GatherSlices, ScatterSlices)) and op.operands[0] in same:
            return True
        if isinstance(op, Reshape) and op.operands[0] in same:
            same.add(op.results[0])
        if isinstance(op, While) and any(v in same and _is_indexed(op, j) for j, v in enumerate(op.operands)):
            return True
        if any(v in same and _indexes(part, v) for part in op.regions() for v in same):
            return True
    return False


def _carry_over(p: CoreProgram, carried: list[_Carried], new: list[Held]) -> None:
    """Move what an iteration has made to where the next one reads it, as if all at once."""
    homes = {c.home.tile.tile for c in carried if isinstance(c.home, Array)}
    registers = {r for c in carried for r in c.registers}
    moves: list[tuple[Array, Array]] = []
    assignments: list[tuple[int, Affine]] = []
    for c, held in zip(carried, new, strict=True):
        if isinstance(c.home, Far):
            if not (isinstance(held, Far) and held.argument == c.home.argument):
                raise NotVectorizable("[on chip] a carried value in GM is replaced whole")
        elif c.home is not None:
            array = p.in_ub(held)
            if array.tile != c.home.tile:
                moves.append((c.home, p.copied(array) if array.tile.tile in homes else array))
        for register, item in zip(c.registers, _items(p, held) if c.registers else (), strict=True):
            own = Affine(0, ((register, 1),))
            if item.held != own:
                others = {r for r, _ in item.held.terms} & registers
                value = p.b.scalar("saffine", item.held) if others - {register} else item.held
                assignments.append((register, value))
    for home, array in moves:
        p.b.tmov(home.tile, array.tile)
    for register, value in assignments:
        p.b.saffine(register, value)


def _items(p: CoreProgram, held: Held) -> tuple[Scalar, ...]:
    if isinstance(held, Cells):
        return held.items
    n = 1
    for extent in held.shape:
        n *= extent
    return tuple(p.element(held, Affine(i)) for i in range(n))


def _nested_while(p: CoreProgram, op: While) -> list[Held]:
    body = op.body
    kept = {i for i, v in enumerate(body.results) if v is body.arguments[i]}
    first: list[Held] = []
    for i, operand in enumerate(op.operands):
        held = p.get(operand)
        if i not in kept and isinstance(held, Array) and not p.is_last_use(operand):
            held = p.copied(held)
        if i not in kept and isinstance(held, Far) and not p.is_last_use(operand):
            raise NotVectorizable("[on chip] a value in GM that a loop updates is read after it")
        first.append(held)
    return lower_while(p, op, first, kept)


def _case(p: CoreProgram, op: Case) -> list[Held]:
    """Run one branch: as conditions, with the results in registers or tiles that every branch sets."""
    b, unit = p.b, p.unit
    index, last = p.scalar(op.operands[0]), len(op.branches) - 1
    taken = [unit.compare("eq", DType.i32, index, constant(k, DType.i32)) for k in range(last)]
    other = constant(True, DType.i1)
    for condition in taken:
        other = unit.compute("and", DType.i1, other, unit.compute("not", DType.i1, condition))
    taken.append(other)
    if all(_is_cheap(branch) for branch in op.branches):
        return _selected(p, op, taken)
    places: list[tuple[int, ...] | Array] = []
    for result in op.results:
        if result.type.size <= p.most_cells:
            places.append(tuple(_register(p, constant(0, DType.i64)) for _ in range(result.type.size)))
        else:
            array = p.new_array(result.shape, result.dtype)
            b.texpands(array.tile, 0)
            places.append(array)
    for condition, branch in zip(taken, op.branches, strict=True):
        if condition.is_constant and not condition.low:
            continue
        with b.when(condition.held), p.graph(branch):
            for place, held in zip(places, lower_graph(p, branch), strict=True):
                if isinstance(place, Array):
                    b.tmov(place.tile, p.in_ub(held).tile)
                    continue
                for register, item in zip(place, _items(p, held), strict=True):
                    b.saffine(register, item.held)
    found: list[Held] = []
    for result, place in zip(op.results, places, strict=True):
        if isinstance(place, tuple):
            ends = limits(result.dtype)
            items = tuple(Scalar(Affine(0, ((r, 1),)), result.dtype, *ends) for r in place)
            found.append(Cells(result.shape, result.dtype, items))
        else:
            found.append(place)
    return found


_CHEAP_OPS = (
    Unary,
    Binary,
    Compare,
    Select,
    Convert,
    BitcastConvert,
    Reshape,
    BroadcastInDim,
    DynamicSlice,
    Constant,
    Slice,
)
_MOST_CHEAP = 12


def _is_cheap(branch: Graph) -> bool:
    """Whether computing a branch that is not taken costs less than going around it."""
    ops = branch.ops
    return (
        len(ops) <= _MOST_CHEAP
        and all(isinstance(op, _CHEAP_OPS) and all(r.type.size == 1 for r in op.results) for op in ops)
        and all(v.type.size == 1 for v in branch.results)
    )


def _selected(p: CoreProgram, op: Case, taken: list[Scalar]) -> list[Held]:
    results: list[tuple[Scalar, ...]] = []
    for branch in op.branches:
        with p.graph(branch):
            results.append(tuple(p.element(h, Affine()) for h in lower_graph(p, branch)))
    chosen = results[-1]
    for condition, items in zip(reversed(taken[:-1]), reversed(results[:-1]), strict=True):
        chosen = tuple(p.unit.select(a.dtype, condition, a, c) for a, c in zip(items, chosen, strict=True))
    return [Cells(r.shape, r.dtype, (item,)) for r, item in zip(op.results, chosen, strict=True)]


# --- the kernel as a whole ---


def _cycles(kernel: Kernel, target: Target) -> float:
    """Return about how many cycles an iteration of the outermost loop takes."""
    body = kernel.body
    spans, _ = find_spans(body)
    weight = [0.0] * len(body)
    outermost = next((s for s in spans if s.kind == "loop"), None)  # none: no iteration
    for span in spans:
        if span.kind == "loop":
            count = Affine.of(span.opener.operand("stop")) - Affine.of(span.opener.operand("start"))
            times = min(count.const, 1000) if count.is_constant and count.const < _ENDLESS else 8
            base = 1.0 if span is outermost else weight[span.start] * times
            weight[span.start + 1 : span.end] = [base] * (span.end - span.start - 1)
    return sum(w * _cycles_of(i, kernel, target) for w, i in zip(weight, body, strict=True) if w)


def _cycles_of(i: Instruction, kernel: Kernel, target: Target) -> float:
    if i.spec.group in ("scalar", "control"):
        return target.scalar_access if i.spec.cost.kind == "scalar_access" else 1.0
    largest = max((kernel.tiles[v.tile].bytes for v in i.values if isinstance(v, TileRef)), default=0)
    return target.vector_start + max(i.spec.cost.cycles, 1.0) * largest / target.vector_repeat_bytes


def _drop_unread(body: list[Instruction]) -> list[Instruction]:
    """Return a body without scalar instructions whose register nobody reads."""
    reads: dict[int, int] = {}
    for instruction in body:
        for r in _registers_read(instruction):
            reads[r] = reads.get(r, 0) + 1
    kept: list[Instruction] = []
    for instruction in reversed(body):
        if _is_scalar(instruction) and not reads.get(instruction.values[0]):
            for r in _registers_read(instruction):
                reads[r] -= 1
        else:
            kept.append(instruction)
    return kept[::-1]


def _keep_in_registers(body: list[Instruction]) -> list[Instruction]:
    """Return a body that computes what a loop carries right into the register that carries it, where that can be.

        %r9 = scompute %r4, ...; ...; %r4 = saffine %r9    ->    %r4 = scompute %r4, ...

    Nobody may read the old value, or set the register, in between; nor read %r9 afterwards.
    """
    body = list(body)
    reads: dict[int, list[int]] = {}
    writes: dict[int, list[int]] = {}
    depth = [0]  # how many spans were opened and closed before each position
    for at, instruction in enumerate(body):
        for r in _registers_read(instruction):
            reads.setdefault(r, []).append(at)
        for operand, value in instruction.operands():
            if operand.kind == "register":
                writes.setdefault(value, []).append(at)
        depth.append(depth[-1] + (instruction.spec.opens or instruction.spec.name == "end"))
    dropped: set[int] = set()
    for at, copy in enumerate(body):
        if copy.spec.name != "saffine" or not _is_register(copy.values[1]):
            continue
        carrier, source = copy.values[0], copy.values[1].terms[0][0]
        made = writes.get(source, [at])
        within = [i for i in reads[source] if i != at]
        if (
            len(made) != 1
            or made[0] >= at
            or not _is_scalar(body[made[0]])
            or depth[at] != depth[made[0]]
            or any(not made[0] < i < at for i in within)
            or _between(reads.get(carrier, []), made[0], at)
            or _between(writes[carrier], made[0], at)
        ):
            continue
        dropped.add(at)
        body[made[0]] = Instruction(body[made[0]].spec, (carrier, *body[made[0]].values[1:]))
        for i in within:
            body[i] = Instruction(body[i].spec, tuple(_renamed(v, source, carrier) for v in body[i].values))
        writes[carrier] = sorted(made + [i for i in writes[carrier] if i != at])
        reads[carrier] = sorted(reads.get(carrier, []) + within)
    return [instruction for at, instruction in enumerate(body) if at not in dropped]


def _between(positions: list[int], first: int, last: int) -> bool:
    i = bisect_right(positions, first)
    return i < len(positions) and positions[i] < last


def _is_scalar(i: Instruction) -> bool:
    """Whether an instruction does nothing but set a register."""
    return i.spec.group == "scalar" and i.spec.operands[0].kind == "register"


def _is_register(value: Any) -> bool:
    return isinstance(value, Affine) and not value.const and len(value.terms) == 1 and value.terms[0][1] == 1


def _registers_read(i: Instruction) -> Iterator[int]:
    for value in i.values:
        if isinstance(value, Affine):
            yield from (r for r, _ in value.terms)
        elif isinstance(value, View):
            for affine in (value.offset, *value.shape):
                yield from (r for r, _ in affine.terms)


def _renamed(value: Any, old: int, new: int) -> Any:
    if isinstance(value, Affine) and any(r == old for r, _ in value.terms):
        return sum((Affine(0, ((new if r == old else r, c),)) for r, c in value.terms), Affine(value.const))
    if isinstance(value, View):
        shape = tuple(_renamed(extent, old, new) for extent in value.shape)
        return replace(value, offset=_renamed(value.offset, old, new), shape=shape)
    return value

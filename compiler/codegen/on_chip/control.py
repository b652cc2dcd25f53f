"""Graphs op by op; loops and branches inside a kernel, and what goes from one iteration to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from ...isa.model import Affine
from ..vector.nodes import NotVectorizable
from .elementwise import lower_elementwise
from .indexing import lower_dynamic_slice, lower_dynamic_update_slice, lower_gather, lower_scatter
from .program import CoreProgram
from .reduction import lower_arg_reduce, lower_dot, lower_reduce
from .registers import Scalar, constant, limits
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
from .values import Array, Cells, Far, Held, Repeated, Splat

MOST_INSTRUCTIONS = 6000  # of a kernel
ENDLESS = 2**62

LOWER: dict[type[Op], Callable[[CoreProgram, Any], Held]] = {
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
CONTROL = (Constant, While, Case, OptimizationBarrier)


@dataclass(eq=False)
class _Carried:
    """A value that a loop carries: registers that change with it, or the tile or GM argument that it stays in."""

    registers: tuple[int, ...] = ()
    home: Array | Far | None = None


def lower_graph(p: CoreProgram, graph: Graph) -> list[Held]:
    """Lower the ops of a graph whose arguments are held; return its results."""
    for op in graph.ops:
        if isinstance(op, Constant):
            continue
        if len(p.b.kernel.body) > MOST_INSTRUCTIONS:
            raise NotVectorizable("[on chip] a kernel of too many instructions")
        if isinstance(op, While):
            held = _nested_while(p, op)
        elif isinstance(op, Case):
            held = _case(p, op)
        elif isinstance(op, OptimizationBarrier):
            held = [p.get(v) for v in op.operands]
        else:
            held = [LOWER[type(op)](p, op)]
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
    with b.loop(0, ENDLESS if count is None else count) as iteration:
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
        for register, item in zip(c.registers, p.items(held) if c.registers else (), strict=True):
            own = Affine(0, ((register, 1),))
            if item.held != own:
                others = {r for r, _ in item.held.terms} & registers
                value = p.b.scalar("saffine", item.held) if others - {register} else item.held
                assignments.append((register, value))
    for home, array in moves:
        p.b.tmov(home.tile, array.tile)
    for register, value in assignments:
        p.b.saffine(register, value)


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
                for register, item in zip(place, p.items(held), strict=True):
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

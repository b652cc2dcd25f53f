"""A counting loop of vector arithmetic -> one kernel that runs all iterations.

    while (i < 100) { x = 0.5 * x + y[i]; z[i] = sum(x); i = i + 1 }    ->    one launch; i is a register

The stream would launch a kernel or more per iteration and keep what the loop carries in GM. Here it stays in tiles
(emit_loop.py); loops over chunks of large values are outside of the iterations, and blocks divide them as in any vector
kernel. A carried value that an iteration only writes a part of, at a place that follows from its number (what `scan`
collects), is stored part by part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from ...graph.builder import is_splat, splat_element
from ...graph.graph import Value, row_major
from ...graph.ops import Constant, DynamicUpdateSlice, HostCall, While
from ...graph.trip_count import Progression, progressions, trip_count
from ...isa.machine import CLASSES
from ...program.kernel import KernelBuilder
from ...targets import Target
from ...tiling.vector_plan import Conflict, NestPlan, plan_nest
from ..steps import Launch, Way
from .emit import SectionEmitter
from .emit_loop import Carried, LoopEmitter
from .nodes import Access, DynamicStart, Expressions, Node, NotVectorizable, Store, reachable
from .plan_section import SMALLEST_PART, make_problem, merge_accesses

_MOST_OPS, _MOST_ARGUMENTS = 256, 48


@dataclass(eq=False)
class _Group:
    """Carried values that depend on each other: a section of the kernel."""

    nodes: set[Node]
    carried: list[Carried] = field(default_factory=lambda: [])
    stacked: list[Store] = field(default_factory=lambda: [])

    def stores(self) -> list[Store]:
        return [*(s for c in self.carried for s in (c.final, c.next)), *self.stacked]


def loop_ways(op: While, target: Target) -> Iterator[Way]:
    """Yield the launch of a loop's kernel, with smaller and smaller tiles; nothing if the loop is not of the kind."""
    count = trip_count(op)
    ops = op.body.ops
    if not count or len(ops) > _MOST_OPS or any(True for inner in ops for _ in inner.regions()):
        return
    if any(isinstance(inner, HostCall) for inner in (*op.cond.ops, *ops)):
        return
    if any(v.type.size == 0 or v.dtype not in CLASSES["all"] for v in op.operands):  # a tile of it cannot be moved
        return
    try:
        yield from _LoopKernel(op, count).launches(target)
    except (Conflict, NotVectorizable):
        return


class _LoopKernel:
    def __init__(self, op: While, count: int):
        self.op, self.count = op, count
        self.progressions = progressions(op, count)
        self.starts_as: list[tuple[Value, Value]] = []
        stacked = self._stacked()
        kept = [i for i, v in enumerate(op.body.arguments) if i not in stacked and v not in self.progressions]
        results = op.body.results
        ops = [o for o in op.body.ops if o.results[0] not in self.progressions and o not in stacked.values()]
        used = [v for o in ops for v in o.operands] + [results[i] for i in kept]
        used += [u.operands[1] for u in stacked.values()]
        literals = dict.fromkeys(v.producer for v in used if is_splat(v) and v not in self.progressions)
        ops = [o for o in ops if not isinstance(o, Constant)]
        self.expressions = e = Expressions([*literals, *ops], [(op.body.arguments[i], results[i]) for i in kept])  # type: ignore[list-item]
        self.carried = [self._carried(i) for i in kept]
        self.stacked = [self._stored_part(i, update) for i, update in stacked.items()]
        self.counters = [
            Store(Access(op.results[i], {}), self._last(v))
            for i, v in enumerate(op.body.arguments)
            if v in self.progressions
        ]
        merge_accesses(e, [*(s for c in self.carried for s in (c.final, c.next)), *self.stacked, *self.counters], {})
        self.groups = self._groups()
        self._verify()

    # --- what a loop carries ---

    def _stacked(self) -> dict[int, DynamicUpdateSlice]:
        """Return the carried values whose only use is that an iteration writes a part of them."""
        body, users = self.op.body, self.op.body.users({})
        found: dict[int, DynamicUpdateSlice] = {}
        for i, (argument, result) in enumerate(zip(body.arguments, body.results, strict=True)):
            update = result.producer
            if (
                isinstance(update, DynamicUpdateSlice)
                and update.operands[0] is argument
                and users.get(argument) == [update]
                and result not in users
                and body.results.count(result) == 1
                and argument not in body.results
            ):
                found[i] = update
        return found

    def _carried(self, i: int) -> Carried:
        e, op = self.expressions, self.op
        argument, result, operand = op.body.arguments[i], op.body.results[i], op.operands[i]
        access = e.dense(result, e.space.of(result))
        node = e.node(argument)
        start: Value | int | float = operand
        splat = splat_element(operand)
        if splat is not None:
            start = float(splat) if operand.dtype.is_float else int(splat)
        final = Store(Access(op.results[i], dict(access.strides)), node)
        return Carried(node, start, Store(access, e.as_type(e.node(result), result.dtype)), final)

    def _stored_part(self, i: int, op: DynamicUpdateSlice) -> Store:
        e, (x, update, *starts) = self.expressions, op.operands
        access = Access(self.op.results[i], {})
        dims = map(e.axes.atoms, e.space.of(update))
        for d, (dim, step, start) in enumerate(zip(dims, row_major(x.shape), starts, strict=True)):
            limit = x.shape[d] - update.shape[d]
            if is_splat(start):
                access.offset += min(max(int(start.producer.splat), 0), limit) * step  # type: ignore[union-attr]
            elif limit:
                access.dynamic += (DynamicStart(start, limit, step),)
            for axis in reversed(dim):
                access.strides[axis] = step
                step *= e.axes.extent[axis]
        if not self._covers(access, update.type.size):
            self.starts_as.append((self.op.results[i], self.op.operands[i]))
        return Store(access, e.as_type(e.node(update), update.dtype))

    def _covers(self, access: Access, size: int) -> bool:
        """Whether all iterations together write every element: each the part beside the one before."""
        if len(access.dynamic) != 1 or access.offset or access.dynamic[0].value not in self.progressions:
            return False
        (start,) = access.dynamic
        all_parts = (Progression(0, 1), Progression(self.count - 1, -1))
        covers = start.stride == size and size * self.count == access.value.type.size
        return covers and self.progressions[start.value] in all_parts

    def _last(self, counter: Value) -> Node:
        p, dtype = self.progressions[counter], counter.dtype
        bits = 8 * dtype.bytes
        value = (p.start + p.step * self.count) % 2**bits
        signed = dtype.kind == "i" and value >= 2 ** (bits - 1)
        return Node("const", dtype, value=value - 2**bits if signed else value)

    def _groups(self) -> list[_Group]:
        def nodes(stores: list[Store]) -> set[Node]:
            return {
                n
                for n in reachable(s.node for s in stores)
                if n.kind != "const" and not (n.access and n.access.value in self.progressions)
            }

        groups: list[_Group] = []
        single = [_Group(nodes([c.final, c.next]), carried=[c]) for c in self.carried]
        single += [_Group(nodes([s]), stacked=[s]) for s in self.stacked]
        for group in single:
            apart: list[_Group] = []
            for other in groups:
                if other.nodes & group.nodes:
                    group = _Group(
                        other.nodes | group.nodes, other.carried + group.carried, other.stacked + group.stacked
                    )
                else:
                    apart.append(other)
            groups = [*apart, group]
        return groups

    def _verify(self) -> None:
        """Raise NotVectorizable unless carried values are read as they are stored, and starts stay in range."""
        own = {c.argument for c in self.carried}
        arguments = set(self.op.body.arguments)
        made = {r for op in self.op.body.ops for r in op.results}
        stores = [s for g in self.groups for s in g.stores()]
        for c in self.carried:
            if c.argument.access is None or c.argument.access.strides != _present(c.final.access):
                raise NotVectorizable("[loop] a carried value is read in another order than it is written")
        for access in [*(n.access for n in reachable(s.node for s in stores)), *(s.access for s in self.stacked)]:
            for start in access.dynamic if access else ():
                p = self.progressions.get(start.value)
                if not p.within(0, start.limit, self.count) if p else start.value in arguments | made:
                    raise NotVectorizable("[loop] a part whose place does not follow from the iteration's number")
        for n in reachable(s.node for s in stores):
            if n.access and n.access.value in arguments and n not in own and n.access.value not in self.progressions:
                raise NotVectorizable("[loop] a part of a carried value is read")

    # --- the kernel ---

    def launches(self, target: Target) -> Iterator[Way]:
        """Plan and emit, again with smaller tiles as often as asked."""
        part = 1
        while part <= SMALLEST_PART:
            yield [self._emit([self._plan(g, target, part) for g in self.groups])]
            part *= 2

    def _plan(self, group: _Group, target: Target, part: int) -> NestPlan:
        stores = group.stores()
        problem = make_problem(self.expressions, stores, reachable(s.node for s in stores))
        # The next iteration may need whatever this one reduces.
        problem.reductions = [replace(r, again=True) for r in problem.reductions]
        return plan_nest(problem, target, part)

    def _emit(self, plans: list[NestPlan]) -> Launch:
        blocks = max((p.blocks for p in plans), default=1)
        b = KernelBuilder("loop", "aiv", (blocks,))
        (block,) = b.blocks
        reads = self._reads()
        arguments = {value: b.argument(value.dtype, value.type.size) for value in dict.fromkeys(reads)}
        for value in self.op.results:
            arguments[value] = b.argument(value.dtype, value.type.size, writes=True)
        if len(arguments) > _MOST_ARGUMENTS or any(start in arguments for _, start in self.starts_as):
            raise NotVectorizable("[loop] too many arguments, or a read of what parts are written into")
        for group, plan in zip(self.groups, plans, strict=True):
            emitter = LoopEmitter(b, plan, arguments, block, self.count, self.progressions)
            with b.when(plan.blocks - block) if plan.blocks < blocks else nullcontext():
                emitter.run_loop(group.carried, group.stacked)
        with b.when(1 - block) if blocks > 1 else nullcontext():
            SectionEmitter(b, NestPlan({}), arguments, block).run(self.counters)
        aliases: list[tuple[Value, Value]] = []
        for group, plan in zip(self.groups, plans, strict=True):
            for c in group.carried:
                start, out = c.start, c.final.access
                if isinstance(start, Value) and reads.count(start) == 1 and set(plan.loops) <= set(out.strides):
                    aliases.append((out.value, start))
        return Launch(b.kernel, list(arguments), list(self.op.results), tuple(aliases), tuple(self.starts_as))

    def _reads(self) -> list[Value]:
        """Return the values that are read from GM, once per access."""
        own = {c.argument for c in self.carried}
        values = [c.start for c in self.carried if isinstance(c.start, Value)]
        for n in reachable(s.node for g in self.groups for s in g.stores()):
            if n.access and n not in own:
                values += [n.access.value, *(d.value for d in n.access.dynamic)]
        return [v for v in values if v not in self.progressions]


def _present(access: Access) -> dict[int, int]:
    return {a: s for a, s in access.strides.items() if s}

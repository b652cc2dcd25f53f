"""Schedule -> storage: which buffer every value lives in.

One walk in execution order. A value takes, in this order of preference: the buffer where it is wanted in the end (a
program result, a loop's carried slot, a case's result), the buffer of an operand it may overwrite, a fresh piece of
the frame. Loop-carried values are updated in place where the body allows it, else they alternate between two buffers
whose storage the loop exchanges: nothing is copied. What must be copied all the same is recorded as a Copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..codegen.steps import Call, Exchange, Join, Rename
from ..fusion.region import Region
from ..graph.graph import Value
from .schedule import Branches, Item, Loop, Materialise, Schedule, name_of


@dataclass(eq=False)
class Storage:
    """A buffer; first and last are the positions in the schedule between which it holds something.

    A part is some bytes of another one, its `whole`, from `offset` on. What has parts stays where it is: loops do not exchange it.
    """

    kind: str  # parameter | result | constant | frame | part
    bytes: int
    first: int
    last: int
    number: int = -1  # of the parameter or result
    writable: bool = True
    values: list[Value] = field(default_factory=lambda: [])
    whole: Storage | None = None
    offset: int = 0
    has_parts: bool = False


@dataclass(eq=False)
class Copy:
    """Copy the bytes of one buffer into another."""

    destination: Storage
    source: Storage
    bytes: int


@dataclass(eq=False)
class Placed:
    """An item of a schedule with the copies that come before it and, for control flow, its placed parts."""

    item: Item
    before: list[Copy] = field(default_factory=lambda: [])
    parts: list[PlacedSchedule] = field(default_factory=lambda: [])
    swaps: list[tuple[Storage, Storage]] = field(default_factory=lambda: [])


@dataclass(eq=False)
class PlacedSchedule:
    """A schedule with storage: its items, and the copies at its end."""

    items: list[Placed] = field(default_factory=lambda: [])
    after: list[Copy] = field(default_factory=lambda: [])


class Placer:
    """Places all values of one function. `result_alias[i]` is the parameter whose storage result i must take over, or -1."""

    def __init__(self, schedule: Schedule, result_alias: list[int]):
        self.storage: dict[Value, Storage] = {}
        self.all: list[Storage] = []
        self._last_use: dict[Value, int] = {}
        self._span: dict[Item, tuple[int, int]] = {}
        self._wanted: dict[Value, list[Storage]] = {}
        self._exchanged: list[tuple[Storage, Storage]] = []
        self._parts: dict[Join, list[Storage]] = {}
        self._waited: dict[Exchange, int] = {}
        self._now = 0
        end = self._number(schedule, 1) + 1
        graph = schedule.graph
        aliased = set(result_alias)
        for i, value in enumerate(graph.arguments):
            self._assign(value, self._new("parameter", value, number=i, writable=i in aliased))
        results: list[Storage] = []
        for i, (value, alias) in enumerate(zip(graph.results, result_alias, strict=True)):
            parameter = graph.arguments[alias] if alias >= 0 else None
            storage = self._new("result", value, number=i) if parameter is None else self.storage[parameter]
            results.append(storage)
            self._wanted.setdefault(value, []).append(storage)
            self._last_use[value] = end
        self.placed = self._place(schedule)
        self._now = end
        self._copy_together(
            [(d, self.storage[v]) for d, v in zip(results, graph.results, strict=True)], self.placed.after
        )
        for _ in range(2):  # storages that may be exchanged are held as long as each other
            for a, b in reversed(self._exchanged):
                a.first = b.first = min(a.first, b.first)
                a.last = b.last = max(a.last, b.last)

    # -- positions and last uses ------------------------------------------------------------------------------

    def _number(self, schedule: Schedule, time: int) -> int:
        """Give every item its span of positions and every value its last use; returns the next free position."""
        last = self._last_use
        for value in schedule.graph.arguments:
            last.setdefault(value, time)
        for item in schedule.items:
            start = time
            if isinstance(item, (Loop, Branches)):
                time += 1
                for part in item.parts:
                    time = self._number(part, time)
                for value in item.op.operands:
                    last[value] = max(last.get(value, 0), start)
                for value in item.captured:  # a loop reads it in every iteration
                    last[value] = max(last.get(value, 0), time if isinstance(item, Loop) else start)
                for value in item.op.results:
                    last.setdefault(value, time)
            else:
                for value in _reads(item):
                    last[value] = start
                for value in _writes(item):
                    last.setdefault(value, start)
            self._span[item] = (start, time)
            time += 1
        for value in schedule.graph.results:
            last[value] = max(last.get(value, 0), time)
        self._note_waits(schedule, time)
        return time + 1

    def _note_waits(self, schedule: Schedule, end: int) -> None:
        """Note until when an exchange may go on beside others: until something needs its results."""
        needed: dict[Value, int] = {}
        for item in reversed(schedule.items):
            if isinstance(item, (Rename, Join)):
                for value in _reads(item):
                    needed[value] = min(needed.get(value, end), needed.get(item.output, end))
                continue
            if isinstance(item, Exchange):
                self._waited[item] = min((needed.get(v, end) for v in item.outputs), default=end) - 1
            control = isinstance(item, (Loop, Branches))
            for value in [*item.op.operands, *item.captured] if control else _reads(item):
                needed[value] = self._span[item][0]

    # -- storage ----------------------------------------------------------------------------------------------

    def _new(self, kind: str, value: Value, number: int = -1, writable: bool = True) -> Storage:
        storage = Storage(kind, value.type.bytes, self._now, self._now, number, writable)
        self.all.append(storage)
        return storage

    def _assign(self, value: Value, storage: Storage) -> None:
        self.storage[value] = storage
        storage.values.append(value)
        storage.last = max(storage.last, self._last_use.get(value, 0), self._now)
        if storage.whole is not None:
            storage.whole.first = min(storage.whole.first, self._now)

    def _free(self, storage: Storage, present: tuple[Value, ...] = ()) -> bool:
        """Whether nothing in it is read from now on; values of `present` may still be read by the present step."""
        last, now = self._last_use, self._now
        return all(last[v] < now or (last[v] == now and v in present) for v in storage.values)

    def _choose(self, value: Value, overwrites: tuple[Value, ...], taken: set[Storage]) -> Storage:
        """Pick the buffer of a value that is defined now, by a step that may overwrite these operands of it."""
        for storage in self._wanted.get(value, ()):
            fits = storage.writable and storage.bytes == value.type.bytes and storage not in taken
            if fits and self._free(storage, overwrites):
                return storage
        for operand in overwrites:
            storage = self.storage[operand]
            fits = storage.kind == "frame" and storage.bytes == value.type.bytes and storage not in taken
            if fits and self._free(storage, (operand,)):
                return storage
        return self._new("frame", value)

    def _copy_together(self, pairs: list[tuple[Storage, Storage]], copies: list[Copy]) -> None:
        """Append copies (destination, source) that act as if all were done at once."""
        pairs = [(d, s) for d, s in pairs if d is not s]
        overwritten = {d for d, _ in pairs}
        final: list[Copy] = []
        for destination, source in pairs:
            if source in overwritten:
                stage = Storage("frame", source.bytes, self._now, self._now)
                self.all.append(stage)
                copies.append(Copy(stage, source, destination.bytes))
                source = stage
            source.last = max(source.last, self._now)
            final.append(Copy(destination, source, destination.bytes))
        copies += final

    # -- the walk ---------------------------------------------------------------------------------------------

    def _place(self, schedule: Schedule) -> PlacedSchedule:
        self._pass_wishes_up(schedule)
        result = PlacedSchedule()
        for item in schedule.items:
            self._now = self._span[item][0]
            placed = Placed(item)
            if isinstance(item, Loop):
                self._place_loop(item, placed)
            elif isinstance(item, Branches):
                self._place_branches(item, placed)
            elif isinstance(item, Materialise):
                if item.op.result not in self.storage:  # graphs that use an outer graph's constant name it again
                    self._assign(item.op.result, self._new("constant", item.op.result, writable=False))
            elif isinstance(item, Rename):
                self._assign(item.output, self.storage[item.input])
            elif isinstance(item, Join):
                self._place_join(item, placed)
            else:
                assert not isinstance(item, Region), f"[place values] a {item.kind} region was not lowered"
                self._place_step(item, placed)
            result.items.append(placed)
        self._now = self._span[schedule.items[-1]][1] + 1 if schedule.items else self._now
        return result

    def _pass_wishes_up(self, schedule: Schedule) -> None:
        """What a value wants that shares its operand's buffer, the operand wants too; inputs of a join want their parts."""
        for item in reversed(schedule.items):
            if isinstance(item, Join):
                self._divide(item)
            pairs: tuple[tuple[Value, Value], ...] = ()
            if isinstance(item, Rename):
                pairs = ((item.output, item.input),)
            elif isinstance(item, Exchange):
                pairs = item.starts_as + item.may_alias
            elif isinstance(item, Call):
                pairs = item.starts_as
            for output, operand in pairs:
                if output in self._wanted:
                    self._wanted.setdefault(operand, []).extend(self._wanted[output])

    def _divide(self, item: Join) -> None:
        """Make the buffer of a join, and let its inputs want their parts of it."""
        start, end = self._span[item]
        whole = Storage("frame", item.output.type.bytes, start, end, has_parts=True)
        self.all.append(whole)
        parts: list[Storage] = []
        offset = 0
        for value in item.inputs:
            parts.append(Storage("part", value.type.bytes, start, end, whole=whole, offset=offset))
            self._wanted.setdefault(value, []).append(parts[-1])
            offset += value.type.bytes
        self.all += parts
        self._parts[item] = parts

    def _place_join(self, item: Join, placed: Placed) -> None:
        parts = self._parts[item]
        for value, part in zip(item.inputs, parts, strict=True):
            if self.storage[value] is not part:
                placed.before.append(Copy(part, self.storage[value], part.bytes))
        assert parts[0].whole is not None
        self._assign(item.output, parts[0].whole)

    def _place_step(self, item: Call, placed: Placed) -> None:
        starts = dict(item.starts_as)
        taken: set[Storage] = set()
        for output in item.outputs:
            assert output not in self.storage, "[place values] two steps compute one value"
            if output in starts:
                overwrites: tuple[Value, ...] = (starts[output],)
            else:
                overwrites = tuple(i for o, i in item.may_alias if o is output)
            storage = self._choose(output, overwrites, taken)
            taken.add(storage)
            if output in starts and self.storage[starts[output]] is not storage:
                placed.before.append(Copy(storage, self.storage[starts[output]], output.type.bytes))
            self._assign(output, storage)
        if isinstance(item, Exchange):  # it may read its operands until it is waited for
            for value in item.arguments[len(item.outputs) :]:
                storage = self.storage[value]
                if storage not in taken:
                    self._last_use[value] = max(self._last_use[value], self._waited[item])
                    storage.last = max(storage.last, self._waited[item])

    def _place_loop(self, item: Loop, placed: Placed) -> None:
        op, (start, end) = item.op, self._span[item]
        outside = set(item.captured)
        homes: list[Storage] = []
        for i, operand in enumerate(op.operands):
            home = self.storage[operand]
            ours = home.kind == "frame" and not home.has_parts and home not in homes and operand not in outside
            if ours and all(self._last_use[v] <= start for v in home.values):
                home.values = []  # the loop takes it over: nothing else reads what it held
            else:
                source, home = home, self._new("frame", operand)
                placed.before.append(Copy(home, source, operand.type.bytes))
            homes.append(home)
            for graph in (item.cond.graph, item.body.graph):
                self._assign(graph.arguments[i], home)
        placed.parts.append(self._place(item.cond))
        spares: list[Storage] = []
        for home, value in zip(homes, item.body.graph.results, strict=True):
            self._now = start
            spare = self._new("frame", value)
            spares.append(spare)
            self._wanted.setdefault(value, []).extend((home, spare))
        body = self._place(item.body)
        placed.parts.append(body)
        self._now = end
        settled: set[Storage] = set()
        for home, spare, value in zip(homes, spares, item.body.graph.results, strict=True):
            where = self.storage[value]
            if where is home:
                if not spare.values:
                    self.all.remove(spare)
                settled.add(home)
                continue
            if where is not spare or spare in settled:
                body.after.append(Copy(spare, where, value.type.bytes))
                where.last = max(where.last, end)
            settled.add(spare)
            placed.swaps.append((home, spare))
            self._exchanged.append((home, spare))
        for home, spare, value in zip(homes, spares, op.results, strict=True):
            spare.last = max(spare.last, end)
            home.last = max(home.last, end)
            self._assign(value, home)

    def _place_branches(self, item: Branches, placed: Placed) -> None:
        (start, end), taken = self._span[item], set[Storage]()
        targets: list[Storage] = []
        for result in item.op.results:
            targets.append(self._choose(result, (), taken))
            taken.add(targets[-1])
        for branch in item.branches:
            for target, value in zip(targets, branch.graph.results, strict=True):
                self._wanted.setdefault(value, []).append(target)
            self._now = start
            part = self._place(branch)
            self._copy_together(
                [(t, self.storage[v]) for t, v in zip(targets, branch.graph.results, strict=True)], part.after
            )
            placed.parts.append(part)
        self._now = end
        for target, result in zip(targets, item.op.results, strict=True):
            self._assign(result, target)


def print_placement(placer: Placer) -> str:
    """Return the buffers with the positions between which they hold something, then the steps with theirs, copies too."""
    number = {storage: i for i, storage in enumerate(placer.all)}

    def show(storages: Iterable[Storage]) -> str:
        return ", ".join(f"b{number[s]}" for s in storages)

    def steps(placed: PlacedSchedule, indent: str) -> Iterator[str]:
        for step in placed.items:
            yield from (f"{indent}copy {show([c.source])} -> {show([c.destination])}" for c in step.before)
            item = step.item
            match item:
                case _ if isinstance(item, Call):
                    yield f"{indent}{name_of(item)} {show(placer.storage[v] for v in item.arguments)}"
                case Loop() | Branches():
                    swaps = ", ".join(f"{show([a])} <-> {show([b])}" for a, b in step.swaps)
                    yield f"{indent}{item.op.name} {show(placer.storage[v] for v in item.op.results)} {swaps}".rstrip()
                    for part in step.parts:
                        yield f"{indent}  {{"
                        yield from steps(part, indent + "    ")
                        yield f"{indent}  }}"
                case _:  # no work
                    pass
        yield from (f"{indent}copy {show([c.source])} -> {show([c.destination])}" for c in placed.after)

    buffers = [f"b{i}: {s.kind} of {s.bytes} bytes, {s.first} to {s.last}" for i, s in enumerate(placer.all)]
    return "\n".join([*buffers, "", *steps(placer.placed, "")])


def _reads(item: Item) -> list[Value]:
    if isinstance(item, Rename):
        return [item.input]
    if isinstance(item, Join):
        return item.inputs
    if isinstance(item, Call):
        return [*item.arguments, *(i for _, i in item.starts_as)]
    return []


def _writes(item: Item) -> list[Value]:
    if isinstance(item, (Rename, Join)):
        return [item.output]
    if isinstance(item, Call):
        return item.outputs
    return [item.op.result] if isinstance(item, Materialise) else []

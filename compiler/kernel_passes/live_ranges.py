"""When each tile of a kernel holds a value somebody will still read: the live ranges that on-chip allocation packs.

A live range is one interval of positions in the flat body. Loops execute parts of the body many times, so an interval
is widened to a whole loop whenever the tile's bytes must survive the jump back to the loop's start:

- the tile is used both inside and outside the loop;
- some read in the loop may see what an earlier iteration wrote (read before it is written in the body);
- the tile has several slots, and which one is used depends on the loop's register: then the buffers of neighbouring
  iterations are in flight together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..isa.model import Affine, Effect, TileRef
from ..program.kernel import Instruction, Kernel
from ..program.structure import Span, find_spans


@dataclass(eq=False)
class LiveRange:
    """The tiles that share one address (by treshape), and the positions first..last between which they are live."""

    tiles: tuple[int, ...]
    first: int
    last: int
    pipes: set[str] = field(default_factory=lambda: set())  # names of the pipes that touch the tiles

    def overlaps(self, other: LiveRange) -> bool:
        """Whether both are live at some position."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class _Use:
    position: int
    effect: Effect
    slot: Affine


def live_ranges(kernel: Kernel) -> list[LiveRange]:
    """Return the live range of every group of tiles that share an address; unused tiles live at position 0 only."""
    spans, inside = find_spans(kernel.body)
    depends = _loops_behind_registers(kernel, spans, inside)
    all_uses = _uses(kernel)
    ranges: list[LiveRange] = []
    for tiles in _shared_addresses(kernel):
        uses = all_uses[tiles[0]]
        if len(tiles) > 1:
            merged = [use for tile in tiles for use in all_uses[tile]]
            uses = sorted(merged, key=lambda u: (u.position, u.effect == Effect.write))
        slots = max(kernel.tiles[t].slots for t in tiles)
        live = LiveRange(tiles, uses[0].position if uses else 0, uses[-1].position if uses else 0)
        live.pipes = {kernel.pipe(kernel.body[u.position]).name for u in uses}
        for loop in reversed([b for b in spans if b.kind == "loop"]):  # inner loops before the loops around them
            if live.last < loop.start or live.first > loop.end:
                continue
            within = [u for u in uses if loop.contains(u.position)]
            if (
                live.first < loop.start
                or live.last > loop.end
                or _reads_earlier_iteration(loop, within, inside, depends)
                or (slots > 1 and any(loop in depends.of(u.slot) for u in within))
            ):
                live.first, live.last = min(live.first, loop.start), max(live.last, loop.end)
        ranges.append(live)
    return ranges


def _shared_addresses(kernel: Kernel) -> list[tuple[int, ...]]:
    leader = list(range(len(kernel.tiles)))

    def find(tile: int) -> int:
        while leader[tile] != tile:
            tile = leader[tile]
        return tile

    for instruction in kernel.body:
        if instruction.spec.name == "treshape":
            a, b = sorted((find(instruction.operand("dst").tile), find(instruction.operand("src").tile)))
            leader[b] = a
    groups: dict[int, list[int]] = {}
    for tile in range(len(kernel.tiles)):
        groups.setdefault(find(tile), []).append(tile)
    return [tuple(group) for group in groups.values()]


def _uses(kernel: Kernel) -> list[list[_Use]]:
    """Per tile its reads and writes in program order, an instruction's reads before its writes."""
    uses: list[list[_Use]] = [[] for _ in kernel.tiles]
    for position, instruction in enumerate(kernel.body):
        found: list[tuple[int, _Use]] = []
        for operand, value in instruction.operands():
            if isinstance(value, TileRef):
                found.append((value.tile, _Use(position, instruction.effect(operand), value.slot)))
        found.sort(key=lambda pair: pair[1].effect == Effect.write)
        for tile, use in found:
            uses[tile].append(use)
    return uses


def _reads_earlier_iteration(loop: Span, uses: list[_Use], inside: list[Span | None], depends: _Registers) -> bool:
    """Whether a read in the loop's body may come before every write of the same iteration."""
    written_under: list[set[Span]] = []  # per write so far: the spans that may skip it
    for use in uses:
        around = _path_below(loop, inside[use.position])
        if use.effect != Effect.write and not any(skips <= set(around) for skips in written_under):
            return True
        if use.effect != Effect.read:
            written_under.append({b for b in around if _may_skip(b, loop, depends)})
    return False


def _path_below(loop: Span, span: Span | None) -> list[Span]:
    path: list[Span] = []
    while span is not None and span != loop:
        path.append(span)
        span = span.parent
    return path


def _may_skip(span: Span, loop: Span, depends: _Registers) -> bool:
    """Whether some iterations of `loop` run the span and others do not, as far as can be seen."""
    if span.kind == "subblocks":
        return False
    if span.kind == "when":
        return True
    start, stop = (Affine.of(span.opener.operand(name)) for name in ("start", "stop"))
    count = stop - start
    if count.is_constant:
        return count.const <= 0
    return loop in depends.of(start) | depends.of(stop)  # else the same in every iteration: zero or not


@dataclass
class _Registers:
    """For each register the loops whose progress may change it."""

    loops: dict[int, set[Span]]

    def of(self, value: Affine | int) -> set[Span]:
        """Return the loops that may change an affine's value."""
        return set[Span]().union(*(self.loops.get(r, ()) for r, _ in Affine.of(value).terms))


def _loops_behind_registers(kernel: Kernel, spans: list[Span], inside: list[Span | None]) -> _Registers:
    sources: dict[int, set[int]] = {}  # register -> registers its definitions read
    loops: dict[int, set[Span]] = {}
    for span in spans:
        if span.kind == "loop":
            register = span.opener.operand("dst")
            loops.setdefault(register, set()).add(span)
            sources.setdefault(register, set()).update(r for r, _ in Affine.of(span.opener.operand("start")).terms)
    for position, instruction in enumerate(kernel.body):
        for operand, value in instruction.operands():
            if operand.kind != "register" or instruction.spec.opens:
                continue
            read = set(_registers_read(instruction))
            sources.setdefault(value, set()).update(read)
            around = inside[position]
            enclosing = {b for b in (around.path() if around else ()) if b.kind == "loop"}
            # A counter (r = r + 1), and what sload finds in memory, may change with every loop around; so may a
            # register that is set under a condition.
            if (
                value in read
                or instruction.spec.name == "sload"
                or (around and any(b.kind == "when" for b in around.path()))
            ):
                loops.setdefault(value, set()).update(enclosing)
    changed = True
    while changed:
        changed = False
        for register, reads in sources.items():
            mine = loops.setdefault(register, set())
            size = len(mine)
            mine.update(*(loops.get(r, set()) for r in reads))
            changed |= len(mine) != size
    return _Registers(loops)


def _registers_read(instruction: Instruction) -> Iterable[int]:
    for value in instruction.values:
        if isinstance(value, Affine):
            yield from (r for r, _ in value.terms)

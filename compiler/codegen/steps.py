"""What a region becomes: steps that planning gives storage to and writes to the stream, launches above all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..fusion.region import Region
from ..graph.graph import Value
from ..graph.location import Location
from ..graph.ops import Draw, Foreign
from ..kernel_passes.allocate_tiles import Layout
from ..program.kernel import Kernel


@dataclass(eq=False)
class Launch:
    """A kernel and the values that are its GM arguments, in order.

    may_alias: (output, input) pairs for which the kernel is right even if both are one buffer: it reads each element of the
    input before (or where) it writes it, in every block. starts_as: (output, input) pairs where the kernel updates part of
    the output, the rest of which must already hold the input: the planner gives them one buffer, or copies first.
    Values that occur in no graph are temporaries of the region. layout: where the tiles go that have no address yet. sources: where
    the ops come from that it computes, the first of them the one that stands for it.
    """

    kernel: Kernel
    arguments: list[Value]
    outputs: list[Value]
    may_alias: tuple[tuple[Value, Value], ...] = ()
    starts_as: tuple[tuple[Value, Value], ...] = ()
    layout: Layout = field(default_factory=lambda: [])
    sources: tuple[Location, ...] = ()


@dataclass(eq=False)
class AicpuLaunch:
    """An AICPU kernel by its name in isa/stream.py, with its values (results first) and its parameters by name.

    may_alias, sources: as of a Launch.
    """

    op: str
    arguments: list[Value]
    parameters: dict[str, Any]
    outputs: list[Value]
    may_alias: tuple[tuple[Value, Value], ...] = ()
    starts_as: tuple[tuple[Value, Value], ...] = ()
    sources: tuple[Location, ...] = ()


@dataclass(eq=False)
class CallHost:
    """A function of the host by its number, a handler or a draw, with its values: results first, which are the outputs."""

    callee: int | Foreign | Draw
    arguments: list[Value]
    outputs: list[Value]
    may_alias: tuple[tuple[Value, Value], ...] = ()
    starts_as: tuple[tuple[Value, Value], ...] = ()
    sources: tuple[Location, ...] = ()


@dataclass(eq=False)
class Exchange:
    """An exchange with other devices by its name in isa/stream.py, with its values: results first, which are the outputs."""

    exchange: str
    groups: tuple[tuple[int, ...], ...]
    reduction: str
    arguments: list[Value]
    outputs: list[Value]
    may_alias: tuple[tuple[Value, Value], ...] = ()
    starts_as: tuple[tuple[Value, Value], ...] = ()
    sources: tuple[Location, ...] = ()


@dataclass(eq=False)
class DeviceNumber:
    """The number of the device's partition or replica, as its only output."""

    of_replica: bool
    arguments: list[Value]
    outputs: list[Value]
    may_alias: tuple[tuple[Value, Value], ...] = ()
    starts_as: tuple[tuple[Value, Value], ...] = ()
    sources: tuple[Location, ...] = ()


@dataclass(eq=False)
class Rename:
    """`output` is `input` under another shape or equally wide element type: same storage, no work (reshape, bitcast)."""

    output: Value
    input: Value


@dataclass(eq=False)
class Join:
    """`output` is `inputs` one after the other in memory: they are computed in their places, and there is no work."""

    output: Value
    inputs: list[Value]


Call = Launch | AicpuLaunch | CallHost | Exchange | DeviceNumber
Step = Call | Rename


@dataclass(eq=False)
class Split:
    """Regions that together compute what one could not, in order: what an earlier part has made, later ones read."""

    parts: list[Region]


Way = list[Step | Region | Split]
"""One way to compute a region: steps, and regions yet to be lowered."""

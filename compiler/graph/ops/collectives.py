"""Operations in which the devices of a program exchange data.

Devices have the numbers 0 to n - 1, n = replicas * partitions: device `replica * partitions + partition`. The modes of
StableHLO, channels and axes of meshes are resolved when a module is imported. `groups` lists who takes part with whom, each
in the order in which parts are put together and reductions are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...isa.dtypes import DType
from ..graph import Graph, Op, TensorType
from .reduction import REDUCE_KINDS

Groups = tuple[tuple[int, ...], ...]


@dataclass(eq=False)
class Collective(Op):
    """Base of the operations that devices of a group do together: device g[i] of group g is its member i.

    They take any number of operands, and give a result for each, unless they say otherwise.
    """

    groups: Groups

    @property
    def group_size(self) -> int:
        """Number of devices in a group; only reductions may have groups of several sizes, then it is the largest."""
        return max(map(len, self.groups))

    def verify_groups(self, *, uneven: bool = False, everyone: bool = True) -> None:
        """Groups are of one size and disjoint; with `everyone` no number between those in use is left out."""
        self.require(bool(self.groups) and all(self.groups), "needs a group, and devices in each")
        devices = [d for group in self.groups for d in group]
        self.require(len(set(devices)) == len(devices) and min(devices) >= 0, "a device is in one group")
        self.require(not everyone or max(devices) == len(devices) - 1, "every device is in a group")
        self.require(uneven or len(set(map(len, self.groups))) == 1, "groups must have one size")

    def verify_scaled(self, scale: dict[int, tuple[int, int]]) -> None:
        """Every result is its operand with dimension d times scale[d][0] over scale[d][1], which divides it."""
        self.require(len(self.results) == len(self.operands), "one result for each operand")
        for x, y in zip(self.operands, self.results):
            shape = list(x.shape)
            for d, (times, over) in scale.items():
                self.require(0 <= d < len(shape), "dimension out of range")
                self.require(shape[d] % over == 0, "the group's size must divide the dimension")
                shape[d] = shape[d] * times // over
            self.require(y.type == TensorType(tuple(shape), x.dtype), "result type wrong")


@dataclass(eq=False)
class AllReduce(Collective):
    """Combine each operand over the members of the group; all members get the result.

    `kind` is a REDUCE_KINDS entry (then body is None) or "general" with `body` of two scalars, (so far, next). Combined in the
    order of the group; halves and smaller floats in f32, and rounded once.
    """

    name: ClassVar[str] = "all_reduce"

    kind: str
    body: Graph | None = None

    def verify(self) -> None:
        """Keeps the types."""
        self.verify_groups(uneven=True)
        self.verify_scaled({})
        _verify_reducer(self, self.kind, self.body)


@dataclass(eq=False)
class AllGather(Collective):
    """Put the members' operands together along `dimension`, in the order of the group."""

    name: ClassVar[str] = "all_gather"

    dimension: int

    def verify(self) -> None:
        """The dimension is as many times as long as a group has members."""
        self.verify_groups()
        self.verify_scaled({self.dimension: (self.group_size, 1)})


@dataclass(eq=False)
class ReduceScatter(Collective):
    """Combine as AllReduce, and give member i the i-th of equal parts along `dimension`."""

    name: ClassVar[str] = "reduce_scatter"

    dimension: int
    kind: str
    body: Graph | None = None

    def verify(self) -> None:
        """The dimension is divided by the group's size."""
        self.verify_groups()
        self.verify_scaled({self.dimension: (1, self.group_size)})
        _verify_reducer(self, self.kind, self.body)


@dataclass(eq=False)
class AllToAll(Collective):
    """Member i gets the i-th part along `split` from every member, put together along `concat` in the order of the group."""

    name: ClassVar[str] = "all_to_all"

    split: int
    concat: int

    def verify(self) -> None:
        """`split` is divided by the group's size, then `concat` multiplied."""
        self.verify_groups()
        size = self.group_size
        same = self.split == self.concat
        self.verify_scaled({self.split: (size, size)} if same else {self.split: (1, size), self.concat: (size, 1)})


@dataclass(eq=False)
class CollectivePermute(Collective):
    """Send the operand from the first to the second device of each group; who is sent nothing gets zeros."""

    name: ClassVar[str] = "collective_permute"

    def verify(self) -> None:
        """Keeps the type; groups are pairs; nobody sends or receives twice."""
        self.verify_scaled({})
        self.require(all(len(p) == 2 and min(p) >= 0 for p in self.groups), "groups are (source, target)")
        for side in (0, 1):
            numbers = [p[side] for p in self.groups]
            self.require(len(set(numbers)) == len(numbers), "a device sends and receives once")


@dataclass(eq=False)
class CollectiveBroadcast(Collective):
    """Give the members of a group the operand of its first; devices in no group get zeros."""

    name: ClassVar[str] = "collective_broadcast"

    def verify(self) -> None:
        """Keeps the type."""
        self.verify_groups(uneven=True, everyone=False)
        self.verify_scaled({})


@dataclass(eq=False)
class RaggedAllToAll(Collective):
    """Send rows of the first dimension to the members of the group, as many and to where the operands say.

    Operands: what is sent, what the result starts with, and for each member input offset, send size, output offset and
    receive size (integers [k * members], k pieces for each). Piece j goes to member j // k: `send_sizes[j]` rows from
    `input_offsets[j]` of the operand to `output_offsets[j]` of the receiver's result.
    """

    name: ClassVar[str] = "ragged_all_to_all"

    def verify(self) -> None:
        """The result has the second operand's type, which differs from the first in the number of rows only."""
        self.verify_groups()
        self.require(len(self.operands) == 6, "takes six operands")
        x, start, *numbers = self.operands
        (y,) = self.results
        self.require(y.type == start.type, "the result has the type of what it starts with")
        self.require(x.type.rank > 0 and x.type.rank == y.type.rank and x.dtype is y.dtype, "rows must agree")
        self.require(x.shape[1:] == y.shape[1:], "rows must agree")
        for v in numbers:
            self.require(v.dtype.is_integer and v.type.rank == 1, "offsets and sizes are vectors of integers")
            self.require(v.type == numbers[0].type, "offsets and sizes have one type")
            self.require(v.type.size % self.group_size == 0, "as many pieces for each member")


@dataclass(eq=False)
class _DeviceNumber(Op):
    """A number of the device that runs the program, u32[]."""

    def verify(self) -> None:
        """No operands; u32[]."""
        self.require(not self.operands, "takes no operands")
        self.require([v.type for v in self.results] == [TensorType((), DType.u32)], "gives u32[]")


@dataclass(eq=False)
class PartitionId(_DeviceNumber):
    """The device's number modulo the number of partitions."""

    name: ClassVar[str] = "partition_id"


@dataclass(eq=False)
class ReplicaId(_DeviceNumber):
    """The device's number over the number of partitions."""

    name: ClassVar[str] = "replica_id"


def _verify_reducer(op: Op, kind: str, body: Graph | None) -> None:
    op.require(kind in (*REDUCE_KINDS, "general"), f"unknown kind {kind!r}")
    op.require((body is not None) == (kind == "general"), "a body goes with kind general")
    if body is not None:
        for x in op.operands:
            scalar = TensorType((), x.dtype)
            types: Sequence[TensorType] = [v.type for v in (*body.arguments, *body.results)]
            op.require(types == [scalar] * 3, "the body takes two scalars and gives one")

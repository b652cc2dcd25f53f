"""Operations on values that lie on several devices. The pass partition turns them into what each device does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Op
from ..sharding import Axes, Sharding


@dataclass(eq=False)
class Reshard(Op):
    """The operand, cut along other axes: those of `to`."""

    name: ClassVar[str] = "reshard"

    to: Sharding

    def verify(self) -> None:
        """Keeps the type; one list of axes a dimension."""
        (x,), (y,) = self.operands, self.results
        self.require(x.type == y.type and len(self.to.dims) == x.type.rank, "keeps the type, cuts its dimensions")


@dataclass(eq=False)
class ManualComputation(Op):
    """Run `body` on each part that the axes `manual` cut operands into, collectives in it between those parts.

    Operands are cut as `ins` say, results put together as `outs` say. Of each dimension's axes the manual ones come first: the
    body's arguments and results have the shapes that these leave.
    """

    name: ClassVar[str] = "manual_computation"

    body: Graph
    manual: Axes
    ins: tuple[Sharding, ...]
    outs: tuple[Sharding, ...]

    def verify(self) -> None:
        """One sharding for each operand and result, and shapes in the body that follow from it."""
        for values, inner, shardings in (
            (self.operands, self.body.arguments, self.ins),
            (self.results, self.body.results, self.outs),
        ):
            self.require(len(values) == len(inner) == len(shardings), "one sharding a value")
            for value, part, sharding in zip(values, inner, shardings):
                cut = self.kept(sharding, manual=True)
                self.require(cut.is_even(value.shape), "manual axes cut evenly")
                self.require(part.shape == cut.local_shape(value.shape), "shapes in the body follow")

    def kept(self, sharding: Sharding, manual: bool) -> Sharding:
        """Return of a sharding what it says of the manual axes, or of the others."""

        def of(axes: Axes) -> Axes:
            return tuple(a for a in axes if (a in self.manual) is manual)

        return Sharding(sharding.mesh, tuple(map(of, sharding.dims)), of(sharding.partial))

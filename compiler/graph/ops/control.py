"""Operations that hold graphs and run at stream level. Regions may use values of the graphs around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Op


@dataclass(eq=False)
class While(Op):
    """Carry the operands through `body` as long as `cond` of them holds; results are the carried values."""

    name: ClassVar[str] = "while"

    cond: Graph
    body: Graph

    def verify(self) -> None:
        """Operands, results, arguments of both graphs and body results have the same types; cond gives i1[]."""
        types = [v.type for v in self.operands]
        for values in (self.results, self.cond.arguments, self.body.arguments, self.body.results):
            self.require([v.type for v in values] == types, "carried types must agree")
        self.require([str(v.type) for v in self.cond.results] == ["i1[]"], "the condition gives i1[]")


@dataclass(eq=False)
class Case(Op):
    """Run branches[index]; the operand is an i32 scalar; out of range runs the last. Branches take no arguments."""

    name: ClassVar[str] = "case"

    branches: list[Graph]

    def verify(self) -> None:
        """An i32[] index; every branch gives the results' types."""
        self.require(bool(self.branches), "needs a branch")
        self.require([str(v.type) for v in self.operands] == ["i32[]"], "the index is i32[]")
        types = [v.type for v in self.results]
        for branch in self.branches:
            self.require(not branch.arguments, "branches take no arguments")
            self.require([v.type for v in branch.results] == types, "branches must give the results' types")


@dataclass(eq=False)
class Call(Op):
    """Run `callee` on the operands. Several calls may share one callee graph."""

    name: ClassVar[str] = "call"

    callee: Graph

    def verify(self) -> None:
        """Operand and result types are those of the callee."""
        self.require([v.type for v in self.operands] == [v.type for v in self.callee.arguments], "argument types")
        self.require([v.type for v in self.results] == [v.type for v in self.callee.results], "result types")

"""The spans of a kernel's flat body: which `end` closes which `loop`, `when` or `subblocks`, what is inside what.

Passes that need nesting (allocation, verification, interpretation, printing) read it from here; the body stays flat.
"""

from __future__ import annotations

from dataclasses import dataclass

from .kernel import Instruction


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The instructions from `start`, which opens the span, to `end`, which closes it, both included."""

    start: int
    end: int
    opener: Instruction
    parent: Span | None

    @property
    def kind(self) -> str:
        """loop, when or subblocks."""
        return self.opener.spec.name

    def path(self) -> tuple[Span, ...]:
        """Return this span after the spans around it, outermost first."""
        return (*self.parent.path(), self) if self.parent else (self,)

    def contains(self, position: int) -> bool:
        """Whether the instruction at `position` belongs to the span."""
        return self.start <= position <= self.end


class UnbalancedSpans(Exception):
    """A span that is not closed, or an `end` that closes nothing; `position` is the instruction."""

    def __init__(self, position: int, what: str):
        super().__init__(what)
        self.position = position


def find_spans(body: list[Instruction]) -> tuple[list[Span], list[Span | None]]:
    """Return the spans in order of their openers, and for each instruction the innermost span around it.

    Openers and `end`s belong to the span they delimit. Raises UnbalancedSpans.
    """
    stack: list[int] = []
    ends: dict[int, int] = {}
    for position, instruction in enumerate(body):
        if instruction.spec.opens:
            stack.append(position)
        elif instruction.spec.name == "end":
            if not stack:
                raise UnbalancedSpans(position, "end closes no span")
            ends[stack.pop()] = position
    if stack:
        raise UnbalancedSpans(stack[-1], f"{body[stack[-1]].spec.name} is not closed by an end")
    spans: list[Span] = []
    inside: list[Span | None] = []
    current: Span | None = None
    for position, instruction in enumerate(body):
        if instruction.spec.opens:
            current = Span(position, ends[position], instruction, current)
            spans.append(current)
        inside.append(current)
        if instruction.spec.name == "end":
            assert current is not None
            current = current.parent
    return spans, inside

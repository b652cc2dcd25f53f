"""The blocks of a kernel's flat body: which `end` closes which `loop`, `when` or `subblocks`, what is inside what.

Passes that need nesting (allocation, verification, interpretation, printing) read it from here; the body stays flat.
"""

from __future__ import annotations

from dataclasses import dataclass

from .kernel import Instruction


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The instructions from `start`, which opens the block, to `end`, which closes it, both included."""

    start: int
    end: int
    opener: Instruction
    parent: Block | None

    @property
    def kind(self) -> str:
        """loop, when or subblocks."""
        return self.opener.spec.name

    def path(self) -> tuple[Block, ...]:
        """Return this block after the blocks around it, outermost first."""
        return (*self.parent.path(), self) if self.parent else (self,)

    def contains(self, position: int) -> bool:
        """Whether the instruction at `position` belongs to the block."""
        return self.start <= position <= self.end


class UnbalancedBlocks(Exception):
    """A block that is not closed, or an `end` that closes nothing; `position` is the instruction."""

    def __init__(self, position: int, what: str):
        super().__init__(what)
        self.position = position


def find_blocks(body: list[Instruction]) -> tuple[list[Block], list[Block | None]]:
    """Return the blocks in order of their openers, and for each instruction the innermost block around it.

    Openers and `end`s belong to the block they delimit. Raises UnbalancedBlocks.
    """
    stack: list[int] = []
    ends: dict[int, int] = {}
    for position, instruction in enumerate(body):
        if instruction.spec.opens:
            stack.append(position)
        elif instruction.spec.name == "end":
            if not stack:
                raise UnbalancedBlocks(position, "end closes no block")
            ends[stack.pop()] = position
    if stack:
        raise UnbalancedBlocks(stack[-1], f"{body[stack[-1]].spec.name} is not closed by an end")
    blocks: list[Block] = []
    inside: list[Block | None] = []
    current: Block | None = None
    for position, instruction in enumerate(body):
        if instruction.spec.opens:
            current = Block(position, ends[position], instruction, current)
            blocks.append(current)
        inside.append(current)
        if instruction.spec.name == "end":
            assert current is not None
            current = current.parent
    return blocks, inside

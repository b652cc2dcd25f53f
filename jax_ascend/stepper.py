"""A kernel instruction by instruction on the reference interpreter: tiles, registers, flags, watched bytes, hazards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _plugin
from .compiler.errors import InvalidInputError
from .compiler.graph.graph import TensorType
from .compiler.isa.machine import Loc
from .compiler.isa.model import Affine, Effect, TileRef
from .compiler.isa.text_operands import print_instruction
from .compiler.program.debug import commands_in_order
from .compiler.program.kernel import Kernel
from .compiler.program.program import Command, Function, Program, command
from .compiler.reference.interpreter import steps
from .compiler.reference.machine import Machine
from .compiler.reference.stream import run_program
from .compiler.targets import Target

_SHADES = " .:-=+*#%@"


@dataclass(frozen=True)
class Done:
    """What an instruction did: its place and text, tiles and arguments that it wrote, and watched bytes that changed."""

    position: int
    text: str
    wrote: list[str]
    watched: list[str] = field(default_factory=lambda: [])


class Stepper:
    """One block of a kernel, between two instructions.

    Args:
        kernel: its tiles have addresses.
        arguments: an array for each of its arguments, of at least its bytes; they are written.
        target: what it is for.
        block: the number of the block, counted along the last dimension of the grid first.
    """

    def __init__(self, kernel: Kernel, arguments: Sequence[np.ndarray], target: Target | None = None, block: int = 0):
        if not 0 <= block < kernel.blocks:
            raise InvalidInputError(
                f"[step] kernel {kernel.name} has no block {block}; expected 0 to {kernel.blocks - 1}."
            )
        if len(arguments) != len(kernel.arguments):
            raise InvalidInputError(
                f"[step] kernel {kernel.name} has {len(kernel.arguments)} arguments; expected an array for each, got "
                f"{len(arguments)}."
            )
        self.kernel, self.target = kernel, target or Target()
        self.arguments = list(arguments)
        raw = [a.reshape(-1).view(np.uint8) for a in self.arguments]
        for number, (declared, data) in enumerate(zip(kernel.arguments, raw, strict=True)):
            if data.size < declared.size * declared.dtype.bytes:
                raise InvalidInputError(
                    f"[step] argument {number} of kernel {kernel.name} is too small; expected {declared.size} "
                    f"{declared.dtype}, got {data.size} bytes."
                )
        self.machine = Machine(kernel, raw, self.target, tuple(map(int, np.unravel_index(block, kernel.grid))))
        self.flags: dict[
            tuple[Any, ...], int
        ] = {}  # (source, destination, event) or (pipe, cross flag): how often it is set
        self._watched: dict[str, tuple[Loc, int, int]] = {}
        self._walk = steps(self.machine)
        self.position: int | None = next(self._walk, None)  # of the next instruction; None at the end
        self.hazards = _hazards(kernel, self.target)  # by instruction

    @property
    def registers(self) -> dict[int, int]:
        """The registers that are set."""
        return dict(self.machine.registers)

    def text(self, position: int) -> str:
        """Return an instruction's text."""
        instruction = self.kernel.body[position]
        return print_instruction(instruction.spec, instruction.values)

    def step(self) -> Done:
        """Carry out the next instruction. Raises ReferenceFault, which names it, if it does what no program may."""
        if self.position is None:
            raise InvalidInputError(f"[step] kernel {self.kernel.name} has ended.")
        position, instruction = self.position, self.kernel.body[self.position]
        before = {name: self._bytes(*place) for name, place in self._watched.items()}
        self._count_flag(instruction.spec.name, instruction)
        wrote = [
            f"%t{v.tile}" if o.kind == "tile" else f"%g{v.argument}"
            for o, v in instruction.operands()
            if o.kind in ("tile", "view") and instruction.effect(o) is not Effect.read
        ]
        with np.errstate(all="ignore"):
            self.position = next(self._walk, None)
        changed = [n for n, place in self._watched.items() if not np.array_equal(before[n], self._bytes(*place))]
        return Done(position, self.text(position), wrote, changed)

    def run(self, breakpoints: Sequence[int] = (), hazards: bool = True, most: int = 10_000_000) -> str:
        """Go on until a reason to stop, and return it: a breakpoint, a hazard, a watch, or the end; "" after `most` steps."""
        for count in range(most):
            if self.position is None:
                return "end"
            if count and self.position in breakpoints:
                return f"breakpoint at {self.position}"
            if count and hazards and self.position in self.hazards:
                return f"hazard at {self.position}: {self.hazards[self.position][0]}"
            done = self.step()
            if done.watched:
                return f"{', '.join(done.watched)} written by {done.position}: {done.text}"
        return ""

    def watch(self, place: str) -> None:
        """Stop `run` when bytes change: `vec:1024+64`, on-chip memory, address and length (4 if left out)."""
        try:
            loc, _, rest = place.partition(":")
            address, _, length = rest.partition("+")
            where = Loc[loc], int(address, 0), int(length or "4", 0)
        except (KeyError, ValueError):
            names = ", ".join(l.name for l in Loc)
            raise InvalidInputError(
                f"[watch {place}] expected MEMORY:ADDRESS+BYTES, as vec:1024+64; memories: {names}."
            ) from None
        if not (where[1] >= 0 and where[2] > 0 and where[1] + where[2] <= self.target.capacity(where[0])):
            raise InvalidInputError(
                f"[watch {place}] lies outside of {loc}; expected 0 to {self.target.capacity(where[0])}."
            )
        self._watched[place] = where

    def tile(self, number: int, slot: int = 0) -> np.ndarray:
        """Return the valid region of a tile now, [rows, columns]; bytes nobody wrote are 0xFF, which is NaN in floats."""
        if not 0 <= number < len(self.kernel.tiles):
            raise InvalidInputError(f"[tile %t{number}] there is none; expected %t0 to %t{len(self.kernel.tiles) - 1}.")
        return self.machine.tile(TileRef(number, Affine(slot))).read()

    def argument(self, number: int) -> np.ndarray:
        """Return the elements of an argument now."""
        if not 0 <= number < len(self.arguments):
            raise InvalidInputError(
                f"[argument %g{number}] there is none; expected %g0 to %g{len(self.arguments) - 1}."
            )
        declared = self.kernel.arguments[number]
        raw = self.machine.arguments[number][: declared.size * declared.dtype.bytes]
        return raw.view(declared.dtype.numpy)

    def _bytes(self, loc: Loc, address: int, length: int) -> np.ndarray:
        return self.machine.cores[self.machine.subblock][loc][address : address + length].copy()

    def _count_flag(self, name: str, instruction: Any) -> None:
        if name in ("set_flag", "wait_flag"):
            event = self.machine.value(instruction.operand("event"))
            key = instruction.operand("src"), instruction.operand("dst"), event
        elif name in ("set_cross_flag", "wait_cross_flag"):
            key = ("cross", self.machine.value(instruction.operand("flag")))
        else:
            return
        self.flags[key] = self.flags.get(key, 0) + (1 if name.startswith("set") else -1)
        if self.flags[key] == 0:
            del self.flags[key]


def _hazards(kernel: Kernel, target: Target) -> dict[int, list[str]]:
    """Return what the hazard check says of a kernel, by the instruction that it names first."""
    main = Function("main")
    types = [TensorType((a.size,), a.dtype) for a in kernel.arguments]
    slots = [main.slot("parameter", n, t.bytes) for n, t in enumerate(types)]
    main.commands.append(command("launch", 0, slots))
    written = [n for n, a in enumerate(kernel.arguments) if a.writes]
    program = Program("step", target, types, [types[n] for n in written], written, [main], [kernel])
    found: dict[int, list[str]] = {}
    for message in _plugin.find_hazards(program.encode()):
        head = message.partition(", instruction ")[2].partition(":")[0]
        if head.isdigit():
            found.setdefault(int(head), []).append(message)
    return found


def picture(values: np.ndarray, rows: int = 24, columns: int = 64) -> str:
    """Return a matrix as characters from ` ` (least) to `@` (most), `?` for NaN, one for several elements if it is large."""
    v = np.atleast_2d(values.astype(np.float64))
    v = v[:: max(-(-v.shape[0] // rows), 1), :: max(-(-v.shape[1] // columns), 1)]
    finite = v[np.isfinite(v)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    with np.errstate(all="ignore"):
        level = np.clip((v - low) / ((high - low) or 1.0) * (len(_SHADES) - 1), 0, len(_SHADES) - 1)
    lines = ["".join("?" if np.isnan(x) else _SHADES[int(x)] for x in row) for row in level]
    return "\n".join([f"{low:g} .. {high:g}", *lines])


class _Reached(Exception):
    """A launch that was looked for, and the bytes of its arguments."""

    def __init__(self, kernel: int, arguments: list[np.ndarray]):
        super().__init__()
        self.kernel, self.arguments = kernel, arguments


def step_program(program: Program, inputs: Sequence[np.ndarray], at: str = "", block: int = 0) -> Stepper:
    """Run a program on the reference up to the first launch whose kernel, line or scope contains `at`; return a stepper there.

    Raises InvalidInputError if there is no such launch on the way that these inputs take.
    """
    debug = program.sources()
    names: dict[int, str] = {}
    for f, function in enumerate(program.functions):
        for n, c in enumerate(commands_in_order(function.commands)):
            if c.spec.name == "launch":
                kernel: int = c.values[0]
                places = debug.commands[f][n] if debug.commands else ()
                names[id(c)] = " ".join([program.kernels[kernel].name, *(f"{p.line} {p.scope}" for p in places)])

    def look(c: Command, table: list[Any]) -> None:
        if at in names.get(id(c), "") and id(c) in names:
            raise _Reached(c.values[0], [table[s].copy() for s in c.values[1]])

    try:
        run_program(program, list(inputs), before=look)
    except _Reached as reached:
        return Stepper(program.kernels[reached.kernel], reached.arguments, program.target, block)
    except KeyError as error:
        raise InvalidInputError(
            f"[step] {program.name} calls function {error} of the host before; the reference has none."
        ) from error
    known = ", ".join(dict.fromkeys(n.split(" ")[0] for n in names.values()))
    raise InvalidInputError(
        f"[--at {at}] no launch of {program.name} is of that name, line or scope; its kernels are {known}."
    )

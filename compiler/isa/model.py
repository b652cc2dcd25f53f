"""What an instruction declaration is made of.

An instruction is declared once, in `instructions/`: its operands with their effects, the pipe it runs on, its
cost and its meaning. Everything else (builder, verifier, binary encoding, text form, C++ structs and dispatch
table, manual, operand effects for allocation and synchronisation) is read from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .machine import CLASSES, LIMITS, CoreType, Layout, Loc, Pipe
from .type_rules import ANY, TypeRule, same

__all__ = ["CLASSES", "LIMITS", "CoreType", "Layout", "Loc", "Pipe", "same"]  # what declarations are made of


class Effect(IntEnum):
    """What an instruction does to an operand."""

    read = 1
    write = 2
    update = 3


PIPES = tuple(p.name for p in Pipe)
CMP_MODES = ("eq", "ne", "lt", "le", "gt", "ge")
ROUND_MODES = ("none", "rint", "floor", "ceil", "trunc")
ATOMIC_MODES = ("none", "add", "max", "min", "mul", "and", "or")
GATHER_MODES = ("row", "elem")


@dataclass(frozen=True, slots=True)
class Affine:
    """const + sum of coefficient * register: every address, extent, count, slot and event id is one."""

    const: int = 0
    terms: tuple[tuple[int, int], ...] = ()  # (register, coefficient), registers ascending, coefficients nonzero

    @staticmethod
    def of(value: int | Affine) -> Affine:
        """Lift an integer."""
        return value if isinstance(value, Affine) else Affine(int(value))

    def __add__(self, other: int | Affine) -> Affine:
        other = Affine.of(other)
        if not other.terms:
            return Affine(self.const + other.const, self.terms)
        sums = dict(self.terms)
        for reg, coefficient in other.terms:
            sums[reg] = sums.get(reg, 0) + coefficient
        return Affine(self.const + other.const, tuple(sorted((r, c) for r, c in sums.items() if c)))

    __radd__ = __add__

    def __mul__(self, factor: int) -> Affine:
        if factor == 0:
            return Affine()
        return Affine(self.const * factor, tuple((r, c * factor) for r, c in self.terms))

    __rmul__ = __mul__

    def __neg__(self) -> Affine:
        return self * -1

    def __sub__(self, other: int | Affine) -> Affine:
        return self + -Affine.of(other)

    def __rsub__(self, other: int | Affine) -> Affine:
        return Affine.of(other) - self

    @property
    def is_constant(self) -> bool:
        """Whether no register occurs."""
        return not self.terms

    def evaluate(self, registers: Any) -> int:
        """Return the value under a mapping or sequence of register values."""
        return self.const + sum(c * registers[r] for r, c in self.terms)

    def __str__(self) -> str:
        parts = [str(self.const)] if self.const or not self.terms else []
        for register, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+"
            factor = "" if abs(coefficient) == 1 else f"{abs(coefficient)}*"
            parts.append(f"{sign} {factor}%r{register}")
        return " ".join(parts).removeprefix("+ ")


@dataclass(frozen=True, slots=True)
class TileRef:
    """A tile of the kernel's tile table; of a multi-buffered tile, slot (modulo its slots) says which buffer."""

    tile: int
    slot: Affine = Affine()


@dataclass(frozen=True, slots=True)
class View:
    """A strided window on a kernel argument in GM, of up to five dimensions.

    Element (i0, ..., in) is argument[offset + sum(ij * strides[j])]. As a 2-D tile its dimensions before `split`,
    flattened, are the rows, and the others the columns. Strides are in elements; zero and negative are allowed.
    """

    argument: int
    offset: Affine
    shape: tuple[Affine, ...]
    strides: tuple[int, ...]
    split: int


@dataclass(frozen=True, slots=True)
class Operand:
    """A named operand of an instruction; `kind` is how it is encoded and printed."""

    name: str
    kind: str  # tile | view | affine | imm | enum | register | ints
    effect: Effect = Effect.read
    locs: tuple[Loc, ...] = ()  # tile: where it may live
    # tile, view: rows and columns of its valid region. 1 is one; a letter stands for one number in all operands of the
    # instruction (r rows, c columns; of products m, n, k). "any": what the meaning says.
    shape: str = "any"
    values: tuple[str, ...] = ()  # enum: the names, in encoding order
    default: Any = None
    low: int | None = None  # affine: least and largest value, as far as it is constant
    high: int | None = None
    static: bool = False  # affine: constant
    length: int | None = None  # ints: how many
    reads_if: str = ""  # update: reads only where this affine is positive
    indexed: bool = False  # view: elements are addressed by data, from the view's offset on


# The cost functions of the cycle model (plugin/device/cycles/cost.cc), as the manual describes them.
COST_KINDS = {
    "control": "nothing",
    "free": "nothing",
    "sync": "one cycle to issue; then the wait",
    "scalar": "one cycle",
    "scalar_compute": "one cycle; four for a division; what is no arithmetic costs a vector instruction of one element",
    "scalar_access": "an access of the scalar unit to UB",
    "scalar_load": "a start-up, then one element from or to L2 or HBM",
    "repeat": "a start-up, then {cycles:g} per 256 bytes; types that are not native cost their promotion too",
    "convert": "a start-up, then {cycles:g} per 256 bytes of the wider type",
    "row_reduce": "a start-up, then {cycles:g} per 256 bytes; types that are not native cost their promotion too",
    "transpose": "a start-up, then {cycles:g} per 256 bytes; types that are not native cost their promotion too",
    "move": "a start-up, then one per 256 bytes, or the bytes at the rate of the bias table",
    "piece": "a start-up, then one per 256 bytes of the piece",
    "sort": "a start-up, then {cycles:g} per 32 columns",
    "merge": "a start-up, then {cycles:g} per pair of dst",
    "load": "the bytes at the rate of the memory they go to, of L2 and of HBM, whichever is slowest",
    "store": "the bytes at the rate of UB or FIXP, of L2 and of HBM, whichever is slowest",
    "gather": "as load or store, every row a transfer of its own",
    "extract": "a start-up, then the bytes at the rate of L0A or L0B",
    "mad": "a start-up, then a cycle per fractal step (M/16 * N/16 * K*bytes/32), two in f32",
}


@dataclass(frozen=True)
class Cost:
    """Which cost function of the cycle model applies, and its parameter (cycles per 256-byte repeat, ...)."""

    kind: str
    cycles: float = 0.0

    def __post_init__(self) -> None:
        assert self.kind in COST_KINDS, f"no cost function is called {self.kind}"

    def __str__(self) -> str:
        return COST_KINDS[self.kind].format(cycles=max(self.cycles, 1))


@dataclass(frozen=True)
class Spec:
    """One instruction of the set."""

    name: str
    group: str
    summary: str  # the meaning: one line of pseudo-code or a sentence, shown in the manual
    operands: tuple[Operand, ...]
    pipe: Pipe | dict[Loc, Pipe]  # or by the location of the operand `pipe_by`
    cost: Cost
    pipe_by: str = ""
    dtypes: TypeRule = ANY
    computes: bool = False  # in its tiles' type: one that is not native to the architecture is promoted, and costs that
    opens: bool = False  # starts a block closed by `end`
    mixed: bool = False  # only in kernels that run on cube and vector cores

    @property
    def tiles(self) -> tuple[Operand, ...]:
        """The tile operands."""
        return tuple(o for o in self.operands if o.kind == "tile")


_REGISTRY: dict[str, Spec] = {}


def declare(spec: Spec) -> Spec:
    """Add an instruction to the set; its opcode is its position."""
    assert spec.name not in _REGISTRY, f"{spec.name} is declared twice"
    _REGISTRY[spec.name] = spec
    return spec


def instruction_set() -> dict[str, Spec]:
    """Return every instruction by name, in opcode order."""
    from . import instructions as instructions  # declares them

    return _REGISTRY


# Shorthands for declarations.
def out(name: str = "dst", loc: Loc | tuple[Loc, ...] = Loc.vec, shape: str = "rc") -> Operand:
    """A tile the instruction writes."""
    return Operand(name, "tile", Effect.write, loc if isinstance(loc, tuple) else (loc,), shape)


def src(name: str = "src", loc: Loc | tuple[Loc, ...] = Loc.vec, shape: str = "rc") -> Operand:
    """A tile the instruction reads."""
    return Operand(name, "tile", Effect.read, loc if isinstance(loc, tuple) else (loc,), shape)


def view(name: str, effect: Effect, shape: str = "any", indexed: bool = False) -> Operand:
    """A window on a kernel argument."""
    return Operand(name, "view", effect, shape=shape, indexed=indexed)


def affine(
    name: str, default: int | None = None, low: int | None = None, high: int | None = None, static: bool = False
) -> Operand:
    """An integer: constant plus registers times coefficients."""
    return Operand(name, "affine", default=default, low=low, high=high, static=static)


def imm(name: str = "scalar") -> Operand:
    """A number of the tile's element type."""
    return Operand(name, "imm")


def enum(name: str, values: tuple[str, ...], default: str | None = None) -> Operand:
    """One of a few names."""
    return Operand(name, "enum", values=values, default=default)


def register(name: str = "dst") -> Operand:
    """A scalar register that is written."""
    return Operand(name, "register", Effect.write)


def ints(name: str, length: int) -> Operand:
    """A list of static integers."""
    return Operand(name, "ints", length=length)

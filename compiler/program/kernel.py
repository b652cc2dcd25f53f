"""The Kernel IR: one tile program, run by every block of a grid.

A kernel has arguments (buffers in GM), a table of on-chip tiles with addresses, 64-bit scalar registers and a flat list of
instructions in which `loop`, `when` and `subblocks` open spans that `end` closes. Registers 0..len(grid)-1 hold the block's
grid coordinates. A tile's valid region is affine in the registers and read when an instruction uses the tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from ..isa.dtypes import DType
from ..isa.encoding import Reader, decode_instruction, encode_affine, encode_instruction
from ..isa.machine import KERNEL_CORES, Layout, Loc, Pipe
from ..isa.model import Affine, Effect, Operand, Spec, TileRef, View, instruction_set

_ZERO = Affine()


@dataclass(frozen=True, slots=True)
class Argument:
    """A buffer in GM that the kernel is launched with."""

    dtype: DType
    size: int  # elements
    writes: bool = False


@dataclass(slots=True)
class Tile:
    """An on-chip tile: static capacity rows x columns, a valid region, and `slots` equal buffers `slot_stride` bytes apart."""

    loc: Loc
    dtype: DType
    rows: int
    columns: int
    layout: Layout = Layout.nd
    address: int = -1  # bytes; -1 until allocated
    slots: int = 1
    slot_stride: int = 0
    valid_rows: Affine = _ZERO
    valid_columns: Affine = _ZERO

    @property
    def bytes(self) -> int:
        """Bytes of one buffer of the tile."""
        return self.rows * self.columns * self.dtype.bytes


@dataclass(slots=True)
class Instruction:
    """One instruction: its declaration and its operand values, in declared order."""

    spec: Spec
    values: tuple[Any, ...]

    def operands(self) -> Iterator[tuple[Operand, Any]]:
        """Return the operands' declarations with their values."""
        return zip(self.spec.operands, self.values, strict=True)

    def operand(self, name: str) -> Any:
        """Return the value of the operand called `name`."""
        return next(v for o, v in self.operands() if o.name == name)

    def effect(self, operand: Operand) -> Effect:
        """Return what the instruction does to an operand: an update that certainly does not read is a write."""
        if operand.reads_if:
            condition = Affine.of(self.operand(operand.reads_if))
            if condition.is_constant and condition.const <= 0:
                return Effect.write
        return operand.effect


@dataclass
class Kernel:
    """A tile program; build it with KernelBuilder."""

    name: str
    core: str  # of KERNEL_CORES
    grid: tuple[int, ...]
    arguments: list[Argument] = field(default_factory=lambda: [])
    tiles: list[Tile] = field(default_factory=lambda: [])
    registers: int = 0
    body: list[Instruction] = field(default_factory=lambda: [])

    @property
    def blocks(self) -> int:
        """Number of blocks a launch runs."""
        return prod(self.grid)

    def pipe(self, instruction: Instruction) -> Pipe:
        """Return the pipe an instruction runs on."""
        spec = instruction.spec
        if isinstance(spec.pipe, Pipe):
            return spec.pipe
        number: int = instruction.operand(spec.pipe_by).tile
        return spec.pipe[self.tiles[number].loc]

    def encode(self) -> list[int]:
        """Return the kernel without its name as words; equal kernels give equal words."""
        words = [KERNEL_CORES.index(self.core), len(self.grid), *self.grid, len(self.arguments)]
        for a in self.arguments:
            words += (a.dtype.code, a.size, int(a.writes))
        words.append(len(self.tiles))
        for t in self.tiles:
            words += (t.loc, t.dtype.code, t.rows, t.columns, t.layout, t.address, t.slots, t.slot_stride)
            encode_affine(words, t.valid_rows)
            encode_affine(words, t.valid_columns)
        words += (self.registers, len(self.body))
        for instruction in self.body:
            encode_instruction(words, instruction.spec, instruction.values)
        return words

    @classmethod
    def decode(cls, name: str, reader: Reader) -> Kernel:
        """Take from `reader` what `encode` wrote; DecodeError says where and why it is no kernel."""
        core = reader.one_of(KERNEL_CORES)
        kernel = cls(name, core, reader.several(reader.count()))
        for _ in range(reader.count()):
            dtype = reader.dtype()
            kernel.arguments.append(Argument(dtype, reader.word(), bool(reader.word())))
        for _ in range(reader.count()):
            loc, dtype, rows, columns = reader.one_of(tuple(Loc)), reader.dtype(), reader.word(), reader.word()
            layout, (address, slots, stride) = reader.one_of(tuple(Layout)), reader.several(3)
            valid = reader.affine(), reader.affine()
            kernel.tiles.append(Tile(loc, dtype, rows, columns, layout, address, slots, stride, *valid))
        kernel.registers = reader.word()
        for _ in range(reader.count()):
            kernel.body.append(Instruction(*decode_instruction(reader)))
        return kernel

    def __str__(self) -> str:
        from .text import print_kernel

        return print_kernel(self)


class KernelBuilder:
    """Builds a Kernel: `b.tadd(dst, src0, src1)` appends an instruction, keyword or default operands last."""

    def __init__(self, name: str, core: str, grid: tuple[int, ...]):
        self.kernel = Kernel(name, core, grid, registers=len(grid))

    @cached_property
    def blocks(self) -> tuple[Affine, ...]:
        """The block's grid coordinates, as affines."""
        return tuple(Affine(0, ((i, 1),)) for i in range(len(self.kernel.grid)))

    def argument(self, dtype: DType, size: int, writes: bool = False) -> int:
        """Add a GM argument of `size` elements; returns its index."""
        self.kernel.arguments.append(Argument(dtype, size, writes))
        return len(self.kernel.arguments) - 1

    def tile(
        self,
        loc: Loc,
        dtype: DType,
        rows: int,
        columns: int,
        valid: tuple[int | Affine, int | Affine] | None = None,
        layout: Layout = Layout.nd,
        slots: int = 1,
        address: int = -1,
        slot_stride: int = 0,
    ) -> TileRef:
        """Add a tile of static capacity rows x columns; the valid region defaults to all of it."""
        rows_valid, columns_valid = valid or (rows, columns)
        tile = Tile(
            loc,
            dtype,
            rows,
            columns,
            layout,
            address,
            slots,
            slot_stride,
            Affine.of(rows_valid),
            Affine.of(columns_valid),
        )
        self.kernel.tiles.append(tile)
        return TileRef(len(self.kernel.tiles) - 1)

    def view(
        self,
        argument: int,
        offset: int | Affine,
        shape: tuple[int | Affine, ...],
        strides: tuple[int, ...],
        split: int | None = None,
    ) -> View:
        """Describe a window on an argument; by default all dimensions but the last are rows."""
        return View(
            argument,
            Affine.of(offset),
            tuple(map(Affine.of, shape)),
            tuple(strides),
            len(shape) - 1 if split is None else split,
        )

    def register(self) -> int:
        """Reserve a scalar register."""
        self.kernel.registers += 1
        return self.kernel.registers - 1

    def emit(self, spec: Spec, *values: Any, **named: Any) -> Instruction:
        """Append an instruction; operands left out take their declared default."""
        filled = list(values)
        for operand in spec.operands[len(values) :]:
            value = named.pop(operand.name, operand.default)
            if value is None:
                raise TypeError(f"[{spec.name}] operand {operand.name} is missing")
            filled.append(value)
        if named:
            raise TypeError(f"[{spec.name}] has no operands {sorted(named)}")
        instruction = Instruction(spec, tuple(filled))
        self.kernel.body.append(instruction)
        return instruction

    def __getattr__(self, name: str) -> Callable[..., Instruction]:
        spec = instruction_set().get(name)
        if spec is None:
            raise AttributeError(name)
        return lambda *values, **named: self.emit(spec, *values, **named)

    def scalar(self, name: str, *operands: int | str | Affine | View | TileRef) -> Affine:
        """Append a scalar instruction (`smin`, `sload`, ...) into a fresh register and return that register."""
        register = self.register()
        self.emit(instruction_set()[name], register, *operands)
        return Affine(0, ((register, 1),))

    def minimum(self, a: int | Affine, b: int | Affine) -> Affine:
        """Return min(a, b), as a constant where both are."""
        a, b = Affine.of(a), Affine.of(b)
        if (a - b).is_constant:
            return a if (a - b).const <= 0 else b
        return self.scalar("smin", a, b)

    @contextmanager
    def loop(self, start: int | Affine, stop: int | Affine, step: int = 1):
        """Loop over [start, stop); yields the loop variable as an affine."""
        register = self.register()
        self.emit(instruction_set()["loop"], register, Affine.of(start), Affine.of(stop), Affine.of(step))
        yield Affine(0, ((register, 1),))
        self.emit(instruction_set()["end"])

    @contextmanager
    def when(self, value: int | Affine):
        """Run the body if value > 0."""
        self.emit(instruction_set()["when"], Affine.of(value))
        yield
        self.emit(instruction_set()["end"])

    @contextmanager
    def subblocks(self):
        """Run the body on both vector cores of a mixed kernel; yields 0 or 1 as an affine."""
        register = self.register()
        self.emit(instruction_set()["subblocks"], register)
        yield Affine(0, ((register, 1),))
        self.emit(instruction_set()["end"])

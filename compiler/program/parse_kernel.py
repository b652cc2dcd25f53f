"""Reads the text of a kernel back: recursive descent, driven by the same declarations the printer uses."""

from __future__ import annotations

import struct
from typing import Any

from ..isa.dtypes import DType
from ..isa.machine import KERNEL_CORES, Layout, Loc
from ..isa.model import Affine, Operand, Spec, TileRef, View, instruction_set
from ..isa.text_operands import PREFIX, is_attribute, is_written
from .kernel import Argument, Instruction, Kernel, Tile
from .text_tokens import Tokens

_TILE_FIELDS = ("loc", "dtype", "rows", "cols", "valid", "layout", "address", "slots", "stride")


def parse_kernel(text: str) -> Kernel:
    """Return the kernel that `text` describes; TextError says which line is wrong."""
    parser = KernelParser(text)
    kernel = parser.kernel()
    parser.expect_end()
    return kernel


class KernelParser(Tokens):
    """Operands, instructions, tiles, kernels."""

    # -- operands ---------------------------------------------------------------------------------------------

    def affine(self) -> Affine:
        """Take constants and register terms with their signs."""
        const, terms, first = 0, list[tuple[int, int]](), True
        while first or self.peek in ("+", "-"):
            sign = -1 if self.has("-") else 1
            if not first and sign == 1:
                self.expect("+")
            if self.peek.startswith("%"):
                terms.append((self.reference("r"), sign))
            else:
                value = sign * self.integer()
                if self.has("*"):
                    terms.append((self.reference("r"), value))
                else:
                    const += value
            first = False
        return Affine(const, tuple(terms))

    def number(self) -> int | float:
        """Take an immediate."""
        if self.has("f64"):
            self.expect("(")
            bits = self.take()
            self.expect(")")
            return struct.unpack(">d", bytes.fromhex(bits.removeprefix("0x")))[0]
        sign = -1 if self.has("-") else 1
        token = self.take()
        if token.isdigit():
            return sign * int(token)
        try:
            value = float(token)
        except ValueError:
            self.next -= 1
            self.fail(f"expected a number, got {token!r}.")
        return -value if sign < 0 else value

    def tile(self) -> TileRef:
        """Take %t<number>, with a slot in brackets or without."""
        number = self.reference("t")
        if not self.has("["):
            return TileRef(number)
        slot = self.affine()
        self.expect("]")
        return TileRef(number, slot)

    def view(self) -> View:
        """Take %g<number>[offset : rows | columns : strides]."""
        argument = self.reference("g")
        self.expect("[")
        offset = self.affine()
        self.expect(":")
        rows = self.items("|", self.affine)
        columns = self.items(":", self.affine)
        strides = self.items("]", self.integer)
        if len(strides) != len(rows) + len(columns):
            self.fail(f"a view of {len(rows) + len(columns)} dimensions has {len(strides)} strides.", before=True)
        return View(argument, offset, tuple(rows + columns), tuple(strides), len(rows))

    def operand(self, operand: Operand) -> Any:
        """Take an operand of the declared kind."""
        kind = operand.kind
        if kind == "tile":
            return self.tile()
        if kind == "view":
            return self.view()
        if kind == "affine":
            return self.affine()
        if kind == "imm":
            return self.number()
        if kind == "register":
            return self.reference("r")
        if kind == "enum":
            return self.one_of(operand.values, operand.name)
        self.expect("[")
        return tuple(self.items("]", self.integer))

    # -- instructions -----------------------------------------------------------------------------------------

    def instruction(self) -> Instruction:
        """Take one instruction; a closing brace is `end`."""
        isa = instruction_set()
        if self.has("}"):
            return Instruction(isa["end"], ())
        values: dict[str, Any] = {}
        result = None
        if self.peek.startswith("%r"):
            result = self.reference("r")
            self.expect("=")
        name = self.one_of([PREFIX + n for n in isa], "instruction").removeprefix(PREFIX)
        spec = isa[name]
        if name == "loop":
            return Instruction(spec, self._loop())
        if spec.opens:
            values = {o.name: self.operand(o) for o in spec.operands}
            self.expect("{")
            return Instruction(spec, tuple(values.values()))
        for operand in spec.operands:
            if operand.kind == "register":
                if result is None:
                    self.fail(f"{name} sets a register; expected %r<number> = before it.")
                values[operand.name] = result
        self._group(spec, values, "ins", [o for o in spec.operands if self._in(spec, o)])
        self._group(spec, values, "outs", [o for o in spec.operands if is_written(o)])
        self._attributes(spec, values)
        return Instruction(spec, tuple(values[o.name] for o in spec.operands))

    @staticmethod
    def _in(spec: Spec, operand: Operand) -> bool:
        return operand.kind != "register" and not is_written(operand) and not is_attribute(spec, operand)

    def _loop(self) -> tuple[Any, ...]:
        register = self.reference("r")
        self.expect("=")
        start = self.affine()
        self.expect("to")
        stop = self.affine()
        self.expect("step")
        step = self.affine()
        self.expect("{")
        return register, start, stop, step

    def _group(self, spec: Spec, values: dict[str, Any], word: str, operands: list[Operand]) -> None:
        if not operands:
            return
        self.expect(word, "(")
        for index, operand in enumerate(operands):
            if index:
                self.expect(",")
            values[operand.name] = self.operand(operand)
        self.expect(")")

    def _attributes(self, spec: Spec, values: dict[str, Any]) -> None:
        operands = {o.name: o for o in spec.operands if is_attribute(spec, o)}
        for name, operand in operands.items():
            if operand.default is not None:
                values[name] = operand.default if operand.kind == "enum" else Affine.of(operand.default)
        if operands and self.has("{"):
            self.items("}", lambda: values.update([self._attribute(operands)]))
        for name in operands:
            if name not in values:
                self.fail(f"{spec.name} lacks {name}=...", before=True)

    def _attribute(self, operands: dict[str, Operand]) -> tuple[str, Any]:
        name = self.one_of(operands, "attribute")
        self.expect("=")
        return name, self.operand(operands[name])

    # -- kernels ----------------------------------------------------------------------------------------------

    def dtype(self) -> DType:
        """Take the name of an element type."""
        return DType[self.one_of(DType.__members__, "element type")]

    def kernel(self) -> Kernel:
        """Take a kernel."""
        self.expect("kernel")
        name = self.name()
        core = self.one_of(KERNEL_CORES, "core type")
        self.expect("grid", "(")
        grid = tuple(self.items(")", self.integer))
        self.expect("registers", "(")
        kernel = Kernel(name, core, grid, registers=self.integer())
        self.expect(")", "{")
        while self.peek.startswith("%g"):
            kernel.arguments.append(self._argument(len(kernel.arguments)))
        while self.peek.startswith("%t"):
            kernel.tiles.append(self._tile(len(kernel.tiles)))
        depth = 0
        while depth or self.peek != "}":
            kernel.body.append(self.instruction())
            depth += kernel.body[-1].spec.opens - (kernel.body[-1].spec.name == "end")
        self.expect("}")
        return kernel

    def _numbered(self, letter: str, expected: int) -> None:
        if self.peek != f"%{letter}{expected}":
            self.fail(f"out of order: expected %{letter}{expected}, got {self.peek!r}.")
        self.take()
        self.expect("=")

    def _argument(self, number: int) -> Argument:
        self._numbered("g", number)
        self.expect("argument")
        dtype = self.dtype()
        self.expect("[")
        size = self.integer()
        self.expect("]")
        return Argument(dtype, size, self.has("writes"))

    def _tile(self, number: int) -> Tile:
        self._numbered("t", number)
        self.expect("pto.alloc_tile", ":", "!pto.tile_buf", "<")
        fields: dict[str, Any] = {"layout": "nd", "address": -1, "slots": 1, "stride": 0}
        self.items(">", lambda: fields.update([self._tile_field()]))
        for name in ("loc", "dtype", "rows", "cols"):
            if name not in fields:
                self.fail(f"tile %t{number} lacks {name}=...", before=True)
        rows, columns = fields["rows"], fields["cols"]
        valid = fields.get("valid", (Affine(rows), Affine(columns)))
        return Tile(
            Loc[fields["loc"]], fields["dtype"], rows, columns, Layout[fields["layout"]], fields["address"],
            fields["slots"], fields["stride"], *valid,
        )  # fmt: skip

    def _tile_field(self) -> tuple[str, Any]:
        name = self.one_of(_TILE_FIELDS, "field of a tile")
        self.expect("=")
        if name == "dtype":
            return name, self.dtype()
        if name in ("loc", "layout"):
            return name, self.one_of((Loc if name == "loc" else Layout).__members__, name)
        if name != "valid":
            return name, self.integer()
        self.expect("[")
        rows = self.affine()
        self.expect(",")
        columns = self.affine()
        self.expect("]")
        return name, (rows, columns)

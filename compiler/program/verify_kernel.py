"""Refuses kernels that break a rule of the instruction set, naming the kernel, the instruction and the rule.

Checked is what can be told without running: nesting, registers set before they are read, what lives where, element
types, valid regions and view bounds as far as they are constant. The executor checks the rest at load and, on request,
at run.
"""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

from ..errors import KernelError
from ..isa.model import Access, Affine, Layout, Loc, Operand, Pipe, TileRef, View
from ..isa.text_operands import print_instruction
from ..isa.type_rules import check_dtypes, check_memory_dtypes, check_shapes, differ
from ..targets import ARCHITECTURES, Target
from .kernel import CORES, Kernel, Tile
from .structure import Block, UnbalancedBlocks, find_blocks

MAX_BLOCKS = 2**31
MAX_GRID_RANK = 8
MAX_REGISTERS = 4096
MAX_SLOTS = 64
MAX_VIEW_RANK = 5
EVENTS = 8
CROSS_FLAGS = 16
_VECTOR_PIPES = {Pipe.S, Pipe.V, Pipe.MTE2, Pipe.MTE3}
_CUBE_PIPES = {Pipe.S, Pipe.M, Pipe.MTE1, Pipe.MTE2, Pipe.FIXP}
_LAYOUTS = {
    Loc.mat: tuple(Layout),  # nd holds a bias row
    Loc.left: (Layout.nz,),
    Loc.right: (Layout.zn,),
    Loc.acc: (Layout.nz,),
}
_LENGTHS = {("timg2col", "shape"): 4, ("timg2col", "window"): 10, ("treduceprecision", "format"): 2}


def verify_kernel(kernel: Kernel, target: Target | None = None) -> None:
    """Raise KernelError if `kernel` breaks a rule; with a target, tiles must have addresses within its memories."""
    _Verifier(kernel, target).run()


class _Verifier:
    def __init__(self, kernel: Kernel, target: Target | None):
        self.kernel, self.target = kernel, target
        self.position = -1
        self.block: Block | None = None

    # -- errors -----------------------------------------------------------------------------------------------

    def fail(self, what: str) -> NoReturn:
        place = f"kernel {self.kernel.name}"
        if self.position >= 0:
            instruction = self.kernel.body[self.position]
            place += f", instruction {self.position}: {print_instruction(instruction.spec, instruction.values)}"
        raise KernelError(f"[{place}] {what}.")

    def expect(self, right: bool, what: str, expected: object, got: object) -> None:
        if not right:
            self.fail(f"{what}; expected {expected}, got {got}")

    def within(self, value: Affine | int, low: int, high: int, what: str) -> None:
        """Check a constant; other affines are the executor's to check."""
        value = Affine.of(value)
        self.expect(not value.is_constant or low <= value.const <= high, what, f"{low} to {high}", value)

    # -- the kernel -------------------------------------------------------------------------------------------

    def run(self) -> None:
        kernel = self.kernel
        self.expect(kernel.core in CORES, "core type", CORES, kernel.core)
        self.expect(
            1 <= len(kernel.grid) <= MAX_GRID_RANK, "rank of the grid", f"1 to {MAX_GRID_RANK}", len(kernel.grid)
        )
        self.expect(
            min(kernel.grid) >= 1 and prod(kernel.grid) <= MAX_BLOCKS, "grid", f"1 to {MAX_BLOCKS} blocks", kernel.grid
        )
        self.within(kernel.registers, len(kernel.grid), MAX_REGISTERS, "number of registers")
        for argument in kernel.arguments:
            self.expect(argument.size >= 0, "size of an argument", "0 or more", argument.size)
        for number, tile in enumerate(kernel.tiles):
            self.tile(f"%t{number}", tile)
        try:
            _, inside = find_blocks(kernel.body)
        except UnbalancedBlocks as error:
            self.position = error.position
            self.fail(str(error))
        scopes: list[set[int]] = [set(range(len(kernel.grid)))]
        for self.position, self.block in enumerate(inside):
            self.instruction(scopes)

    def tile(self, name: str, tile: Tile) -> None:
        layouts = _LAYOUTS.get(tile.loc, (Layout.nd,))
        self.expect(tile.layout in layouts, f"layout of {name} in {tile.loc.name}", _names(layouts), tile.layout.name)
        self.expect(
            min(tile.rows, tile.columns) >= 1, f"capacity of {name}", "1 x 1 or more", f"{tile.rows} x {tile.columns}"
        )
        self.within(tile.slots, 1, MAX_SLOTS, f"slots of {name}")
        unit_rows, unit_columns = _granularity(tile)
        fits = tile.rows % unit_rows == 0 and tile.columns % unit_columns == 0
        expected = f"multiples of {unit_rows} x {unit_columns}"
        self.expect(fits, f"capacity of {name} in {tile.layout.name}", expected, f"{tile.rows} x {tile.columns}")
        self.within(tile.valid_rows, 0, tile.rows, f"valid rows of {name}")
        self.within(tile.valid_columns, 0, tile.columns, f"valid columns of {name}")
        if self.target is None:
            return
        self.expect(tile.address >= 0, f"address of {name}", "0 or more (run allocate_tiles)", tile.address)
        aligned = tile.address % tile.loc.alignment == 0 and tile.slot_stride % tile.loc.alignment == 0
        where = f"{tile.address} with slots {tile.slot_stride} bytes apart"
        self.expect(aligned, f"address of {name}", f"multiples of {tile.loc.alignment}", where)
        self.expect(
            tile.slots == 1 or tile.slot_stride >= tile.bytes,
            f"stride of {name}",
            f"{tile.bytes} or more",
            tile.slot_stride,
        )
        end, size = tile.address + (tile.slots - 1) * tile.slot_stride + tile.bytes, self.target.capacity(tile.loc)
        self.expect(end <= size, f"{name} in {tile.loc.memory}", f"an end of {size} bytes at most", end)

    # -- instructions -----------------------------------------------------------------------------------------

    def instruction(self, scopes: list[set[int]]) -> None:
        instruction = self.kernel.body[self.position]
        spec = instruction.spec
        if spec.name == "end":
            scopes.pop()
            return
        operands = list(zip(spec.operands, instruction.values, strict=True))
        for operand, value in operands:
            if operand.kind != "register":
                self.operand(operand, value, set().union(*scopes))
        for operand, value in operands:
            if operand.kind == "register":
                self.within(value, 0, self.kernel.registers - 1, "register")
                if spec.opens:
                    scopes.append({value})
                else:
                    scopes[-1].add(value)
        if spec.opens and not any(o.kind == "register" for o in spec.operands):
            scopes.append(set())
        self.control()
        tiles = [(o, self.kernel.tiles[v.tile]) for o, v in operands if o.kind == "tile"]
        self.cores(tiles)
        self.paths(operands)
        self.types(tiles, next((v for o, v in operands if o.kind == "view"), None))
        regions = [(t.valid_rows, t.valid_columns) for _, t in tiles]
        wrong = check_shapes([o for o, _ in tiles], regions)
        if wrong:
            self.fail(wrong)
        rule = getattr(self, f"rule_{spec.name}", None)
        if rule:
            rule({o.name: v for o, v in operands})

    def paths(self, operands: list[tuple[Operand, Any]]) -> None:
        """What an instruction reads and writes lies in memories that the target's architecture joins."""
        if self.target is None:
            return
        places = [
            ("GM" if o.kind == "view" else self.kernel.tiles[v.tile].loc.memory, o.access)
            for o, v in operands
            if o.kind in ("tile", "view")
        ]
        architecture = ARCHITECTURES[self.target.architecture]
        for source in {place for place, access in places if access & Access.read}:
            for to in {place for place, access in places if access & Access.write} - {source}:
                if (source, to) not in architecture.paths:
                    self.fail(f"takes data from {source} to {to}; expected a path that {architecture.name} has")

    def operand(self, operand: Operand, value: Any, known: set[int]) -> None:
        if isinstance(value, TileRef):
            self.within(value.tile, 0, len(self.kernel.tiles) - 1, f"tile of operand {operand.name}")
            tile = self.kernel.tiles[value.tile]
            self.expect(tile.loc in operand.locs, f"location of {operand.name}", _names(operand.locs), tile.loc.name)
            for affine in (value.slot, tile.valid_rows, tile.valid_columns):
                self.registers(affine, known)
        elif isinstance(value, View):
            self.view(operand, value, known)
        elif operand.kind == "affine":
            self.registers(Affine.of(value), known)
        elif operand.kind == "enum":
            self.expect(value in operand.values, operand.name, f"one of {', '.join(operand.values)}", value)
        elif operand.kind == "ints":
            length = _LENGTHS.get((self.kernel.body[self.position].spec.name, operand.name), len(value))
            self.expect(len(value) == length, f"length of {operand.name}", length, len(value))

    def registers(self, affine: Affine, known: set[int]) -> None:
        for register, _ in affine.terms:
            self.within(register, 0, self.kernel.registers - 1, "register")
            if register not in known:
                self.fail(f"%r{register} may be read before it is set; expected it to be set on every way here")

    def view(self, operand: Operand, view: View, known: set[int]) -> None:
        self.within(view.argument, 0, len(self.kernel.arguments) - 1, f"argument of {operand.name}")
        argument = self.kernel.arguments[view.argument]
        rank = len(view.shape)
        self.expect(rank <= MAX_VIEW_RANK, f"rank of {operand.name}", f"at most {MAX_VIEW_RANK}", rank)
        self.expect(len(view.strides) == rank, f"strides of {operand.name}", rank, len(view.strides))
        self.within(view.split, 0, rank, f"split of {operand.name}")
        if operand.access != Access.read and not argument.writes:
            self.fail(f"writes argument %g{view.argument}; expected one declared with `writes`")
        for affine in (view.offset, *view.shape):
            self.registers(affine, known)
        for extent in view.shape:
            self.within(extent, 0, MAX_BLOCKS, f"an extent of {operand.name}")
        if self.kernel.body[self.position].spec.name in ("mgather", "mscatter"):
            return  # its offsets are data
        if view.offset.is_constant and all(e.is_constant for e in view.shape) and all(e.const for e in view.shape):
            reach = [(e.const - 1) * s for e, s in zip(view.shape, view.strides, strict=True)]
            low, high = (view.offset.const + sum(f(r, 0) for r in reach) for f in (min, max))
            right = low >= 0 and high < argument.size
            self.expect(right, f"elements of %g{view.argument}", f"0 to {argument.size - 1}", f"{low} to {high}")

    def control(self) -> None:
        name = self.kernel.body[self.position].spec.name
        if name == "subblocks":
            self.expect(self.kernel.core == "mix", "core type of a kernel with subblocks", "mix", self.kernel.core)
            assert self.block is not None
            around = [b.kind for b in self.block.path()[:-1]]
            self.expect("subblocks" not in around, "nesting", "no subblocks in subblocks", around)

    @property
    def vector_core(self) -> bool:
        """Whether the instruction runs on a vector core."""
        if self.kernel.core == "mix":
            return self.block is not None and any(b.kind == "subblocks" for b in self.block.path())
        return self.kernel.core == "aiv"

    def cores(self, tiles: list[tuple[Operand, Tile]]) -> None:
        core = "vector" if self.vector_core else "cube"
        for operand, tile in tiles:
            right = (tile.loc == Loc.vec) == self.vector_core
            self.expect(right, f"location of {operand.name}", f"a memory of the {core} core", tile.loc.name)

    def types(self, tiles: list[tuple[Operand, Tile]], view: View | None) -> None:
        spec = self.kernel.body[self.position].spec
        types = [t.dtype for _, t in tiles]
        if view is not None:
            argument = self.kernel.arguments[view.argument].dtype
            from_acc = any(t.loc == Loc.acc for _, t in tiles)
            expected = check_memory_dtypes(spec, argument, types, from_acc)
        else:
            expected = check_dtypes(spec, types) if types else None
        if expected:
            self.fail(f"element types; expected {expected}, got {', '.join(map(str, types)) or 'none'}")

    # -- rules of single instructions -------------------------------------------------------------------------

    def rule_loop(self, v: dict[str, Any]) -> None:
        step = Affine.of(v["step"])
        self.expect(step.is_constant and step.const > 0, "step", "a positive constant", step)

    def transfer(self, view: View, ref: TileRef) -> None:
        tile = self.kernel.tiles[ref.tile]
        for what, extents, valid in (
            ("rows", view.shape[: view.split], tile.valid_rows),
            ("columns", view.shape[view.split :], tile.valid_columns),
        ):
            product = _product(extents)
            if product is not None and differ(product, valid):
                self.fail(f"{what} of the view; expected the tile's {valid}, got {product}")

    def rule_tload(self, v: dict[str, Any]) -> None:
        self.transfer(v["src"], v["dst"])

    def rule_tstore(self, v: dict[str, Any]) -> None:
        self.transfer(v["dst"], v["src"])

    def rule_treshape(self, v: dict[str, Any]) -> None:
        dst, src = (self.kernel.tiles[v[n].tile] for n in ("dst", "src"))
        same = (dst.address, dst.slots) == (src.address, src.slots)
        where = (f"address {t.address}, {t.slots} slots" for t in (src, dst))
        self.expect(same, "dst", *where)
        self.expect(v["dst"].slot == v["src"].slot, "slot of dst", v["src"].slot, v["dst"].slot)

    def rule_tmatmul(self, v: dict[str, Any]) -> None:
        dst, left, right = (self.kernel.tiles[v[n].tile] for n in ("dst", "left", "right"))
        for what, a, b in (
            ("rows of left", left.valid_rows, dst.valid_rows),
            ("columns of right", right.valid_columns, dst.valid_columns),
            ("rows of right", right.valid_rows, left.valid_columns),
        ):
            self.expect(not differ(a, b), what, b, a)

    rule_tmatmul_bias = rule_tmatmul

    def rule_textract(self, v: dict[str, Any]) -> None:
        dst, src = (self.kernel.tiles[v[n].tile] for n in ("dst", "src"))
        self.within(v["row"] + dst.valid_rows, 0, src.rows, "last row")
        self.within(v["column"] + dst.valid_columns, 0, src.columns, "last column")

    def rule_set_flag(self, v: dict[str, Any]) -> None:
        self.expect(v["src"] != v["dst"], "pipes of a flag", "two different ones", v["src"])
        self.within(v["event"], 0, EVENTS - 1, "event")
        self.pipes(v["src"], v["dst"])

    rule_wait_flag = rule_set_flag

    def rule_pipe_barrier(self, v: dict[str, Any]) -> None:
        self.pipes(v["pipe"])

    def rule_set_cross_flag(self, v: dict[str, Any]) -> None:
        self.expect(self.kernel.core == "mix", "core type of a kernel with cross-core flags", "mix", self.kernel.core)
        self.within(v["flag"], 0, CROSS_FLAGS - 1, "flag")
        self.pipes(v["pipe"])

    rule_wait_cross_flag = rule_set_cross_flag

    def pipes(self, *names: str) -> None:
        there = _VECTOR_PIPES if self.vector_core else _CUBE_PIPES
        for name in names:
            self.expect(Pipe[name] in there, "pipe", f"one of {_names(sorted(there))}", name)


def _names(members: Any) -> str:
    return ", ".join(m.name for m in members)


def _granularity(tile: Tile) -> tuple[int, int]:
    """Return what the sides of a tile's capacity are multiples of: whole fractals, or rows of whole UB blocks."""
    if tile.layout in (Layout.nd, Layout.fmap):
        return 1, 1
    k = 16 if tile.loc == Loc.acc else max(32 // tile.dtype.bytes, 1)
    return (16, k) if tile.layout == Layout.nz else (k, 16)


def _product(extents: tuple[Affine, ...]) -> Affine | None:
    """Return the product of extents, or None if it is not affine."""
    product = Affine(1)
    for extent in extents:
        if product.is_constant:
            product = extent * product.const
        elif extent.is_constant:
            product = product * extent.const
        else:
            return None
    return product

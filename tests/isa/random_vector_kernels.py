"""Random vector kernels that mean something: nested loops, conditions, slots, ragged edges, loads and stores between.

Only instructions that are exact are used, so the executor must give the reference's bits, however it runs them.
"""

import random

import numpy as np

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.isa.model import Affine, TileRef
from jax_ascend.compiler.kernel_passes.allocate_tiles import DoesNotFit, allocate_tiles
from jax_ascend.compiler.kernel_passes.insert_synchronization import insert_synchronization
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.program.verify_kernel import verify_kernel
from jax_ascend.compiler.targets import Target

UNARY = ["tneg", "tabs", "trelu"]
BINARY = ["tadd", "tsub", "tmax", "tmin", "tmul"]
SCALAR = ["tadds", "tmuls", "tmaxs", "trsubs"]
INPUT, OUTPUT = 4096, 2048  # elements; the output is per block


class _Generator:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.blocks = self.rng.choice([1, 3])
        self.b = KernelBuilder(f"random{seed}", "aiv", (self.blocks,))
        self.x = self.b.argument(DType.f32, INPUT)
        self.y = self.b.argument(DType.f32, OUTPUT * self.blocks, writes=True)
        self.rows, self.columns = self.rng.choice([(1, 40), (4, 9), (7, 16), (16, 33)])
        self.loops = []  # (register, highest value)
        ragged = self.rng.random() < 0.4
        self.height = self.b.scalar("smax", 0, self.rows - self.b.blocks[0]) if ragged else Affine(self.rows)
        wide = -(-self.columns // 8) * 8
        slots = lambda: self.rng.choice([1, 1, 1, 2, 3])  # noqa: E731
        tile = lambda columns, valid: self.b.tile(  # noqa: E731
            Loc.vec, DType.f32, self.rows, columns, (self.height, valid), slots=slots()
        )
        self.full = [tile(wide, self.columns) for _ in range(self.rng.randint(3, 7))]
        self.column = [tile(8, 1) for _ in range(2)]
        self.mask = self.b.tile(Loc.vec, DType.i1, self.rows, -(-self.columns // 32) * 32, (self.height, self.columns))

    def kernel(self):
        for ref in self.full + self.column:
            for slot in range(self.b.kernel.tiles[ref.tile].slots):
                self.load(TileRef(ref.tile, Affine(slot)))
        self.b.tcmps(self.mask, self.pick(self.full), 0.0, "lt")
        self.statements(0)
        for ref in self.full + self.column:
            self.store(ref)
        return self.b.kernel

    def pick(self, refs):
        ref = self.rng.choice(refs)
        if self.b.kernel.tiles[ref.tile].slots == 1:
            return ref
        slot = self.rng.choice([Affine(self.rng.randint(0, 5)), *(r + self.rng.randint(0, 1) for r, _ in self.loops)])
        return TileRef(ref.tile, slot)

    def window(self, argument, size, ref, base):
        """A view of the tile's valid shape somewhere in an argument, moving with the loops, within its bounds."""
        columns = self.b.kernel.tiles[ref.tile].valid_columns.const
        step = self.rng.choice([columns, columns + 3]) if columns > 1 else self.rng.choice([1, 5])
        reach = (self.rows - 1) * step + columns
        offset = Affine.of(base)
        room = size - reach
        for register, highest in self.loops:
            factor = self.rng.choice([0, 1, columns])
            if factor * highest <= room:
                offset, room = offset + factor * register, room - factor * highest
        return self.b.view(argument, offset + self.rng.randint(0, room), (self.height, columns), (step, 1))

    def load(self, ref):
        if self.rng.random() < 0.25:  # what this block stored, or zeros
            self.b.tload(ref, self.window(self.y, OUTPUT, ref, OUTPUT * self.b.blocks[0]))
        else:
            self.b.tload(ref, self.window(self.x, INPUT, ref, 0))

    def store(self, ref):
        self.b.tstore(self.window(self.y, OUTPUT, ref, OUTPUT * self.b.blocks[0]), ref)

    def statements(self, depth):
        for _ in range(self.rng.randint(2, 7)):
            kind = self.rng.random()
            if kind < 0.14 and depth < 2:
                stop = self.rng.randint(1, 4)
                with self.b.loop(0, stop) as i:
                    self.loops.append((i, stop - 1))
                    self.statements(depth + 1)
                    self.loops.pop()
            elif kind < 0.2 and depth < 2:
                with self.b.when(self.rng.choice([1, 0, *(1 - r for r, _ in self.loops)])):
                    self.statements(depth + 1)
            elif kind < 0.32:
                self.load(self.pick(self.full + self.column))
            elif kind < 0.4:
                self.store(self.pick(self.full + self.column))
            else:
                self.compute()

    def compute(self):
        b, full, column = self.b, self.full, self.column
        dst, one, two = (self.pick(full) for _ in range(3))
        kind = self.rng.randrange(9)
        if kind == 0:
            getattr(b, self.rng.choice(UNARY))(dst, one)
        elif kind in (1, 2):
            getattr(b, self.rng.choice(BINARY))(dst, one, two)
        elif kind == 3:
            getattr(b, self.rng.choice(SCALAR))(dst, one, self.rng.choice([0.5, -1.0, 3.0]))
        elif kind == 4:
            b.trowmax(self.pick(column), one)
        elif kind == 5:
            b.trowexpandsub(dst, one, self.pick(column))
        elif kind == 6:
            b.trowexpand(dst, self.pick(column))
        elif kind == 7:
            b.tcmps(self.mask, one, 0.25, self.rng.choice(["lt", "ge"]))
        else:
            b.tsel(dst, self.mask, one, two)


def random_program(seed):
    """Return a program and its inputs; every other one has just the memory it needs."""
    kernel = _Generator(seed).kernel()
    target = Target()
    if seed % 2:
        try:
            allocate_tiles(kernel, Target(ub_bytes=32))
        except DoesNotFit as error:
            target = Target(ub_bytes=error.needed)
        for tile in kernel.tiles:
            tile.address, tile.slot_stride = -1, 0
    allocate_tiles(kernel, target)
    insert_synchronization(kernel)
    verify_kernel(kernel, target)
    types = [TensorType((a.size,), a.dtype) for a in kernel.arguments]
    function = Function("main")
    slots = [function.slot("parameter", i, t.bytes) for i, t in enumerate(types)]
    function.commands = [command("launch", 0, slots)]
    program = Program(kernel.name, "ascend910b", types, [types[1]], [1], [function], [kernel])
    rng = np.random.default_rng(seed)
    return program, [rng.integers(-8, 9, INPUT).astype(np.float32), np.zeros(types[1].shape, np.float32)]

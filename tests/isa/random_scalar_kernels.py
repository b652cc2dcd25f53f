"""Random kernels of scalar arithmetic that write down what the executor computes, next to what the loader proves.

`tci` puts an affine expression into a tile, and a store appends it to a log at a place only known at run time; so the
values are those of an ordinary execution. Run as a script, it checks as many kernels as it is asked to.
"""

import argparse
import importlib
import os
import random

import numpy as np

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.isa.model import Affine, instruction_set
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, command

plugin = importlib.import_module("jax_ascend._plugin")

ENTRIES = 256  # of the log, per block
LEAST, MOST = -(2**63), 2**63 - 1
NUMBERS = [0, 1, -1, 2, -2, 3, 7, -10, 100, 2**31, -(2**31), 2**32 + 1, 2**62, -(2**62), 2**62 + 50, 2**63 - 500, MOST,
           MOST - 1, LEAST, LEAST + 1, LEAST + 500]  # fmt: skip
LOADED = (DType.i8, DType.u8, DType.i16, DType.u16, DType.i32, DType.u32, DType.i64, DType.u64, DType.i1)


def number(rng):
    """A coefficient or constant: small, or near a limit of 64 bits."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(NUMBERS)
    if kind < 0.8:
        return rng.randint(-20, 20)
    return rng.getrandbits(64) - 2**63


class Builder:
    """One kernel: statements at random, each followed by entries of the log."""

    def __init__(self, rng):
        self.rng = rng
        self.b = b = KernelBuilder("scalars", rng.choice(["aiv", "mix"]), (rng.randint(1, 4),))
        size = ENTRIES * b.kernel.blocks
        self.log = [b.argument(DType.i64, size, writes=True) for _ in range(2)]
        self.memory = [b.argument(dtype, 4) for dtype in LOADED]
        self.tiles = [b.tile(Loc.vec, DType.i64, 1, 4, valid=(1, 1), address=64 * i) for i in range(2)]
        self.next = b.register()
        self.registers = [0, *(b.register() for _ in range(3))]  # those that are set on every way to what comes next
        self.sites = {}

    def build(self):
        """Return the kernel, and per site of the log (instruction, affine operand) it shows."""
        self.assign("saffine", self.next, Affine(0, ((0, ENTRIES),)))
        for register in self.registers[1:]:
            self.assign("saffine", register, Affine(number(self.rng)))
        if self.b.kernel.core == "mix":
            with self.b.subblocks() as core:
                self.registers.append(core.terms[0][0])
                self.block(0)
        else:
            self.block(0)
        return self.b.kernel, self.sites

    def assign(self, name, register, *operands):
        self.b.emit(instruction_set()[name], register, *operands)

    def affine(self):
        chosen = sorted(set(self.rng.choices(self.registers, k=self.rng.choice([0, 1, 1, 1, 2, 3]))))
        small = self.rng.random() < 0.5
        terms = tuple((r, self.rng.choice([1, 1, 2, -1, 5]) if small else number(self.rng) or 1) for r in chosen)
        return Affine(self.rng.randint(-9, 9) if small else number(self.rng), terms)

    def record(self, value):
        b, site = self.b, len(self.sites)
        for tile, log, shown in zip(self.tiles, self.log, (Affine(site), value), strict=True):
            b.tci(tile, shown, 0, 0)
            self.sites[site] = len(b.kernel.body) - 1
            b.tstore(b.view(log, Affine(0, ((self.next, 1),)), (1, 1), (1, 1)), tile)
        self.assign("saffine", self.next, Affine(1, ((self.next, 1),)))

    def block(self, depth):
        before = len(self.registers)
        self.record(self.affine())
        for _ in range(self.rng.randint(2, 5)):
            self.statement(depth)
        del self.registers[before:]

    def statement(self, depth):
        rng, b = self.rng, self.b
        kind = rng.random()
        if kind < 0.12 and depth < 3:
            start = self.affine()
            stop = self.affine() if rng.random() < 0.3 else Affine(start.const + rng.randint(0, 4), start.terms)
            if stop.const > MOST:
                stop = Affine(MOST, start.terms)
            fresh = rng.random() < 0.9
            register = b.register() if fresh else rng.choice(self.registers)
            step = rng.choice([1, 1, 2, 3, 2**31, 2**62, MOST])
            b.emit(instruction_set()["loop"], register, start, stop, Affine(step))
            if fresh:
                self.registers.append(register)
            self.record(Affine(0, ((register, 1),)))
            self.block(depth + 1)
            b.end()
            if fresh:
                self.registers.pop()
            else:
                self.record(Affine(0, ((register, 1),)))
        elif kind < 0.2 and depth < 3:
            with b.when(self.affine()):
                self.block(depth + 1)
        else:
            fresh = rng.random() < 0.85
            register = b.register() if fresh else rng.choice(self.registers[1:])
            if kind < 0.3:
                memory = rng.randrange(len(self.memory))
                self.assign("sload", register, b.view(self.memory[memory], rng.randrange(4), (1,), (1,)))
            else:
                name = rng.choice(["saffine", "smin", "smax", "smul", "sdiv", "smod"])
                operands = [self.affine(), self.affine()]
                if name in ("sdiv", "smod") and rng.random() < 0.95:
                    positive = b.register()
                    self.assign("smax", positive, operands[1], Affine(1))
                    operands[1] = Affine(0, ((positive, 1),))
                if not fresh and rng.random() < 0.5:  # carried from one iteration to the next
                    operands[0] = Affine(number(rng), ((register, 1),))
                self.assign(name, register, *operands[: 1 if name == "saffine" else 2])
            if fresh:
                self.registers.append(register)
            self.record(Affine(0, ((register, 1),)))
            if rng.random() < 0.3:
                self.record(self.affine())


def program_of(kernel):
    """The kernel's program: a log that starts as a parameter full of -1, and memory to load from."""
    function, parameters, slots = Function("main"), [], []
    for i, a in enumerate(kernel.arguments):
        slots.append(function.slot("parameter", i, a.size * a.dtype.bytes))
        parameters.append(TensorType((a.size,), a.dtype))
    function.commands.append(command("launch", 0, slots))
    return Program("scalars", "ascend910b", parameters, parameters[:2], [0, 1], [function], [kernel])


def check(seed):
    """Run a random kernel; returns how many values were seen within proven bounds, and how many in all.

    Blocks run one after the other: one whose log is full goes on in the next one's, which two threads would share.
    """
    rng = random.Random(seed)
    kernel, sites = Builder(rng).build()
    data = program_of(kernel).encode()
    ranges = plugin.affine_ranges(data)[0]
    runner = plugin.ProgramRunner(data)
    for i, a in enumerate(kernel.arguments):
        filling = (
            np.full(a.size, -1, np.int64) if i < 2 else np.frombuffer(rng.randbytes(4 * a.dtype.bytes), a.dtype.numpy)
        )
        runner.write(i, filling.tobytes())
    threads = os.cpu_count() or 1
    plugin.set_threads(1)
    try:
        runner.run()
    except RuntimeError as error:  # the log is full, or a division by nothing: what was seen until then counts
        assert "leaves argument" in str(error) or "divisor" in str(error), error
    finally:
        plugin.set_threads(threads)
    seen, values = (np.frombuffer(runner.read(i), np.int64) for i in range(2))
    bounded = 0
    for site, value in zip(seen[seen >= 0].tolist(), values[seen >= 0].tolist(), strict=True):
        low, high = ranges[sites[site]][0]
        assert low <= value <= high, (
            f"seed {seed}, instruction {sites[site]}: {value} is not within [{low}, {high}]\n{kernel}"
        )
        bounded += low > LEAST or high < MOST
    return bounded, int((seen >= 0).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    arguments = parser.parse_args()
    bounded = total = 0
    for n in range(arguments.programs):
        some, all_ = check(arguments.seed + n)
        bounded, total = bounded + some, total + all_
    print(f"{arguments.programs} kernels, {total} values, {bounded} of them with a proven bound: all within")


if __name__ == "__main__":
    main()

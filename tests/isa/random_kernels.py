"""Random kernels and programs for round trips: well formed to encode and print, without meaning."""

import struct

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.graph.location import Location
from jax_ascend.compiler.isa.attributes import Numbers, in_order
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import KERNEL_CORES, LIMITS, Layout, Loc
from jax_ascend.compiler.isa.model import Affine, TileRef, View, instruction_set
from jax_ascend.compiler.isa.stream import AICPU, COMMANDS, SLOT_KINDS
from jax_ascend.compiler.program.debug import commands_in_order, encode_debug
from jax_ascend.compiler.program.kernel import Argument, Instruction, Kernel, Tile
from jax_ascend.compiler.program.program import Command, Costs, Function, Program, Slot
from jax_ascend.compiler.targets import TARGETS, MemoryKind, Target

NUMBERS = [0, 1, -1, 7, 2**62, -(2**63), 0.0, -0.0, 1.5, 1e-40, -3.25e300, float("inf"), float("-inf"), float("nan"),
           struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000123))[0]]  # fmt: skip


def integer(rng):
    return rng.choice([0, 1, -1, rng.randint(-99, 99), rng.randint(-(2**40), 2**40)])


def affine(rng, registers):
    chosen = sorted(rng.sample(range(registers), rng.randint(0, min(3, registers))))
    return Affine(integer(rng), tuple((r, integer(rng) or 5) for r in chosen))


def operand(rng, kernel, kind, values):
    if kind == "tile":
        return TileRef(rng.randrange(len(kernel.tiles)), affine(rng, kernel.registers))
    if kind == "affine":
        return affine(rng, kernel.registers)
    if kind == "view":
        rank = rng.randint(0, LIMITS.view_rank)
        shape = tuple(affine(rng, kernel.registers) for _ in range(rank))
        strides = tuple(integer(rng) for _ in range(rank))
        argument, offset = rng.randrange(len(kernel.arguments)), affine(rng, kernel.registers)
        return View(argument, offset, shape, strides, rng.randint(0, rank))
    if kind == "imm":
        return rng.choice(NUMBERS)
    if kind == "enum":
        return rng.choice(values)
    if kind == "register":
        return rng.randrange(kernel.registers)
    return tuple(integer(rng) for _ in range(rng.randint(0, 6)))


def random_kernel(rng, name="k"):
    kernel = Kernel(name, rng.choice(KERNEL_CORES), tuple(rng.randint(1, 9) for _ in range(rng.randint(1, 3))))
    kernel.registers = len(kernel.grid) + rng.randint(0, 6)
    dtypes = list(DType)
    kernel.arguments = [
        Argument(rng.choice(dtypes), rng.randint(0, 9999), rng.random() < 0.5) for _ in range(rng.randint(1, 4))
    ]
    for _ in range(rng.randint(1, 8)):
        rows, columns = rng.randint(1, 99), rng.randint(1, 99)
        valid = (Affine(rows), Affine(columns))
        if rng.random() < 0.5:
            valid = affine(rng, kernel.registers), affine(rng, kernel.registers)
        place = (rng.choice([-1, 0, 64, 4096]), rng.choice([1, 2]), rng.choice([0, 512]))
        kernel.tiles.append(
            Tile(rng.choice(list(Loc)), rng.choice(dtypes), rows, columns, rng.choice(list(Layout)), *place, *valid)
        )
    depth = 0
    specs = list(instruction_set().values())
    for _ in range(rng.randint(0, 40)):
        spec = rng.choice(specs)
        if spec.name == "end" and not depth:
            continue
        depth += spec.opens - (spec.name == "end")
        values = tuple(operand(rng, kernel, o.kind, o.values) for o in spec.operands)
        kernel.body.append(Instruction(spec, values))
    kernel.body += [Instruction(instruction_set()["end"], ()) for _ in range(depth)]
    return kernel


def random_commands(rng, program, slots, depth=0):
    fields = {
        "slot": lambda: rng.randrange(slots),
        "slots": lambda: [rng.randrange(slots) for _ in range(rng.randint(0, 5))],
        "kernel": lambda: rng.randrange(len(program.kernels)),
        "function": lambda: rng.randrange(len(program.functions)),
        "int": lambda: integer(rng),
        "ints": lambda: [integer(rng) for _ in range(rng.randint(0, 5))],
        "groups": lambda: [[integer(rng) for _ in range(rng.randint(0, 3))] for _ in range(rng.randint(0, 3))],
        "text": lambda: random_text(rng),
        "attributes": lambda: random_attributes(rng),
        "aicpu": lambda: aicpu.name,
        "types": lambda: [random_type(rng) for _ in range(rng.randint(0, 3))],
        "parameters": lambda: {p.name: parameter(rng, p) for p in aicpu.parameters},
        "pairs": lambda: [(rng.randrange(slots), rng.randrange(slots)) for _ in range(rng.randint(0, 3))],
        "commands": lambda: random_commands(rng, program, slots, depth + 1),
        "branches": lambda: [random_commands(rng, program, slots, depth + 1) for _ in range(rng.randint(0, 3))],
    }
    flat = [c for c in COMMANDS if not any(f.kind in ("commands", "branches") for f in c.fields)]
    commands = []
    for _ in range(rng.randint(0, 4)):
        spec, aicpu = rng.choice(COMMANDS if depth < 2 else flat), rng.choice(AICPU)
        commands.append(
            Command(spec, tuple(rng.choice(f.values) if f.values else fields[f.kind]() for f in spec.fields))
        )
    return commands


def random_text(rng):
    return rng.choice(["", "x", 'a "b"\n', "\N{GREEK SMALL LETTER PI}\0", "\udcff"]) + str(integer(rng))


def random_attributes(rng, depth=0):
    attributes = {}
    for _ in range(rng.randint(0, 3)):
        dtype, size = rng.choice(list(DType)), rng.randint(0, 3)
        values = [
            Numbers(dtype, rng.randbytes(dtype.bytes), True),
            Numbers(dtype, rng.randbytes(dtype.bytes * size), False),
            random_text(rng),
            random_attributes(rng, depth + 1) if depth < 3 else (),
        ]
        attributes[random_text(rng)] = rng.choice(values)
    return in_order(attributes)


def parameter(rng, declared):
    item = {
        "int": lambda: rng.choice([declared.low, declared.high, rng.randint(declared.low, declared.high)]),
        "bool": lambda: rng.random() < 0.5,
        "dtype": lambda: rng.choice(list(DType)),
    }[declared.kind.removesuffix("s")]
    return [item() for _ in range(rng.randint(0, 5))] if declared.is_list else item()


def random_type(rng):
    return TensorType(tuple(rng.randint(0, 9) for _ in range(rng.randint(0, 3))), rng.choice(list(DType)))


def random_program(rng):
    types = [[random_type(rng) for _ in range(rng.randint(0, 3))] for _ in range(2)]
    aliases = [rng.choice([-1, 0]) for _ in types[1]]
    target = rng.choice([Target(), TARGETS["ascend910c"], Target(name="a-1.b", clock=1e6 / 3 + 1e6, l2_line=96)])
    program = Program(rng.choice(["main", "jit f<x>", 'a "b"\n']), target, *types, aliases)
    program.donated = frozenset(i for i in range(len(types[0])) if rng.random() < 0.5)
    program.parameter_memory = [rng.choice(list(MemoryKind)) for _ in types[0]]
    program.result_memory = [rng.choice(list(MemoryKind)) for _ in types[1]]
    program.parameter_sharding = [rng.choice([b"", rng.randbytes(9)]) for _ in types[0]]
    program.result_sharding = [rng.choice([b"", rng.randbytes(9)]) for _ in types[1]]
    program.replicas, program.partitions = rng.choice([(1, 1), (2, 1), (1, 8)])
    program.costs = rng.choice([Costs(), Costs(1, 2.5, 1e40)])
    program.stablehlo = rng.choice([b"", rng.randbytes(rng.randint(1, 100))])
    program.constants = bytes(rng.randrange(256) for _ in range(rng.randint(0, 200)))
    program.kernels = [random_kernel(rng, rng.choice(["k", "softmax.1", "jit(f)/x"])) for _ in range(rng.randint(1, 3))]
    program.functions = [Function(f"f{i}", frame_bytes=64 * i) for i in range(rng.randint(1, 3))]
    for function in program.functions:
        numbers = [rng.randint(0, 99) for _ in range(rng.randint(1, 9))]
        function.slots = [Slot(rng.choice(SLOT_KINDS), n, n + 1) for n in numbers]
        function.commands = random_commands(rng, program, len(function.slots))
    program.debug = rng.choice([b"", random_debug(rng, program)])
    return program


def random_debug(rng, program):
    def location():
        frames = tuple(
            (rng.choice(["a.py", "/b c/ü.py", "<stdin>"]), rng.randint(0, 9)) for _ in range(rng.randint(0, 3))
        )
        return Location(frames, rng.choice(["", "jit(f)/layer/add"]))

    commands = [c for f in program.functions for c in commands_in_order(f.commands)]
    sources = {id(c): [location() for _ in range(rng.randint(0, 3))] for c in commands}
    names = [
        rng.choice([[], [f"x['{i}']" for i in range(len(arrays))]]) for arrays in (program.parameters, program.results)
    ]
    return encode_debug(program.functions, sources, *names)

"""From every declaration the programs that test it: each rule of element types, odd valid regions, every mode.

A program loads the sources, runs the instruction once and stores the result, in a kernel of one block. Instructions
between GM and chip, the cube's and timg2col have builders of their own below; what is in the declarations and in none
of the builders is an error, so a new instruction cannot be forgotten.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.instructions.scalar import SCALAR_OPS
from jax_ascend.compiler.isa.machine import CLASSES, Layout, Loc
from jax_ascend.compiler.isa.model import ATOMIC_MODES, CMP_MODES, Affine, Spec, instruction_set
from jax_ascend.compiler.isa.type_rules import CONVERT, TypeRule
from jax_ascend.compiler.kernel_passes.allocate_tiles import allocate_tiles
from jax_ascend.compiler.kernel_passes.insert_synchronization import insert_synchronization
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.program.verify_kernel import verify_kernel
from jax_ascend.compiler.targets import Target

TARGET = Target()
SHAPES = [(1, 1), (3, 37), (7, 130), (16, 64), (5, 1), (1, 257), (33, 8)]
WITHOUT_VALUES = {
    "end",
    "loop",
    "when",
    "subblocks",
    "until",
    "set_flag",
    "wait_flag",
    "pipe_barrier",
    "set_cross_flag",
    "wait_cross_flag",
}
FLOAT_VALUES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-3, 3.0, 88.0, -88.0, 1e4, -1e4]
SPECIAL_VALUES = [np.inf, -np.inf, np.nan, 1e-40, 3e38, -3e38, 65504.0]


@dataclass
class Case:
    """A program, its inputs, and how to name it."""

    label: str
    program: Program
    inputs: list[np.ndarray]
    dtypes: tuple[DType, ...] = field(default=())


def random_values(rng, dtype, size, special=True):
    """Values of a type, with its extremes and special ones among them."""
    if dtype is DType.i1:
        return rng.random(size) < 0.5
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        small = rng.integers(max(info.min, -9), 10, size).astype(dtype.numpy)
        wide = rng.integers(info.min, info.max, size, dtype=dtype.numpy, endpoint=True)
        values = np.where(rng.random(size) < 0.5, small, wide)
        extremes = np.array([info.min, info.max, 0, 1], dtype.numpy)
        return np.where(rng.random(size) < 0.1, rng.choice(extremes, size), values)
    values = rng.normal(size=size) * rng.choice([0.1, 1, 10], size)
    values = np.where(rng.random(size) < 0.2, rng.choice(FLOAT_VALUES, size), values)
    if special:
        values = np.where(rng.random(size) < 0.1, rng.choice(SPECIAL_VALUES, size), values)
    with np.errstate(all="ignore"):
        return values.astype(dtype.numpy)


def padded(columns, dtype):
    """Columns up to whole blocks of UB."""
    unit = max(32 // dtype.bytes, 1)
    return -(-columns // unit) * unit


class Single:
    """Builds a kernel of one block and the program that launches it once."""

    def __init__(self, name, core="aiv"):
        self.b = KernelBuilder(name, core, (1,))
        self.inputs = []
        self.results = []

    def load(self, values, loc=Loc.vec, layout=Layout.nd, capacity=None):
        """Load a 2-D array into a tile of its shape."""
        rows, columns = values.shape
        dtype = DType.of_numpy(values.dtype)
        tile = self.tile(dtype, (rows, columns), loc, layout, capacity)
        self.b.tload(tile, self.b.view(self.argument(values), 0, (rows, columns), (columns, 1)))
        return tile

    def argument(self, values):
        """Add an input."""
        self.inputs.append(np.ascontiguousarray(values))
        return self.b.argument(DType.of_numpy(values.dtype), values.size)

    def tile(self, dtype, shape, loc=Loc.vec, layout=Layout.nd, capacity=None):
        """Add a tile with this valid region, in a capacity that is larger."""
        rows, columns = capacity or (shape[0], padded(shape[1], dtype))
        return self.b.tile(loc, dtype, rows, columns, shape, layout)

    def store(self, tile, dtype=None, **modes):
        """Store a tile's valid region to a result, which starts as zeros."""
        t = self.b.kernel.tiles[tile.tile]
        shape = (t.valid_rows.const, t.valid_columns.const)
        result = self.result(np.zeros(shape, (dtype or t.dtype).numpy))
        self.b.tstore(self.b.view(result, 0, shape, (shape[1], 1)), tile, **modes)

    def result(self, start):
        """Add a result that starts with these values."""
        self.results.append((len(self.b.kernel.arguments), np.ascontiguousarray(start)))
        return self.b.argument(DType.of_numpy(start.dtype), start.size, writes=True)

    def case(self, label, dtypes=()):
        """Finish: allocate, synchronise, verify, and wrap as a program."""
        kernel = self.b.kernel
        allocate_tiles(kernel, TARGET)
        insert_synchronization(kernel)
        verify_kernel(kernel, TARGET)
        function, slots, parameters, alias, results = Function("main"), [], [], [], []
        arrays = dict(self.results)
        inputs = iter(self.inputs)
        values = [arrays[i] if i in arrays else next(inputs) for i in range(len(kernel.arguments))]
        for i, array in enumerate(values):
            type = TensorType(array.shape, DType.of_numpy(array.dtype))
            slots.append(function.slot("parameter", i, type.bytes))
            parameters.append(type)
            if i in arrays:
                results.append(type)
                alias.append(i)
        function.commands = [command("launch", 0, slots)]
        program = Program(label, TARGET.name, parameters, results, alias, [function], [kernel])
        return Case(label, program, values, tuple(dtypes))


def type_choices(spec: Spec) -> list[tuple[DType, ...]]:
    """Every assignment of element types to the tiles of an instruction that its rule allows."""
    every = [d for d in DType if d in CLASSES["all"]]
    count = len(spec.tiles)
    if spec.dtypes == CONVERT:
        small = [d for d in DType if d.name.startswith("f8")]
        return [*itertools.product(every, every), *((d, DType.f32) for d in small), *((DType.f32, d) for d in small)]
    # Some of these, and one other: enough for every rule, and not the product of all.
    choices = (DType.i1, DType.i32, DType.f32)
    return sorted(
        {t for d in every for t in itertools.product({d, *choices}, repeat=count) if allows(spec.dtypes, t)},
        key=lambda types: [t.code for t in types],
    )


def allows(rule: TypeRule, types: tuple[DType, ...]) -> bool:
    """Whether a rule allows tiles of these types, read from its declaration."""
    for constraint in rule.constraints:
        chosen = constraint.operands or range(len(types))
        if max(chosen) >= len(types):
            continue
        together = tuple(types[i] for i in chosen)
        if constraint.table and together not in constraint.table:
            return False
        if not constraint.table and not (len(set(together)) == 1 and together[0] in constraint.types):
            return False
    return True


def sizes(spec: Spec, rng: random.Random) -> list[tuple[int, int]]:
    """A few odd valid regions."""
    return rng.sample(SHAPES, 2)


def vector_cases(spec: Spec) -> Iterator[Case]:
    """Programs of an instruction whose operands are tiles in UB."""
    for dtypes in type_choices(spec):
        label = f"{spec.name} {' '.join(d.name for d in dtypes)}"
        seed = zlib.crc32(label.encode())
        rng, pick = np.random.default_rng(seed), random.Random(seed)
        modes = next((o.values for o in spec.operands if o.kind == "enum"), (None,))
        for mode in modes:
            for rows, columns in sizes(spec, pick):
                yield _vector_case(spec, dtypes, rng, mode, rows, columns, f"{label} {mode or ''} {rows}x{columns}")


def _vector_case(spec, dtypes, rng, mode, rows, columns, label):
    single = Single(spec.name)
    regions = {
        "rc": (rows, columns),
        "r1": (rows, 1),
        "1c": (1, columns),
        "cr": (columns, rows),
        "any": (rows, columns),
    }
    types = iter(dtypes)
    values, dst = [], None
    for operand in spec.operands:
        if operand.kind == "tile":
            dtype = next(types)
            shape = regions[operand.shape]
            if operand.name == "dst":
                shape = (rows + 2, columns + 5) if spec.name == "tfillpad" else shape
                dst = single.tile(dtype, shape)
                values.append(dst)
            elif operand.name == "index":
                values.append(single.load(rng.integers(0, columns, shape).astype(np.int32)))
            else:
                special = not spec.name.startswith(("trowsum", "tcolsum", "trowcum", "trowprod", "tcolprod"))
                values.append(single.load(random_values(rng, dtype, shape, special)))
        elif operand.kind == "imm":
            values.append(random_values(rng, dtypes[-1], 1, special=False)[0])
        elif operand.kind == "enum":
            values.append(mode)
        elif operand.kind == "affine":
            values.append(Affine(int(rng.integers(-5, 6) if operand.low is None else rng.integers(operand.low, 40))))
        elif operand.kind == "ints":
            values.append([(5, 10), (8, 7), (5, 2), (8, 23), (4, 3)][rng.integers(0, 5)])
    single.b.emit(spec, *values)
    single.store(dst)
    return single.case(label, dtypes)


def scalar_cases(spec: Spec) -> Iterator[Case]:
    """Programs of a scalar instruction: its result goes through tci to GM."""
    rng = np.random.default_rng(0)
    if spec.name == "sload":
        for dtype in [d for d in DType if d in CLASSES["all"]]:
            single = Single(spec.name)
            values = random_values(rng, dtype, 5)
            register = single.b.scalar("sload", single.b.view(single.argument(values), 3, (1,), (1,), 1))
            yield _ramp(single, register, f"sload {dtype}")
        return
    for a, b in [(7, 3), (-7, 3), (0, 1), (12345678901, 7), (-1, 64)]:
        single = Single(spec.name)
        loaded = single.b.view(single.argument(np.int64([a, b])), 0, (1,), (1,), 1)
        x = single.b.scalar("sload", loaded)
        y = single.b.scalar("sload", single.b.view(0, 1, (1,), (1,), 1))
        operands = (3 * x - y + 1,) if spec.name == "saffine" else (x, y)
        yield _ramp(single, single.b.scalar(spec.name, *operands), f"{spec.name} {a} {b}")


ELEMENTS = 48  # of the tiles that an instruction of one element is run over


def element_cases(spec: Spec) -> Iterator[Case]:
    """Loops over the elements of tiles: get, compute, set; and the same from and to GM."""
    for op, dtype, to, mode in _element_choices(spec):
        label = f"{spec.name} {op} {dtype} {to} {mode}".strip()
        rng, single = np.random.default_rng(zlib.crc32(label.encode())), Single(spec.name)
        count = 3 if spec.name == "scompute" else 1
        sources = [
            random_values(rng, DType.i1 if op == "sel" and i == 0 else dtype, (1, ELEMENTS)) for i in range(count)
        ]
        b, dst = single.b, single.load(np.zeros((1, ELEMENTS), to.numpy))
        tiles = [single.load(s) for s in sources]
        argument = single.argument(sources[0])
        out = single.result(np.zeros((1, ELEMENTS), to.numpy)) if spec.name == "sstore" else None
        with b.loop(0, ELEMENTS) as i:
            held = [b.scalar("sget", t, i) for t in tiles]
            if spec.name == "scompute":
                held = [b.scalar("scompute", op, dtype.name, *held)]
            elif spec.name == "sconvert":
                held = [b.scalar("sconvert", held[0], dtype.name, to.name, mode)]
            if out is not None:
                b.sstore(b.view(out, i, (1,), (1,)), held[0])
            elif dtype is not DType.u64 and spec.name in ("sget", "sset"):
                held = [b.scalar("sload", b.view(argument, i, (1,), (1,)))]
            b.sset(dst, i, held[0])
        single.store(dst)
        yield single.case(label, (dtype, to))


def _element_choices(spec):
    types = [d for d in DType if d in CLASSES["all"]]
    if spec.name == "sconvert":
        modes = next(o.values for o in spec.operands if o.name == "mode")
        for dtype, to in itertools.product(types, types):
            for mode in modes if dtype.is_float and to.is_integer else modes[:1]:
                yield "", dtype, to, mode
    elif spec.name == "scompute":
        for op in SCALAR_OPS:
            name = "tcmp" if op in CMP_MODES else f"t{op}"
            vector = instruction_set()[name]
            gives_mask = name in ("tcmp", "tisfinite")
            for dtype in types:
                operands = len(vector.tiles)
                rule = (DType.i1 if gives_mask else dtype, *([DType.i1] if op == "sel" else []), dtype, dtype)[
                    :operands
                ]
                if allows(vector.dtypes, rule):
                    yield op, dtype, DType.i1 if gives_mask else dtype, ""
    else:
        yield from (("", d, d, "") for d in types)


def piece_cases(spec: Spec) -> Iterator[Case]:
    """Pieces of tiles in UB, at constant places and at such that a loop moves."""
    rng = np.random.default_rng(0)
    for dtype in [d for d in DType if d in CLASSES["all"]]:
        single = Single(spec.name)
        whole, piece = random_values(rng, dtype, (9, 40)), random_values(rng, dtype, (2, 7))
        whole, piece = single.load(whole), single.load(piece)
        for row, column in ((0, 0), (7, 32), (3, 5)):
            _piece(single.b, spec.name, whole, piece, row, column)
            single.store(piece)
        with single.b.loop(0, 5) as i:
            _piece(single.b, spec.name, whole, piece, i, 3 * i + 1)
        single.store(whole)
        yield single.case(f"{spec.name} {dtype}", (dtype,))


def _piece(b, name, whole, piece, row, column):
    if name == "tslice":
        b.tslice(piece, whole, row, column)
    else:
        b.tinsert(whole, piece, row, column)


def _ramp(single, register, label):
    tile = single.tile(DType.i64, (1, 4))
    single.b.tci(tile, register, 0, 1)
    single.store(tile)
    return single.case(label)


def load_store_cases(spec: Spec) -> Iterator[Case]:
    """tload and tstore through views of every kind, and stores that combine."""
    rng = np.random.default_rng(0)
    views = [
        ((7, 13), (13, 1), 1), ((7, 13), (1, 7), 1), ((3, 5, 6), (64, 7, 1), 2), ((5, 8), (-16, -1), 1),
        ((2, 3, 2, 3, 4), (100, 4, 50, 16, 1), 3), ((1, 17), (17, 2), 1), ((11,), (1,), 0),
    ]  # fmt: skip
    for dtype, (shape, strides, split) in itertools.product([d for d in DType if d in CLASSES["all"]], views):
        low = -sum(min(0, (n - 1) * s) for n, s in zip(shape, strides))
        size = 1 + sum(abs((n - 1) * s) for n, s in zip(shape, strides))
        region = int(np.prod(shape[:split])), int(np.prod(shape[split:]))
        for atomic in ATOMIC_MODES if spec.name == "tstore" and dtype in CLASSES["number"] else ("none",):
            if atomic in ("and", "or") and not dtype.is_integer:
                continue
            single = Single(spec.name)
            if spec.name == "tload":
                tile = single.tile(dtype, region)
                source = single.argument(random_values(rng, dtype, size + 3))
                single.b.tload(tile, single.b.view(source, low + 1, shape, strides, split))
                single.store(tile)
            else:
                tile = single.load(random_values(rng, dtype, region, special=False))
                target = single.result(random_values(rng, dtype, size + 3, special=False))
                single.b.tstore(single.b.view(target, low + 1, shape, strides, split), tile, atomic=atomic)
            yield single.case(f"{spec.name} {dtype} {shape} {strides} {atomic}", (dtype,))


def gather_cases(spec: Spec) -> Iterator[Case]:
    """mgather and mscatter by row and by element."""
    rng = np.random.default_rng(0)
    for dtype, index_type, mode in itertools.product(
        [d for d in DType if d in CLASSES["all"]], (np.int32, np.int64), ("row", "elem")
    ):
        rows, columns = 9, 5
        shape = (rows, 1) if mode == "row" else (rows, columns)
        modes = ATOMIC_MODES if spec.name == "mscatter" and dtype in CLASSES["number"] else ("none",)
        for atomic in modes:
            if atomic in ("and", "or") and not dtype.is_integer:
                continue
            single = Single(spec.name)
            index = rng.integers(-1 if spec.name == "mscatter" else 0, 60, shape).astype(index_type)
            where = single.load(index)
            if spec.name == "mgather":
                tile = single.tile(dtype, (rows, columns))
                source = single.argument(random_values(rng, dtype, 80))
                single.b.mgather(tile, single.b.view(source, 3, (1, columns), (0, 2), 1), where, mode)
                single.store(tile)
            else:
                tile = single.load(random_values(rng, dtype, (rows, columns), special=False))
                target = single.result(random_values(rng, dtype, 80, special=False))
                single.b.mscatter(single.b.view(target, 3, (1, columns), (0, 2), 1), tile, where, mode, atomic)
            yield single.case(f"{spec.name} {dtype} {np.dtype(index_type)} {mode} {atomic}", (dtype,))


_MATMULS = [(DType.f16, DType.f32), (DType.bf16, DType.f32), (DType.f32, DType.f32), (DType.f64, DType.f64),
            (DType.i8, DType.i32), (DType.u8, DType.i32), (DType.i32, DType.i32)]  # fmt: skip


def _up(value, unit):
    return -(-value // unit) * unit


def cube_cases(spec: Spec) -> Iterator[Case]:
    """Products through L1 and L0, for tmatmul, tmatmul_bias, textract; tstore from L0C converts."""
    rng = np.random.default_rng(0)
    for (dtype, acc), (m, k, n) in itertools.product(_MATMULS, [(1, 1, 1), (5, 33, 17), (40, 70, 19), (16, 128, 64)]):
        for drained in (acc, *((DType.f16, DType.bf16) if acc is DType.f32 else ())):  # and the type of the bias
            single = Single(spec.name, "aic")
            b, unit = single.b, max(32 // dtype.bytes, 1)
            half = _up(-(-k // 2), 16 if unit <= 16 else unit)
            draw = (lambda *s: rng.normal(size=s)) if dtype.is_float else (lambda *s: rng.integers(0, 90, s))
            x, w = draw(m, k).astype(dtype.numpy), draw(k, n).astype(dtype.numpy)
            deep = max(_up(k, 32), 2 * half)
            a1 = single.load(x, Loc.mat, Layout.nz, (_up(m, 16), deep))
            b1 = single.load(w, Loc.mat, Layout.zn, (deep, _up(n, 16)))
            c = single.tile(acc, (m, n), Loc.acc, Layout.nz, (_up(m, 16), _up(n, 16)))
            for first in range(0, k, half):
                depth = min(half, k - first)
                a0 = single.tile(dtype, (m, depth), Loc.left, Layout.nz, (_up(m, 16), _up(half, 32)))
                b0 = single.tile(dtype, (depth, n), Loc.right, Layout.zn, (_up(half, 32), _up(n, 16)))
                b.textract(a0, a1, 0, first)
                b.textract(b0, b1, first, 0)
                if spec.name == "tmatmul_bias" and first == 0:
                    row = single.load(draw(1, n).astype(drained.numpy), Loc.mat, Layout.nd, (1, _up(n, 16)))
                    bias = single.tile(drained, (1, n), Loc.bias, Layout.nd, (1, _up(n, 16)))
                    b.tmov(bias, row)
                    b.tmatmul_bias(c, a0, b0, bias)
                else:
                    b.tmatmul(c, a0, b0, first)
            single.store(c, drained, activation="relu" if drained is not acc else "none")
            yield single.case(f"{spec.name} {dtype} {drained} {m}x{k}x{n}", (dtype, drained))


def image_cases(spec: Spec) -> Iterator[Case]:
    """timg2col into left and right, by multiplying with an identity."""
    rng = np.random.default_rng(0)
    windows = [(3, 3, 1, 1, 1, 1, 1, 1, 6, 7), (2, 3, 2, 1, 1, 2, 1, 1, 3, 5), (3, 3, 1, 1, 1, 1, 2, 2, 11, 13)]
    for dtype, window, (top, left) in itertools.product((DType.f16, DType.f32), windows, ((1, 1), (0, -1))):
        single = Single(spec.name, "aic")
        images, height, width, channels = 2, 6, 7, 4
        taps = window[0] * window[1] * channels
        positions = min(20, images * window[8] * window[9] - 3)
        features = rng.normal(size=(images * height * width, channels)).astype(dtype.numpy)
        source = single.load(features, Loc.mat, Layout.fmap, features.shape)
        eye = single.load(np.eye(taps, dtype=dtype.numpy), Loc.mat, Layout.zn, (_up(taps, 32), _up(taps, 16)))
        a0 = single.tile(dtype, (positions, taps), Loc.left, Layout.nz, (32, _up(taps, 32)))
        b0 = single.tile(dtype, (taps, taps), Loc.right, Layout.zn, (_up(taps, 32), _up(taps, 16)))
        c = single.tile(DType.f32, (positions, taps), Loc.acc, Layout.nz, (32, _up(taps, 16)))
        single.b.timg2col(a0, source, 3, 0, top, left, (images, height, width, channels), window)
        single.b.textract(b0, eye, 0, 0)
        single.b.tmatmul(c, a0, b0)
        single.store(c)
        yield single.case(f"timg2col {dtype} {window} {top} {left}", (dtype,))


def reshape_cases(spec: Spec) -> Iterator[Case]:
    """treshape to another shape, and to another type of equal width."""
    rng = np.random.default_rng(0)
    for dtype, other in (
        (DType.f32, DType.f32),
        (DType.f32, DType.i32),
        (DType.bf16, DType.u16),
        (DType.i64, DType.i64),
    ):
        single = Single(spec.name)
        source = single.load(random_values(rng, dtype, (8, 32), special=False))
        dst = single.tile(other, (4, 64))
        single.b.treshape(dst, source)
        single.store(dst)
        yield single.case(f"treshape {dtype} {other}", (dtype,))


_BUILDERS = {
    "tload": load_store_cases, "tstore": load_store_cases, "mgather": gather_cases, "mscatter": gather_cases,
    "tmatmul": cube_cases, "tmatmul_bias": cube_cases, "textract": cube_cases, "timg2col": image_cases,
    "treshape": reshape_cases, "tslice": piece_cases, "tinsert": piece_cases, "scompute": element_cases,
    "sconvert": element_cases, "sget": element_cases, "sset": element_cases, "sstore": element_cases,
}  # fmt: skip


def cases(name: str) -> Iterator[Case]:
    """Return the programs that test the instruction called `name`."""
    spec = instruction_set()[name]
    if name in _BUILDERS:
        return _BUILDERS[name](spec)
    if spec.group == "scalar":
        return scalar_cases(spec)
    if name == "tmov":
        return vector_cases(spec)
    assert all(o.locs == (Loc.vec,) for o in spec.tiles), (
        f"{name} needs a builder of its own in instruction_programs.py"
    )
    return vector_cases(spec)

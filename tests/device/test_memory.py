"""Loads, stores, gathers and scatters on the executor against the reference, over types and odd shapes."""

import numpy as np
import pytest
from executor import check, program_of, random_array, run_device

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import KernelBuilder

TYPES = [DType.i1, DType.i8, DType.u8, DType.i16, DType.f16, DType.bf16, DType.i32, DType.f32, DType.i64, DType.f64]
# shape, strides, split
VIEWS = [
    ((7, 13), (13, 1), 1),
    ((7, 13), (1, 7), 1),
    ((33, 40), (1, 33), 1),
    ((7, 13), (0, 1), 1),
    ((7, 13), (1, 0), 1),
    ((3, 5, 6), (64, 7, 1), 2),
    ((3, 5, 6), (1, 3, 15), 1),
    ((2, 3, 2, 3, 4), (100, 4, 50, 16, 1), 3),
    ((5, 8), (-16, -1), 1),
    ((1, 17), (0, 2), 1),
    ((11,), (1,), 0),
]


def extent_of(shape, strides):
    """Return the offset of the first element and the number of elements a view needs."""
    low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True))
    high = sum(max(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True))
    return -low, high - low + 1


def padded(columns, dtype):
    return -(-columns * dtype.bytes // 32) * 32 // dtype.bytes


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("shape,strides,split", VIEWS)
def test_load_store(dtype, shape, strides, split):
    rows, columns = int(np.prod(shape[:split])), int(np.prod(shape[split:]))
    offset, size = extent_of(shape, strides)
    rng = np.random.default_rng(0)
    # in through the view, out densely; then the other way, where no element of the view is written twice
    for direction in ("load", "store")[: 1 if 0 in strides else 2]:
        b = KernelBuilder("move", "aiv", (1,))
        strided, dense = (size + 5, rows * columns) if direction == "load" else (rows * columns, size + 5)
        source, result = b.argument(dtype, strided), b.argument(dtype, dense, writes=True)
        tile = b.tile(Loc.vec, dtype, rows, padded(columns, dtype), (rows, columns), address=64)
        argument = {"load": source, "store": result}[direction]
        there = b.view(argument, offset + 2, shape, strides, split)
        plain = b.view(result if direction == "load" else source, 0, (rows, columns), (columns, 1))
        b.tload(tile, there if direction == "load" else plain)
        b.tstore(plain if direction == "load" else there, tile)
        check(b.kernel, [random_array(rng, dtype, strided), random_array(rng, dtype, dense)])


@pytest.mark.parametrize("mode", ["add", "max", "min", "mul", "and", "or"])
@pytest.mark.parametrize("dtype", [DType.i32, DType.f32, DType.bf16], ids=str)
def test_atomic_store(mode, dtype):
    if mode in ("and", "or") and dtype.is_float:
        return
    b = KernelBuilder("atomic", "aiv", (5,))
    source, result = b.argument(dtype, 5 * 40), b.argument(dtype, 90, writes=True)
    tile = b.tile(Loc.vec, dtype, 4, 16, (4, 10), address=0)
    b.tload(tile, b.view(source, 40 * b.blocks[0], (4, 10), (10, 1)))
    b.tstore(b.view(result, 1, (4, 10), (20, 2)), tile, mode)
    rng = np.random.default_rng(1)
    check(b.kernel, [random_array(rng, dtype, 200), random_array(rng, dtype, 90)])


@pytest.mark.parametrize("mode", ["row", "elem"])
@pytest.mark.parametrize("index", [DType.i32, DType.i64], ids=str)
@pytest.mark.parametrize("dtype", [DType.u8, DType.f16, DType.f32, DType.f64], ids=str)
def test_gather_and_scatter(mode, index, dtype):
    rng = np.random.default_rng(2)
    rows, columns = 9, 6
    width = columns if mode == "elem" else 1
    b = KernelBuilder("index", "aiv", (1,))
    table, offsets = b.argument(dtype, 100), b.argument(index, rows * width)
    result, scattered = b.argument(dtype, rows * columns, True), b.argument(dtype, 100, True)
    i = b.tile(Loc.vec, index, rows, padded(width, index), (rows, width), address=0)
    t = b.tile(Loc.vec, dtype, rows, padded(columns, dtype), (rows, columns), address=4096)
    b.tload(i, b.view(offsets, 0, (rows, width), (width, 1)))
    b.mgather(t, b.view(table, 3, (1, columns), (0, 2)), i, mode)
    b.tstore(b.view(result, 0, (rows, columns), (columns, 1)), t)
    b.mscatter(b.view(scattered, 3, (1, columns), (0, 2)), t, i, mode)
    if dtype is not DType.u8:
        b.mscatter(b.view(scattered, 3, (1, columns), (0, 2)), t, i, mode, "add")
    values = [random_array(rng, dtype, 100), rng.integers(0, 80, rows * width).astype(index.numpy)]
    check(b.kernel, [*values, random_array(rng, dtype, rows * columns), random_array(rng, dtype, 100)])


@pytest.mark.parametrize("dtype", [DType.i1, DType.i8, DType.u16, DType.bf16, DType.f32, DType.f64], ids=str)
@pytest.mark.parametrize("index", [DType.i32, DType.i64], ids=str)
@pytest.mark.parametrize("columns", [1, 2047, 5000])
def test_long_rows_of_elements(columns, index, dtype):
    """The executor looks at many offsets before it uses them; those that a scatter leaves out are among some."""
    rng = np.random.default_rng(4)
    b = KernelBuilder("index", "aiv", (1,))
    table, inside, some = b.argument(dtype, 300), b.argument(index, columns), b.argument(index, columns)
    result = b.argument(dtype, columns, True)
    kinds = ["none", *([] if dtype is DType.i1 else ["add", "max", "min"])]
    scattered = [b.argument(dtype, 300, True) for _ in kinds]
    i, j = (b.tile(Loc.vec, index, 1, padded(columns, index), (1, columns), address=at) for at in (0, 1 << 16))
    t = b.tile(Loc.vec, dtype, 1, padded(columns, dtype), (1, columns), address=1 << 17)
    b.tload(i, b.view(inside, 0, (1, columns), (0, 1)))
    b.tload(j, b.view(some, 0, (1, columns), (0, 1)))
    b.mgather(t, b.view(table, 3, (1, 1), (0, 1)), i, "elem")
    b.tstore(b.view(result, 0, (1, columns), (0, 1)), t)
    for kind, argument in zip(kinds, scattered, strict=True):
        b.mscatter(b.view(argument, 3, (1, 1), (0, 1)), t, i, "elem", kind)
        b.mscatter(b.view(argument, 5, (1, 1), (0, 1)), t, j, "elem", kind)
    places = rng.integers(0, 290, columns)
    left_out = np.where((np.arange(columns) > 3000) & (places % 3 == 0), -1, places)
    given = [random_array(rng, dtype, 300), places.astype(index.numpy), left_out.astype(index.numpy)]
    check(b.kernel, [*given, random_array(rng, dtype, columns), *(random_array(rng, dtype, 300) for _ in kinds)])


@pytest.mark.parametrize("bad", [300, -4, 2**31 - 1])
def test_one_offset_of_many_outside(bad):
    columns = 5000
    b = KernelBuilder("index", "aiv", (1,))
    table, offsets = b.argument(DType.f32, 300), b.argument(DType.i32, columns)
    i, t = (b.tile(Loc.vec, dtype, 1, columns, address=at) for dtype, at in ((DType.i32, 0), (DType.f32, 1 << 16)))
    b.tload(i, b.view(offsets, 0, (1, columns), (0, 1)))
    b.mgather(t, b.view(table, 3, (1, 1), (0, 1)), i, "elem")
    places = np.full(columns, 296, np.int32)
    run_device(program_of(b.kernel), [np.zeros(300, np.float32), places])
    places[4321] = bad
    with pytest.raises(RuntimeError, match=f"offset {bad} leaves argument 0 of 300 elements"):
        run_device(program_of(b.kernel), [np.zeros(300, np.float32), places])


@pytest.mark.parametrize("dtype", [DType.i1, DType.i8, DType.u16, DType.i32, DType.u32, DType.i64, DType.u64], ids=str)
def test_scalars(dtype):
    b = KernelBuilder("scalar", "aiv", (3,))
    where, source, result = b.argument(dtype, 3), b.argument(DType.f32, 200), b.argument(DType.f32, 3 * 8, True)
    v = b.scalar("sload", b.view(where, b.blocks[0], (1,), (1,)))
    v = b.scalar("smax", b.scalar("smin", v, 60), -20) + 20
    part = b.scalar("smul", b.scalar("sdiv", v, 3), 2) + b.scalar("smod", v, 3) + b.scalar("saffine", b.blocks[0] * 2)
    tile = b.tile(Loc.vec, DType.f32, 1, 8, address=0)
    with b.when(v - 5):
        b.tload(tile, b.view(source, part, (1, 8), (0, 1)))
        b.tstore(b.view(result, b.blocks[0] * 8, (1, 8), (0, 1)), tile)
    rng = np.random.default_rng(3)
    check(b.kernel, [random_array(rng, dtype, 3), random_array(rng, DType.f32, 200), np.zeros(24, np.float32)])

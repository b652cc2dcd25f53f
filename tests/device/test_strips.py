"""Runs of vector instructions: executed strip by strip they must compute what the instructions say one by one."""

import numpy as np
import pytest
from executor import check, plugin, program_of, random_array

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.isa.model import Affine, TileRef
from jax_ascend.compiler.program.kernel import KernelBuilder

SHAPES = [(1, 5000), (64, 96), (7, 1000), (300, 8), (9, 2100)]


class Tiles:
    """Hands out tiles of UB one after the other."""

    def __init__(self, b, rows, columns, extra=0):
        self.b, self.rows, self.columns, self.next, self.extra = b, rows, columns, 0, extra

    def __call__(self, dtype=DType.f32, rows=None, columns=None):
        rows, columns = rows or self.rows, columns or self.columns
        capacity = -(-columns * dtype.bytes // 32) * 32 // dtype.bytes + self.extra
        tile = self.b.tile(Loc.vec, dtype, rows, capacity, (rows, columns), address=self.next)
        self.next += rows * capacity * dtype.bytes
        return tile


def whole(b, argument, rows, columns, stride=None, offset=0):
    return b.view(argument, offset, (rows, columns), (columns if stride is None else stride, 1))


def inputs(kernel, seed=0):
    rng = np.random.default_rng(seed)
    return [random_array(rng, a.dtype, a.size) for a in kernel.arguments]


@pytest.mark.parametrize("extra", [0, 8])
@pytest.mark.parametrize("rows,columns", SHAPES)
def test_elementwise_chain(rows, columns, extra):
    if rows * (columns + extra) * 4 * 4 > 180 * 1024:
        rows = max(rows // 3, 1)
    b = KernelBuilder("chain", "aiv", (1,))
    x, y, out = (b.argument(DType.f32, rows * columns, i == 2) for i in range(3))
    tile = Tiles(b, rows, columns, extra)
    s, t, u = tile(), tile(), tile()
    b.tload(s, whole(b, x, rows, columns))
    b.tload(t, whole(b, y, rows, columns))
    b.tadd(u, s, t)
    b.tmuls(s, u, 0.5)
    b.tmax(t, t, s)
    b.tsub(u, u, t)
    b.tstore(whole(b, out, rows, columns), u)
    check(b.kernel, inputs(b.kernel))


@pytest.mark.parametrize("rows,columns", [(16, 128), (5, 1000), (40, 33)])
def test_normalised_rows(rows, columns):
    """Row reductions, their [rows, 1] results in arithmetic, and a row of weights loaded in between."""
    b = KernelBuilder("norm", "aiv", (1,))
    x, weight = b.argument(DType.f32, rows * columns), b.argument(DType.f32, columns)
    out, mean = b.argument(DType.f32, rows * columns, True), b.argument(DType.f32, rows, True)
    tile = Tiles(b, rows, columns)
    s, t, w = tile(), tile(), tile(rows=1)
    m, r = tile(columns=1), tile(columns=1)
    b.tload(s, whole(b, x, rows, columns))
    b.trowsum(m, s)
    b.tmuls(m, m, 1 / columns)
    b.trowexpandsub(t, s, m)
    b.tload(w, b.view(weight, 0, (1, columns), (0, 1)))
    b.tmul(s, t, t)
    b.trowsum(r, s)
    b.tadds(r, r, 1e-5)
    b.tsqrt(r, r)
    b.trowexpanddiv(t, t, r)
    b.tcolexpandmul(t, t, w)
    b.tstore(whole(b, out, rows, columns), t)
    b.tstore(b.view(mean, 0, (rows, 1), (1, 1)), m)
    check(b.kernel, inputs(b.kernel), 1e-4)


def test_values_read_after_the_run_are_in_ub():
    rows, columns = 24, 160
    b = KernelBuilder("later", "aiv", (1,))
    x, out, total = (
        b.argument(DType.f32, rows * columns),
        b.argument(DType.f32, rows * columns, True),
        b.argument(DType.f32, columns, True),
    )
    tile = Tiles(b, rows, columns)
    s, t, c = tile(), tile(), tile(rows=1)
    b.tload(s, whole(b, x, rows, columns))
    b.tmuls(t, s, 2.0)
    b.tstore(whole(b, out, rows, columns), t)
    b.tcolmax(c, t)
    b.tstore(b.view(total, 0, (1, columns), (0, 1)), c)
    check(b.kernel, inputs(b.kernel))


def test_tiles_that_share_memory():
    """A tile dead halfway through the run gives its memory to another of different element size."""
    rows, columns = 16, 256
    b = KernelBuilder("shared", "aiv", (1,))
    x, out = b.argument(DType.f32, rows * columns), b.argument(DType.bf16, rows * columns, True)
    s = b.tile(Loc.vec, DType.f32, rows, columns, address=0)
    t = b.tile(Loc.vec, DType.f32, rows, columns, address=rows * columns * 4)
    h = b.tile(Loc.vec, DType.bf16, rows, columns, address=0)
    b.tload(s, whole(b, x, rows, columns))
    b.tmuls(t, s, 3.0)
    b.tcvt(h, t, "rint")
    b.tstore(whole(b, out, rows, columns), h)
    check(b.kernel, inputs(b.kernel))


@pytest.mark.parametrize("shift", [0, 1, -3])
def test_update_in_place(shift):
    """Loads and stores of one argument: whole tiles are read before any of it is written."""
    rows, columns = 12, 512
    b = KernelBuilder("update", "aiv", (1,))
    x, p = b.argument(DType.f32, rows * columns), b.argument(DType.f32, rows * columns + 8, True)
    tile = Tiles(b, rows, columns)
    s, t, u = tile(), tile(), tile()
    b.tload(s, whole(b, x, rows, columns))
    b.tload(t, whole(b, p, rows, columns, offset=4))
    b.tmuls(u, s, 0.1)
    b.tadd(u, u, t)
    b.tsub(s, u, t)
    b.tstore(whole(b, p, rows, columns, offset=4 + shift), u)
    b.tadd(s, s, t)
    b.tstore(whole(b, x, rows, columns), s)
    b.kernel.arguments[0] = type(b.kernel.arguments[0])(DType.f32, rows * columns, True)
    check(b.kernel, inputs(b.kernel))


def test_broadcast_and_transposed_views():
    rows, columns = 40, 48
    b = KernelBuilder("views", "aiv", (1,))
    x, y, z = b.argument(DType.f32, rows * columns), b.argument(DType.f32, columns), b.argument(DType.f32, rows)
    out = b.argument(DType.f32, rows * columns, True)
    tile = Tiles(b, rows, columns)
    s, t, u = tile(), tile(), tile()
    b.tload(s, b.view(x, 0, (rows, columns), (1, rows)))
    b.tload(t, b.view(y, 0, (rows, columns), (0, 1)))
    b.tload(u, b.view(z, 0, (rows, columns), (1, 0)))
    b.tmul(s, s, t)
    b.tadd(s, s, u)
    b.tstore(b.view(out, 0, (5, 8, columns), (1, 5, rows), 2), s)
    check(b.kernel, inputs(b.kernel))


@pytest.mark.parametrize("block", [1, 4])
def test_loop_with_slots_and_a_tail(block):
    size, step = 5000, 768
    b = KernelBuilder("loop", "aiv", (block,))
    x, out = b.argument(DType.f32, size * block), b.argument(DType.f32, size * block, True)
    count = b.register()
    valid = b.blocks[0] * 0 + type(b.blocks[0])(0, ((count, 1),))
    s = b.tile(Loc.vec, DType.f32, 1, step, (1, valid), slots=2, slot_stride=step * 4, address=0)
    t = b.tile(Loc.vec, DType.f32, 1, step, (1, valid), address=step * 8)
    with b.loop(0, size, step) as i:
        b.smin(count, size - i, step)
        b.tload(s, b.view(x, b.blocks[0] * size + i, (1, valid), (0, 1)))
        b.tneg(t, s)
        b.tci(s, i, 0, 1)
        b.tadd(t, t, s)
        b.tstore(b.view(out, b.blocks[0] * size + i, (1, valid), (0, 1)), t)
    check(b.kernel, inputs(b.kernel))


def test_index_rows_in_strips():
    rows, columns = 70, 100
    b = KernelBuilder("tci", "aiv", (1,))
    x, out = b.argument(DType.i32, rows * columns), b.argument(DType.i32, rows * columns, True)
    tile = Tiles(b, rows, columns)
    s, t = tile(DType.i32), tile(DType.i32)
    b.tload(s, whole(b, x, rows, columns))
    b.tci(t, 7, 1000, 3)
    b.tadd(t, t, s)
    b.tstore(whole(b, out, rows, columns), t)
    check(b.kernel, inputs(b.kernel))


def test_vector_cores_have_their_own_ub():
    b = KernelBuilder("mix", "mix", (3,))
    x, out = b.argument(DType.f32, 3 * 2 * 64), b.argument(DType.f32, 3 * 2 * 64, True)
    s = b.tile(Loc.vec, DType.f32, 1, 64, address=0)
    with b.subblocks() as v:
        b.tload(s, b.view(x, b.blocks[0] * 128 + v * 64, (1, 64), (0, 1)))
    with b.subblocks() as v:
        b.tadds(s, s, 1.0)
        b.tstore(b.view(out, b.blocks[0] * 128 + v * 64, (1, 64), (0, 1)), s)
    check(b.kernel, inputs(b.kernel))


@pytest.mark.parametrize("dtype", [DType.f32, DType.i8, DType.f64])
@pytest.mark.parametrize("columns,apart", [(5, 32), (5, 64), (3, 96), (40, 512)])
def test_loop_over_narrow_tiles_leaves_their_neighbours(dtype, columns, apart):
    """Less than a vector is computed as a whole one only where what follows belongs to nobody."""
    b = KernelBuilder("neighbours", "aiv", (1,))
    arguments = [b.argument(dtype, columns, i > 2) for i in range(6)]
    capacity = -(-columns * dtype.bytes // 32) * 32 // dtype.bytes
    tiles = [
        b.tile(Loc.vec, dtype, 1, capacity, (1, columns), address=i * max(apart, capacity * dtype.bytes))
        for i in range(3)
    ]
    for argument, tile in zip(arguments, tiles):
        b.tload(tile, whole(b, argument, 1, columns))
    with b.loop(0, 5):
        b.tmaxs(tiles[1], tiles[1], 1)
        b.tadd(tiles[1], tiles[1], tiles[1])
    for argument, tile in zip(arguments[3:], tiles):
        b.tstore(whole(b, argument, 1, columns), tile)
    check(b.kernel, inputs(b.kernel))


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("rows,columns", [(20, 8), (9, 300), (4, 3000)])
def test_loop_whose_strips_move(rows, columns, step):
    """Windows, slots and the counter's own value follow the loop; each row is made from what the last one stored."""
    b = KernelBuilder("moving", "aiv", (1,))
    x, y = b.argument(DType.f32, rows * columns), b.argument(DType.f32, (rows + step) * columns, True)
    tile = Tiles(b, 1, columns)
    s, t, number = tile(), tile(), tile()
    pair = b.tile(Loc.vec, DType.f32, 1, -(-columns // 8) * 8, (1, columns), address=tile.next, slots=2)
    b.kernel.tiles[pair.tile].slot_stride = -(-columns // 8) * 32
    with b.loop(0, rows, step) as i:
        b.tload(s, whole(b, x, 1, columns, offset=i * columns))
        b.tload(t, whole(b, y, 1, columns, offset=i * columns))
        b.tci(number, i * 2 - 5, 0, 1)
        b.tadd(s, s, number)
        b.tmax(TileRef(pair.tile, i), s, t)
        b.tstore(whole(b, y, 1, columns, offset=(i + step) * columns), TileRef(pair.tile, i))
    b.tstore(whole(b, y, 1, columns), TileRef(pair.tile, Affine(0)))
    check(b.kernel, inputs(b.kernel))


@pytest.mark.parametrize("rounds", [5, 36, 37, 60, 150])
def test_long_chain_is_cut_where_little_is_alive(rounds):
    """Rounds as of random bits, in tiles that take the places of others: 7 instructions of which 2 results live on."""
    rows, columns = 4, 200
    b = KernelBuilder("rounds", "aiv", (1,))
    arguments = [b.argument(DType.u32, rows * columns, i > 1) for i in range(4)]
    room, free = rows * columns * 4, list(range(6))

    def tile():
        place = free.pop(0)
        ref = b.tile(Loc.vec, DType.u32, rows, columns, (rows, columns), address=place * room)
        places[ref.tile] = place
        return ref

    def done(*refs):
        free.extend(places[ref.tile] for ref in refs)

    places = {}
    x, y = tile(), tile()
    for argument, t in zip(arguments, (x, y)):
        b.tload(t, whole(b, argument, rows, columns))
    for i in range(rounds):
        total, left, right = tile(), tile(), tile()
        b.tadd(total, x, y)
        b.tshls(left, y, 1 + i % 31)
        b.tshrls(right, y, 31 - i % 31)
        done(x, y)
        turned = tile()
        b.tor(turned, left, right)
        done(left, right)
        mixed = tile()
        b.txor(mixed, turned, total)
        done(turned)
        x, y = total, tile()
        b.tadds(y, mixed, i)
        done(mixed)
        moved = tile()
        b.tmuls(moved, y, 3)
        done(y)
        y = moved
    for argument, t in zip(arguments[2:], (x, y)):
        b.tstore(whole(b, argument, rows, columns), t)
    check(b.kernel, inputs(b.kernel))
    (lines,) = plugin.strip_plans(program_of(b.kernel).encode())
    parts = [line for line in lines if line.startswith("part")]
    runs = sum(line.startswith("part 0:") for line in lines)
    assert len(parts) >= 7 * rounds + 4 - runs  # others are alone
    assert runs <= 1 + len(parts) // 100


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("dtype", [DType.f32, DType.i32, DType.u32])
@pytest.mark.parametrize("rows,columns", SHAPES)
def test_result_that_is_set_aside(rows, columns, dtype, second):
    """Registers keep what the next instruction takes; what comes out meanwhile goes to memory."""
    rows = min(rows, 180 * 1024 // (6 * 4 * columns))
    b = KernelBuilder("aside", "aiv", (1,))
    x, y, out, both = (b.argument(dtype, rows * columns, i > 1) for i in range(4))
    tile = Tiles(b, rows, columns)
    s, t, held, aside, last, result = (tile(dtype) for _ in range(6))
    b.tload(s, whole(b, x, rows, columns))
    b.tload(t, whole(b, y, rows, columns))
    b.tmuls(held, t, 3)
    b.tsub(aside, *((s, held) if second else (held, s)))
    b.tadds(last, held, 5)
    b.tmax(result, last, aside)
    b.tstore(whole(b, out, rows, columns), result)
    b.tstore(whole(b, both, rows, columns), aside)
    check(b.kernel, inputs(b.kernel))
    (lines,) = plugin.strip_plans(program_of(b.kernel).encode())
    assert any("load %t1, tmuls, tsub %t0 -> %t3, tadds, tmax %t3, store %t5" in line for line in lines), lines


def test_rotations_of_what_is_added_set_the_sum_aside():
    """A round of random bits: one store, where sum and addend would take two."""
    b = KernelBuilder("round", "aiv", (1,))
    x, y, out = (b.argument(DType.u32, 1024, i == 2) for i in range(3))
    tile = Tiles(b, 1, 1024)
    s, t, moved, total, left, right, turned, mixed = (tile(DType.u32) for _ in range(8))
    b.tload(s, whole(b, x, 1, 1024))
    b.tload(t, whole(b, y, 1, 1024))
    b.tadds(moved, t, 7)
    b.tadd(total, s, moved)
    b.tshls(left, moved, 13)
    b.tshrls(right, moved, 19)
    b.tor(turned, left, right)
    b.txor(mixed, total, turned)
    b.tstore(whole(b, out, 1, 1024), mixed)
    check(b.kernel, inputs(b.kernel))
    (lines,) = plugin.strip_plans(program_of(b.kernel).encode())
    assert any("load %t1, tadds, tadd %t0 -> %t3, rotate, txor %t3, store %t7" in line for line in lines), lines

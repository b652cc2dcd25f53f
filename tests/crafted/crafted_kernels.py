"""Kernels made to reach outside of their buffers, each with what must stop it."""

import numpy as np
from corpus import MOST, crafted, launching

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Layout, Loc
from jax_ascend.compiler.isa.model import Affine, TileRef, instruction_set
from jax_ascend.compiler.program.kernel import KernelBuilder

LEAVES = "leaves argument 0; expected elements 0 to 255"


def moving(view=(0, (64,), (1,)), offset=None, grid=(1,), last_block=False, **tile):
    """A vector kernel that loads 64 numbers from a view of its one argument and stores them there.

    `view` is (offset, shape, strides); `offset` may compute the first of them from the builder. The last of three blocks
    alone moves anything if `last_block`: in the others what the offset is computed from does not wrap.
    """
    b = KernelBuilder("moving", "aiv", (3,) if last_block else grid)
    x = b.argument(DType.f32, 256, writes=True)
    t = b.tile(Loc.vec, DType.f32, **{"rows": 1, "columns": 64, "address": 0, **tile})
    where = b.view(x, offset(b) if offset else view[0], *view[1:], split=0)
    with b.when(b.blocks[0] - 1 if last_block else 1):
        b.tload(t, where)
        b.tstore(where, t)
    return b


# ---- views


@crafted(load=LEAVES + ", got 200 to 263")
def view_past_the_end():
    return launching(moving((200, (64,), (1,))))


@crafted(load=LEAVES + ", got -1 to 62")
def view_before_the_start():
    return launching(moving((-1, (64,), (1,))))


@crafted(load=LEAVES + ", got 0 to 9223372036854775807")
def strides_that_overflow():
    return launching(moving((0, (2**20,), (2**44,))))


@crafted(load=LEAVES)
def strides_that_cancel():
    return launching(moving((0, (2, 2, 2, 2), (2**44, -(2**44), 2**44, -(2**44)))))


@crafted(load="an extent of src; expected 0 to 2147483648, got -1")
def extent_below_nothing():
    return launching(moving((0, (-1,), (1,))))


@crafted()
def nothing_at_a_place_that_does_not_exist():
    return launching(moving((2**62, (0,), (1,)), valid=(1, 0)))


@crafted(load="a stride of src; expected -17592186044416 to 17592186044416, got 4611686018427387904")
def stride_of_2_to_the_62():
    return launching(moving((0, (2,), (2**62,))))


@crafted(run=LEAVES)
def offset_that_is_not_known():
    def offset(b):
        r = b.scalar("saffine", Affine(-5))
        return b.scalar("smul", r, r) * 4000000

    return launching(moving(offset=offset))


@crafted(run=LEAVES + ", got -1024 to -961")
def product_that_wraps_below_a_minimum():
    def offset(b):
        return b.scalar("smin", b.scalar("saffine", b.blocks[0] * (2**63 - 512)), 100)

    return launching(moving(offset=offset, last_block=True))


@crafted(run=LEAVES + ", got 1000 to 1063")
def product_that_wraps_above_a_maximum():
    def offset(b):
        return b.scalar("smax", b.scalar("saffine", b.blocks[0] * (-(2**63) + 500)), 0)

    return launching(moving(offset=offset, last_block=True))


@crafted(run=LEAVES)
def smul_that_wraps():
    def offset(b):
        return b.scalar("smin", b.scalar("smul", b.blocks[0] * (2**62 + 50), 3), 50)

    return launching(moving(offset=offset, last_block=True))


@crafted(run=LEAVES)
def sum_that_wraps():
    def offset(b):
        same = b.scalar("smax", b.blocks[0], 0)
        return b.scalar("smin", b.blocks[0] * 2**62 + same * 2**62 - 2000, 60)

    return launching(moving(offset=offset, last_block=True))


@crafted(run=LEAVES)
def wrapped_quotient():
    def offset(b):
        product = b.scalar("smul", b.blocks[0] * (2**62 - 50), 2)
        return b.scalar("smin", b.scalar("sdiv", product, 2), 50)

    return launching(moving(offset=offset, last_block=True))


@crafted(load="%r1 may be read before it is set; expected it to be set on every way here")
def register_carried_by_a_loop():
    b = KernelBuilder("carried", "aiv", (1,))
    x = b.argument(DType.f32, 256, writes=True)
    t = b.tile(Loc.vec, DType.f32, 1, 64, address=0)
    at = b.register()
    with b.loop(0, 9):
        b.tload(t, b.view(x, Affine(0, ((at, 1),)), (64,), (1,), split=0))
        b.emit(instruction_set()["saffine"], at, Affine(60, ((at, 1),)))
    return launching(b)


@crafted()
def loop_that_ends_before_it_begins():
    b = KernelBuilder("backwards", "aiv", (1,))
    x = b.argument(DType.f32, 256, writes=True)
    t = b.tile(Loc.vec, DType.f32, 1, 64, address=0)
    with b.loop(10, -(2**62)) as i:
        b.tload(t, b.view(x, i * 1000, (64,), (1,), split=0))
    return launching(b)


@crafted(result=np.float32([0, 0, 5, 0]))
def loop_whose_counter_overflows():
    b = KernelBuilder("last", "aiv", (1,))
    x = b.argument(DType.f32, 4, writes=True)
    t = b.tile(Loc.vec, DType.f32, 1, 8, (1, 1), address=0)
    b.texpands(t, 5.0)
    with b.loop(MOST - 2, MOST, 2**62) as i:
        b.tstore(b.view(x, i - (MOST - 4), (1, 1), (1, 1)), t)
    return launching(b)


# ---- extents


def adding_rows(make):
    b = KernelBuilder("rows", "aiv", (3,))
    b.argument(DType.f32, 64, writes=True)
    rows = make(b)
    s, t = (b.tile(Loc.vec, DType.f32, 8, 64, (rows, 64), address=8192 * i) for i in range(2))
    with b.when(b.blocks[0] - 1):
        b.tadd(s, t, t)
    return launching(b)


@crafted(run="valid rows; expected 0 to 8, got 100000")
def rows_that_wrap_above_a_maximum():
    return adding_rows(lambda b: b.scalar("smax", b.scalar("saffine", b.blocks[0] * (-(2**63) + 50000)), Affine(0)))


@crafted(run="valid rows; expected 0 to 8, got -1048576")
def rows_that_wrap_below_a_minimum():
    return adding_rows(lambda b: b.scalar("smin", b.scalar("saffine", b.blocks[0] * (2**63 - 2**19)), Affine(8)))


@crafted(run="divisor; expected at least 1, got 0")
def rows_divided_by_nothing():
    return adding_rows(lambda b: b.scalar("sdiv", Affine(8), b.blocks[0]))


# ---- tiles


@crafted(load="%t0 in UB; expected an end of 188416 bytes at most, got 188640")
def tile_past_its_memory():
    return launching(moving(address=184 * 1024 - 32))


@crafted(load="%t0 in UB; expected an end of 188416 bytes at most, got 4398046511104")
def tile_of_2_to_the_42_bytes():
    return launching(moving(rows=2**21, columns=2**19))


@crafted(load="%t0 in UB; expected an end of 188416 bytes at most, got 8257792")
def slots_past_their_memory():
    return launching(moving(slots=64, slot_stride=2**17))


@crafted(load="slots of %t0; expected 1 to 64, got 1000")
def a_thousand_slots():
    return launching(moving(slots=1000, slot_stride=256))


@crafted()
def slot_numbers_of_any_size():
    b = KernelBuilder("slots", "aiv", (2,))
    x = b.argument(DType.f32, 64, writes=True)
    t = b.tile(Loc.vec, DType.f32, 1, 64, slots=3, slot_stride=256, address=0)
    for slot in (Affine(MOST), Affine(-MOST - 1), b.blocks[0] * MOST, b.blocks[0] * (-MOST - 1) - 1):
        b.tload(TileRef(t.tile, slot), b.view(x, 0, (1, 64), (64, 1)))
    return launching(b)


@crafted(load=r"grid; expected 1 to 2147483648 blocks, got \(2147483648, 2\)")
def grid_of_2_to_the_32_blocks():
    return launching(moving(grid=(2**31, 2)))


def nested_blocks(depth):
    b = moving()
    for _ in range(depth):
        b.emit(instruction_set()["when"], Affine(1))
    for _ in range(depth):
        b.end()
    return launching(b)


@crafted(load="spans are nested deeper than 64")
def blocks_5_000_deep():
    return nested_blocks(5_000)


@crafted()
def blocks_64_deep():
    return nested_blocks(64)


# ---- around the cube unit


@crafted(result=np.arange(8 * 24, 8 * 24 + 8, dtype=np.float32))
def bias_from_a_tile_that_still_lies_in_gm():
    """Rows are as far apart as in GM. The executor keeps row 8 of 8 columns where a tile at byte 32 begins."""
    b = KernelBuilder("bias", "aic", (1,))
    source, zeros = b.argument(DType.f32, 16 * 24), b.argument(DType.f32, 16 * 16)
    out = b.argument(DType.f32, 8, writes=True)
    row, left, right = (
        b.tile(Loc.mat, DType.f32, 16, columns, layout=layout, address=address)
        for columns, layout, address in ((8, Layout.nz, 0), (16, Layout.nz, 4096), (16, Layout.zn, 8192))
    )
    rows = b.tile(Loc.bias, DType.f32, 16, 8, address=0)
    one = b.tile(Loc.bias, DType.f32, 1, 8, address=32)
    l0 = b.tile(Loc.left, DType.f32, 16, 16, (1, 16), layout=Layout.nz, address=0)
    r0 = b.tile(Loc.right, DType.f32, 16, 16, (16, 8), layout=Layout.zn, address=0)
    acc = b.tile(Loc.acc, DType.f32, 16, 16, (1, 8), layout=Layout.nz, address=0)
    b.tload(row, b.view(source, 0, (16, 8), (24, 1)))
    b.tload(left, b.view(zeros, 0, (16, 16), (16, 1)))
    b.tload(right, b.view(zeros, 0, (16, 16), (16, 1)))
    b.tmov(rows, row)
    b.textract(l0, left, 0, 0)
    b.textract(r0, right, 0, 0)
    b.tmatmul_bias(acc, l0, r0, one)
    b.tstore(b.view(out, 0, (1, 8), (8, 1)), acc)
    return launching(b, [np.arange(16 * 24, dtype=np.float32)])


@crafted()
def bias_beyond_an_argument_of_one_row():
    b = KernelBuilder("bias", "aic", (1,))
    source = b.argument(DType.f32, 8)
    row = b.tile(Loc.mat, DType.f32, 16, 8, layout=Layout.nz, address=0)
    b.tload(row, b.view(source, 0, (16, 8), (0, 1)))
    b.tmov(b.tile(Loc.bias, DType.f32, 16, 8, address=0), row)
    return launching(b)


@crafted(load="valid region of bias, columns; expected 48, got 56")
def sums_wider_than_their_accumulator():
    b = KernelBuilder("wide", "aic", (1,))
    b.argument(DType.f32, 8)
    left = b.tile(Loc.left, DType.f32, 16, 16, layout=Layout.nz, address=0)
    right = b.tile(Loc.right, DType.f32, 16, 64, (16, 48), layout=Layout.zn, address=0)
    acc = b.tile(Loc.acc, DType.f32, 16, 32, layout=Layout.nz, address=0)
    b.tmatmul_bias(acc, left, right, b.tile(Loc.bias, DType.f32, 1, 56, address=0))
    return launching(b)


@crafted(load="element types; expected the argument's; from acc, floats convert to any float, got f16, f16")
def accumulator_declared_in_half_precision():
    """The executor keeps its elements in 32 bits: they must not be stored as if they had the view's 16."""
    b = KernelBuilder("half", "aic", (1,))
    out = b.argument(DType.f16, 16 * 16, writes=True)
    acc = b.tile(Loc.acc, DType.f16, 16, 16, layout=Layout.nz, address=0)
    left = b.tile(Loc.left, DType.f32, 16, 16, (16, 0), layout=Layout.nz, address=0)
    right = b.tile(Loc.right, DType.f32, 16, 16, (0, 16), layout=Layout.zn, address=0)
    sums = b.tile(Loc.acc, DType.f32, 16, 16, layout=Layout.nz, address=0)
    b.tmatmul(sums, left, right, 0)
    b.tstore(b.view(out, 0, (16, 16), (16, 1)), acc)
    return launching(b, [np.full(16 * 16, 7, np.float16)])


@crafted(load="capacity of %t0 in nz; expected multiples of 16 x 16, got 1 x 131072")
def row_wider_than_the_memory_for_conversions():
    b = KernelBuilder("wide", "aic", (1,))
    out = b.argument(DType.f64, 1 << 17, writes=True)
    acc = b.tile(Loc.acc, DType.i8, 1, 1 << 17, layout=Layout.nz, address=0)
    b.tstore(b.view(out, 0, (1, 1 << 17), (1 << 17, 1)), acc, "add", "relu")
    return launching(b)


@crafted(load="the cube unit does not take this element type")
def windows_of_one_byte_elements():
    b = KernelBuilder("image", "aic", (1,))
    b.argument(DType.f32, 8)
    image = b.tile(Loc.mat, DType.i1, 64, 32, layout=Layout.nz, address=0)
    left = b.tile(Loc.left, DType.i1, 32, 64, layout=Layout.nz, address=0)
    b.timg2col(left, image, 0, 0, 0, 0, (1, 8, 8, 32), (1, 1, 1, 1, 1, 1, 1, 1, 8, 8))
    return launching(b)


@crafted()
def windows_far_away():
    b = KernelBuilder("image", "aic", (2,))
    b.argument(DType.f32, 8)
    image = b.tile(Loc.mat, DType.f32, 64, 16, layout=Layout.nz, address=0)
    left = b.tile(Loc.left, DType.f32, 16, 32, layout=Layout.nz, address=0)
    for far in (MOST, -MOST - 1, 2**40, 2**24):
        for place in range(4):
            where = [Affine(far) if n == place else Affine() for n in range(4)]
            b.timg2col(left, image, *where, (2**20, 2**20, 2**20, 16), (2**20,) * 10)
    return launching(b)


@crafted(load="takes data from L1 to UB; expected a path that a2a3 has")
def move_from_l1_to_ub():
    b = KernelBuilder("path", "mix", (1,))
    b.argument(DType.f32, 8)
    b.tmov(b.tile(Loc.vec, DType.f16, 16, 16, address=0), b.tile(Loc.mat, DType.f16, 16, 16, address=0))
    return launching(b)


# ---- indices that are data


def gathering(index):
    b = KernelBuilder("gather", "aiv", (1,))
    x, where = b.argument(DType.f32, 256), b.argument(DType.i64, 8)
    t = b.tile(Loc.vec, DType.f32, 1, 8, address=0)
    i = b.tile(Loc.vec, DType.i64, 1, 8, address=4096)
    b.tload(i, b.view(where, 0, (8,), (1,), split=0))
    b.mgather(t, b.view(x, 0, (1, 1), (1, 1)), i, mode="elem")
    return launching(b, [np.zeros(256, np.float32), np.full(8, index)])


for number, index in enumerate((MOST, -MOST - 1, 256, -1)):
    crafted(run=f"offset {index} leaves argument 0 of 256 elements", name=f"gather_at_place_{number}")(
        lambda index=index: gathering(index)
    )


@crafted(run="offset 255 leaves argument 0 of 256 elements")
def scatter_of_rows_past_the_end():
    b = KernelBuilder("scatter", "aiv", (1,))
    x, where = b.argument(DType.f32, 256, writes=True), b.argument(DType.i32, 8)
    t = b.tile(Loc.vec, DType.f32, 1, 8, address=0)
    i = b.tile(Loc.vec, DType.i32, 1, 8, address=4096)
    b.texpands(t, 1.0)
    b.tload(i, b.view(where, 0, (1, 8), (8, 1)))
    b.mscatter(b.view(x, 0, (1, 8), (8, 1)), t, i, mode="row")
    return launching(b, [np.zeros(256, np.float32), np.full(8, 255, np.int32)])


# ---- what runs, but is no kernel of the machine


@crafted(load="event; expected 0 to 7, got 99")
def event_99():
    b = KernelBuilder("event", "aiv", (1,))
    b.argument(DType.f32, 8)
    b.set_flag("MTE2", "V", 99)
    b.wait_flag("MTE2", "V", 99)
    return launching(b)


@crafted(load="pipe; expected one of S, V, MTE2, MTE3, got M")
def cube_pipe_in_a_vector_kernel():
    b = KernelBuilder("pipe", "aiv", (1,))
    b.argument(DType.f32, 8)
    b.pipe_barrier("M")
    return launching(b)


@crafted(load="address of %t0; expected multiples of 512, got 32")
def l1_address_that_is_not_aligned():
    b = KernelBuilder("aligned", "aic", (1,))
    x = b.argument(DType.f32, 256)
    b.tload(b.tile(Loc.mat, DType.f32, 16, 16, layout=Layout.nz, address=32), b.view(x, 0, (16, 16), (16, 1)))
    return launching(b)


@crafted(load="%r1 may be read before it is set")
def register_that_nobody_sets():
    return launching(moving(offset=lambda b: Affine(0, ((b.register(), 1),))))


@crafted(load="location of %t0; expected a memory of the cube core, got vec")
def ub_tile_in_a_cube_kernel():
    b = KernelBuilder("ub", "aic", (1,))
    b.argument(DType.f32, 8)
    b.tile(Loc.vec, DType.f32, 1, 8, address=0)
    return launching(b)


@crafted(load="element types; expected an i32 result and a number, got i32, i1")
def argmax_of_truth_values():
    b = KernelBuilder("argmax", "aiv", (1,))
    b.argument(DType.f32, 8)
    b.trowargmax(b.tile(Loc.vec, DType.i32, 1, 8, (1, 1), address=0), b.tile(Loc.vec, DType.i1, 1, 32, address=64))
    return launching(b)

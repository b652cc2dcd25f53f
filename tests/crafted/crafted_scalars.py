"""Kernels whose scalar unit reaches for elements that are not there, or never ends."""

import numpy as np
from corpus import MOST, crafted, launching

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.isa.model import Affine, instruction_set
from jax_ascend.compiler.program.kernel import KernelBuilder


def scalars(emit, dtype=DType.i64, size=4, **tile):
    """A kernel with an argument of `size` elements and a tile; `emit(builder, argument, tile)` writes its body."""
    b = KernelBuilder("scalars", "aiv", (1,))
    x = b.argument(dtype, size, writes=True)
    t = b.tile(Loc.vec, dtype, **{"rows": 2, "columns": 8, "address": 0, **tile})
    emit(b, x, t)
    return launching(b, [np.arange(size).astype(dtype.numpy)])


def element(x, at):
    """A view of one element."""
    return x, at, (1,), (1,)


@crafted(load="index; expected 0 to 15, got 16")
def element_behind_a_tile():
    return scalars(lambda b, x, t: b.scalar("sget", t, 16))


@crafted(load="index; expected 0 or more|index; expected 0 to")
def element_before_a_tile():
    return scalars(lambda b, x, t: b.sset(t, Affine(-1), Affine(7)))


@crafted(run="index; expected 0 to 15, got 16")
def element_behind_a_tile_by_a_register():
    def emit(b, x, t):
        with b.loop(0, 17) as i:
            b.sset(t, i, i)

    return scalars(emit)


@crafted(run="index; expected 0 to 15, got -9223372036854775808")
def element_whose_number_overflows():
    def emit(b, x, t):
        with b.loop(0, 2) as i:
            b.scalar("sget", t, b.scalar("saffine", i * MOST + 1))

    return scalars(emit)


@crafted(run="the view leaves argument 0; expected elements 0 to 3, got 4 to 4")
def element_behind_an_argument():
    def emit(b, x, t):
        with b.loop(0, 9) as i:
            b.sstore(b.view(*element(x, i)), i)

    return scalars(emit)


@crafted(run="the view leaves argument 0; expected elements 0 to 3, got -1 to -1")
def element_before_an_argument():
    def emit(b, x, t):
        b.sstore(b.view(*element(x, b.scalar("sload", b.view(*element(x, 1))) - 2)), 0)

    return scalars(emit)


@crafted(load="slots of %t0; expected 1, got 2")
def element_of_a_tile_with_slots():
    return scalars(lambda b, x, t: b.scalar("sget", t, 0), slots=2, slot_stride=128)


@crafted(load="element types; expected one of i1 i8")
def element_of_no_computed_type():
    return scalars(lambda b, x, t: b.scalar("sget", t, 0), dtype=DType.f8e5m2)


@crafted(load="type; expected .*, got i32")
def exponential_of_an_integer():
    return scalars(lambda b, x, t: b.scalar("scompute", "exp", "i32", Affine(1)))


@crafted(load="place; expected to stand directly in a loop, got none")
def until_without_a_loop():
    return scalars(lambda b, x, t: b.until(Affine(1)))


@crafted(load="place; expected to stand directly in a loop, got when")
def until_in_a_condition():
    def emit(b, x, t):
        with b.loop(0, 4) as i, b.when(i):
            b.until(i)

    return scalars(emit)


@crafted(result=np.array([5, 1, 2, 3], np.int64))
def until_leaves_the_inner_loop():
    def emit(b, x, t):
        total = b.register()
        b.saffine(total, Affine())
        with b.loop(0, 5), b.loop(0, 2**62) as j:
            b.until(j)
            b.saffine(total, Affine(1, ((total, 1),)))
        b.sstore(b.view(*element(x, 0)), Affine(0, ((total, 1),)))

    return scalars(emit)


@crafted(result=np.array([3, 1, 2, 3], np.int64))
def until_between_vector_instructions():
    def emit(b, x, t):
        b.texpands(t, 0)
        with b.loop(0, 2**62) as j:
            b.until(j - 2)
            b.tadds(t, t, 1)
        b.sstore(b.view(*element(x, 0)), b.scalar("sget", t, 0))

    return scalars(emit)


@crafted(load="%r2 may be read before it is set")
def register_that_a_condition_may_leave_unset():
    def emit(b, x, t):
        with b.loop(0, 1) as i, b.when(i):
            b.saffine(2, Affine())
        b.sstore(b.view(*element(x, 0)), Affine(0, ((2, 1),)))

    b = KernelBuilder("scalars", "aiv", (1,))
    x = b.argument(DType.i64, 4, writes=True)
    b.kernel.registers = 3
    emit(b, x, None)
    return launching(b)


@crafted()
def more_constants_than_registers():
    def emit(b, x, t):
        register = b.register()
        b.saffine(register, Affine())
        with b.loop(0, 2):
            for n in range(9000):
                b.smax(register, Affine(0, ((register, 1),)), Affine(n + 10**12))
        b.sstore(b.view(*element(x, 0)), Affine(0, ((register, 1),)))

    return scalars(emit)


@crafted()
def more_loops_than_registers_for_their_ends():
    def emit(b, x, t):
        register = b.register()
        for _ in range(5000):
            b.emit(instruction_set()["loop"], register, Affine(), Affine(2), Affine(1))
            b.sstore(b.view(*element(x, 0)), Affine(0, ((register, 1),)))
            b.end()

    return scalars(emit)


@crafted(result=np.array([1, 1, 2, 3], np.int64))
def i1_of_another_byte():
    """Its lowest bit counts, wherever it comes from."""
    b = KernelBuilder("scalars", "aiv", (1,))
    x, bits = b.argument(DType.i64, 4, writes=True), b.argument(DType.i1, 32)
    t = b.tile(Loc.vec, DType.u8, 1, 32, address=0)
    flags = b.tile(Loc.vec, DType.i1, 1, 32, address=0)
    b.texpands(t, 190)
    b.treshape(flags, t)
    odd = b.scalar("sget", flags, 3) + b.scalar("sload", b.view(bits, 1, (1,), (1,)))
    b.sstore(b.view(*element(x, 0)), 1 + odd)
    return launching(b, [np.arange(4), np.full(32, 190, np.uint8).view(bool)])

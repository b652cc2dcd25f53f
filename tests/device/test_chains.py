"""Chains of elementwise instructions: computed in registers, block by block, they give what they give one by one."""

import numpy as np
import pytest
from executor import check, plugin, random_array

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import KernelBuilder

# Around one block of each variant, and around a strip.
SIZES = [31, 32, 64, 127, 128, 129, 143, 144, 1000, 1024, 1100, 2500]


@pytest.fixture(params=plugin.simd_variants())
def variant(request):
    """Each SIMD variant this CPU can run."""
    plugin.set_simd_variant(request.param)
    yield request.param
    plugin.set_simd_variant(plugin.simd_variants()[0])


def chain(size, seed, length=40, rows=1):
    """Return a kernel that mixes tiles of four types at random and stores them all, some of them halfway too.

    With more than one row, columns and rows of two types are expanded as well, and made anew now and then.
    """
    rng = np.random.default_rng(seed)
    b = KernelBuilder("chain", "aiv", (1,))
    tiles, address = {}, 0
    for dtype, count in [(DType.f32, 4), (DType.i32, 3), (DType.bf16, 2), (DType.i1, 2)]:
        capacity = -(-size * dtype.bytes // 32) * 32 // dtype.bytes
        tiles[dtype] = []
        for _ in range(count):
            tiles[dtype].append(b.tile(Loc.vec, dtype, rows, capacity, (rows, size), address=address))
            address += rows * capacity * dtype.bytes

    def transfer(dtype, tile, store, shape=(rows, size)):
        view = b.view(b.argument(dtype, shape[0] * shape[1], store), 0, shape, (shape[1], 1))
        b.tstore(view, tile) if store else b.tload(tile, view)

    for dtype, some in tiles.items():
        for tile in some:
            transfer(dtype, tile, False)
    f, i, h, m = (
        lambda d=d: tiles[d][rng.integers(len(tiles[d]))] for d in (DType.f32, DType.i32, DType.bf16, DType.i1)
    )

    def rotate():  # or nearly: the tiles may coincide, the shifts not add up to 32
        x, left, right, by, rest = i(), i(), i(), int(rng.integers(1, 32)), int(rng.choice([0, 0, 0, 1]))
        b.tshls(left, x, by)
        b.tshrls(right, x, 32 - by - rest)
        b.tor(i(), *rng.permutation([left, right]))

    operations = [
        rotate,
        lambda: b.tadd(f(), f(), f()),
        lambda: b.tsub(f(), f(), f()),
        lambda: b.tmax(f(), f(), f()),
        lambda: b.tmuls(f(), f(), 0.3),
        lambda: b.trsubs(f(), f(), 1.5),
        lambda: b.tdivs(f(), f(), 3.0),
        lambda: b.tabs(f(), f()),
        lambda: b.texpands(f(), 0.25),
        lambda: b.tadd(i(), i(), i()),
        lambda: b.txor(i(), i(), i()),
        lambda: b.tshls(i(), i(), 3),
        lambda: b.tshr(i(), i(), i()),
        lambda: b.tcmp(m(), f(), f(), "lt"),
        lambda: b.tcmps(m(), i(), 7, "ge"),
        lambda: b.tsel(f(), m(), f(), f()),
        lambda: b.tsel(i(), m(), i(), i()),
        lambda: b.tcvt(h(), f(), "rint"),
        lambda: b.tcvt(f(), h()),
    ]
    if rows > 1:
        columns, lines = {}, {}
        for dtype in (DType.f32, DType.i32):
            columns[dtype] = b.tile(Loc.vec, dtype, rows, 8, (rows, 1), address=address)
            capacity = -(-size // 8) * 8
            lines[dtype] = b.tile(Loc.vec, dtype, 1, capacity, (1, size), address=address + rows * 32)
            address += rows * 32 + capacity * 4
            transfer(dtype, columns[dtype], False, (rows, 1))
            transfer(dtype, lines[dtype], False, (1, size))
        fc, fr, ic, ir = columns[DType.f32], lines[DType.f32], columns[DType.i32], lines[DType.i32]
        operations += [
            lambda: b.trowexpandadd(f(), f(), fc),
            lambda: b.trowexpandsub(f(), f(), fc),
            lambda: b.trowexpandmul(i(), i(), ic),
            lambda: b.tcolexpandsub(f(), f(), fr),
            lambda: b.tcolexpandmax(i(), i(), ir),
            lambda: b.tcolexpandadd(f(), f(), fr),
            lambda: b.trowexpand(f(), fc),
            lambda: b.tcolexpand(i(), ir),
            lambda: b.trowmax(fc, f()),
            lambda: b.tcolmin(ir, i()),
        ]
    for step in range(length):
        operations[rng.integers(len(operations))]()
        if step == length // 2:
            transfer(DType.f32, f(), True)
    for dtype, some in tiles.items():
        for tile in some[1:]:  # the first of each type need not exist
            transfer(dtype, tile, True)
    for tile in tiles[DType.f32][2:]:  # these are read after the run
        extreme = lines[DType.f32] if rows > 1 else tiles[DType.f32][0]
        b.tcolmax(extreme, tile)
        transfer(DType.f32, extreme, True, (1, size))
    return b.kernel


@pytest.mark.parametrize("rows,size", [(2, 128), (3, 256), (5, 640), (3, 1100), (17, 128), (3, 1152), (4, 200)])
def test_random_chains_of_rows(variant, rows, size):
    """Columns and rows expanded on the way: each row is a loop of its own."""
    for seed in range(12):
        kernel = chain(size, seed, rows=rows)
        check(kernel, [random_array(np.random.default_rng(seed), a.dtype, a.size) for a in kernel.arguments])


@pytest.mark.parametrize("size", SIZES)
def test_random_chains(variant, size):
    for seed in range(12):
        kernel = chain(size, seed)
        rng = np.random.default_rng(seed)
        check(kernel, [random_array(rng, a.dtype, a.size) for a in kernel.arguments])


def test_scratch_of_elements_of_another_size(variant):
    """A narrow tile dies in a chain; what follows it there, wide, is read as a whole strip after the chain."""
    rows, columns = 6, 320
    b = KernelBuilder("reuse", "aiv", (1,))
    x, y = b.argument(DType.f32, rows * columns), b.argument(DType.f32, rows, True)
    types, address, tiles = [DType.f32, DType.f32, DType.bf16, DType.f32, DType.f32], 0, []
    for dtype in types:
        tiles.append(b.tile(Loc.vec, dtype, rows, columns, address=address))
        address += rows * columns * dtype.bytes
    extreme = b.tile(Loc.vec, DType.f32, rows, 8, (rows, 1), address=address)
    source, shifted, narrow, wide, more = tiles
    b.tload(source, b.view(x, 0, (rows, columns), (columns, 1)))
    b.trowmax(extreme, source)
    b.trowexpandsub(shifted, source, extreme)
    b.tcvt(narrow, shifted, "rint")
    b.tcvt(wide, narrow)
    b.tadds(more, wide, 1.0)
    b.trowmin(extreme, more)
    b.tstore(b.view(y, 0, (rows, 1), (1, 1)), extreme)
    rng = np.random.default_rng(0)
    check(b.kernel, [random_array(rng, a.dtype, a.size) for a in b.kernel.arguments])


@pytest.mark.parametrize("rows,columns", [(1, 1500), (6, 200), (40, 24)])
def test_functions_in_a_loop(variant, rows, columns):
    """The windows of a chain follow a loop, and a value of a chain is an operand of the second next instruction."""
    b = KernelBuilder("gelu", "aiv", (1,))
    x, y = b.argument(DType.f32, rows * columns), b.argument(DType.f32, rows * columns, True)
    capacity = -(-columns // 8) * 8
    s, t, u = (b.tile(Loc.vec, DType.f32, 1, capacity, (1, columns), address=i * capacity * 4) for i in range(3))
    with b.loop(0, rows) as i:
        b.tload(s, b.view(x, i * columns, (1, columns), (columns, 1)))
        b.tmul(t, s, s)
        b.tmul(t, t, s)
        b.tmuls(t, t, 0.04)
        b.tadd(t, s, t)
        b.ttanh(u, t)
        b.texp(t, t)
        b.tlogistic(t, t)
        b.tadd(t, t, u)
        b.tmul(t, s, t)
        b.tstore(b.view(y, i * columns, (1, columns), (columns, 1)), t)
    rng = np.random.default_rng(0)
    check(b.kernel, [random_array(rng, a.dtype, a.size) for a in b.kernel.arguments], 1e-6)

"""The scalar unit's steps: what they compute is what the vector unit computes, and a loop of them needs no stack."""

import itertools

import numpy as np
import pytest
from executor import plugin, program_of, run_device

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.instructions.scalar import SCALAR_OPS, SCALAR_UNARY
from jax_ascend.compiler.isa.machine import CLASSES, Loc
from jax_ascend.compiler.isa.model import CMP_MODES, Affine, instruction_set
from jax_ascend.compiler.kernel_passes.allocate_tiles import allocate_tiles
from jax_ascend.compiler.kernel_passes.insert_synchronization import insert_synchronization
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.targets import Target

TYPES = [d for d in DType if d in CLASSES["all"]]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 1e-40, 3e38, -3e38, np.inf, -np.inf, np.nan, 88.0, 1e4, 3e5]


def operands(op):
    return 1 if op in SCALAR_UNARY else 2


def result_type(op, dtype):
    return DType.i1 if op in CMP_MODES or op == "isfinite" else dtype


def computed(dtype):
    """The ops that are computed on a type, by the rule of the vector instruction."""
    for op in SCALAR_OPS:
        if op == "sel":
            continue
        spec = instruction_set()["tcmp" if op in CMP_MODES else f"t{op}"]
        types = (result_type(op, dtype), *[dtype] * operands(op))
        if all(
            {types[i] for i in (c.operands or range(len(types))) if i < len(types)} <= c.types
            for c in spec.dtypes.constraints
            if not c.table
        ):
            yield op


def finished(b):
    allocate_tiles(b.kernel, Target())
    insert_synchronization(b.kernel)
    return program_of(b.kernel)


def pairs(dtype):
    """All pairs of the extremes and a few others of a type."""
    if dtype is DType.i1:
        values = np.array([False, True])
    elif dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        values = np.array(
            [0, 1, 2, 3, 7, 31, info.max, info.max - 1, info.min, info.min + 1, info.max // 3], dtype.numpy
        )
        values = np.concatenate([values, np.array([255], np.uint8).astype(dtype.numpy)])
    else:
        with np.errstate(all="ignore"):
            values = np.array(FLOATS).astype(dtype.numpy)
    return tuple(np.array(list(v), dtype.numpy) for v in zip(*itertools.product(values, values), strict=True))


@pytest.fixture(params=plugin.simd_variants())
def variant(request):
    """Each SIMD variant this CPU can run: elementary functions of f32 are the variant's."""
    plugin.set_simd_variant(request.param)
    yield request.param
    plugin.set_simd_variant(plugin.simd_variants()[0])


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_scalar_and_vector_units_agree(dtype, variant):
    a, b = pairs(dtype)
    n = a.size
    for op in computed(dtype):
        to, count = result_type(op, dtype), operands(op)
        k = KernelBuilder(op, "aiv", (1,))
        sources = [k.argument(dtype, n) for _ in range(count)]
        results = [k.argument(to, n, writes=True) for _ in range(2)]
        tiles = [k.tile(Loc.vec, dtype, 1, n) for _ in range(count)]
        by_vector, by_scalar = (k.tile(Loc.vec, to, 1, n) for _ in range(2))
        whole = lambda argument: k.view(argument, 0, (n,), (1,))  # noqa: B023, E731
        for tile, source in zip(tiles, sources, strict=True):
            k.tload(tile, whole(source))
        if op in CMP_MODES:
            k.tcmp(by_vector, *tiles, op)
        else:
            getattr(k, f"t{op}")(by_vector, *tiles)
        k.texpands(by_scalar, 0)
        with k.loop(0, n) as i:
            k.sset(by_scalar, i, k.scalar("scompute", op, dtype.name, *(k.scalar("sget", t, i) for t in tiles)))
        k.tstore(whole(results[0]), by_vector)
        k.tstore(whole(results[1]), by_scalar)
        zeros = np.zeros(n, to.numpy)
        expected, found = run_device(finished(k), [*[a, b][:count], zeros, zeros])
        if to.is_float:
            same = (expected == found) & (np.signbit(expected) == np.signbit(found)) | (expected != expected) & (
                found != found
            )
        else:
            same = expected == found
        wrong = np.flatnonzero(~same)
        assert not wrong.size, f"{op} of {a[wrong[0]]}, {b[wrong[0]]}: {found[wrong[0]]}, vector {expected[wrong[0]]}"


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_long_loops_need_no_stack(dtype):
    """Steps go on by jumps: were one a call, the stack would not last for so many."""
    trips = 200_000
    k = KernelBuilder("long", "aiv", (1,))
    out = k.argument(dtype, 4, writes=True)
    tile = k.tile(Loc.vec, dtype, 1, 4)
    k.texpands(tile, 1)
    total = k.register()
    k.saffine(total, 0)
    with k.loop(0, trips) as i:
        value = k.scalar("sget", tile, k.scalar("smod", i, 4))
        for op in computed(dtype):
            kept = k.scalar("scompute", op, dtype.name, *[value] * operands(op))
        k.scalar("scompute", "sel", dtype.name, 1, kept, value)
        for name in ("smin", "smax", "smul", "sdiv", "smod"):
            k.scalar(name, i, 3)
            k.scalar(name, i, i + 1)
            k.scalar(name, i * 3 + 2, i * 2 + total_of(total) * 5 + 1)
        k.scalar("sconvert", value, dtype.name, "i32")
        with k.when(k.scalar("smod", i, 2)), k.loop(0, 3) as j:
            k.until(j - 1)
            k.sset(tile, 2, value)
            k.saffine(total, total_of(total) + 1)
        k.sstore(k.view(out, k.scalar("smod", i, 4), (1,), (1,)), value)
        k.scalar("sload", k.view(out, 0, (1,), (1,)))
    k.sstore(k.view(out, 0, (1,), (1,)), k.scalar("scompute", "eq", "i64", total_of(total), trips))
    (found,) = run_device(finished(k), [np.zeros(4, dtype.numpy)])
    held = found[:1].view(f"u{dtype.bytes}") if dtype.is_float else found
    assert int(held[0]) == 1  # two trips of the inner loop in every second one of the outer


@pytest.mark.parametrize("bad", range(4))
def test_joined_steps_fail_where_they_do(bad):
    """The executor joins neighbouring steps; each still says that it was the one."""
    k = KernelBuilder("joined", "aiv", (1,))
    where, out = k.argument(DType.i32, 4), k.argument(DType.f32, 1, writes=True)
    tile = k.tile(Loc.vec, DType.f32, 1, 8)
    k.texpands(tile, 3)
    places = [k.scalar("sload", k.view(where, i, (1,), (1,))) for i in range(4)]
    values = [k.scalar("sget", tile, place) for place in places]
    for a, b in itertools.pairwise(values):
        total = k.scalar("scompute", "add", "f32", a, b)
    k.sstore(k.view(out, 0, (1,), (1,)), total)
    program = finished(k)
    (found,) = run_device(program, [np.arange(4, dtype=np.int32), np.zeros(1, np.float32)])
    assert found == 6
    ((register, _),) = values[bad].terms
    with pytest.raises(RuntimeError, match=rf"%r{register} = pto.sget .*index; expected 0 to 7, got 8"):
        run_device(program, [np.where(np.arange(4) == bad, 8, 0).astype(np.int32), np.zeros(1, np.float32)])


def total_of(register):
    """What a register holds."""
    return Affine(0, ((register, 1),))

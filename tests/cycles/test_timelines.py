"""Timelines of small kernels, worked out by hand to the cycle, on a device of round figures.

The scalar unit issues instruction number i at cycle i + 1. A move starts 10 cycles after it is issued and carries 64 bytes
a cycle, an instruction of V 5; HBM moves 32 bytes a cycle. A chunk is 4 KiB, eight lines: 128 cycles of HBM, 64 of a port,
16 of V.
"""

from dataclasses import replace

import pytest

from jax_ascend import _plugin, estimate_program
from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Layout, Loc
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, Slot, command
from jax_ascend.compiler.targets import MemoryKind, Target

DEVICE = Target(
    name="round", cube_cores=2, vector_cores=4, clock=1e9, hbm_bandwidth=32e9, hbm_read_efficiency=1.0,
    hbm_write_efficiency=1.0, hbm_mixed_efficiency=1.0, l2_bytes=1 << 16, l2_line=512, l2_rate=64.0, l2_total=1e12,
    ub_load_rate=64.0, ub_store_rate=64.0, l0a_rate=64.0, l0b_rate=32.0, fixp_start=20.0, fixp_row=1.0, fixp_rate=64.0,
    mad_start=4.0, vector_start=5.0, gather_row=3.0, move_start=10.0, launch_dispatch=1e-6,
)  # fmt: skip
CHUNK = 1024  # elements of f32
BYTES = 4 * CHUNK
MEMORY = 1 << 20


def whole(b, argument, offset=0, elements=CHUNK):
    return b.view(argument, offset, (1, elements), (0, 1))


def add_one(chunks=1, blocks=1):
    """Load a chunk, add 1, store it; chunks of a block one after the other, in two buffers."""
    b = KernelBuilder("add_one", "aiv", (blocks,))
    x, y = (b.argument(DType.f32, chunks * blocks * CHUNK, writes=w) for w in (False, True))
    tiles = [b.tile(Loc.vec, DType.f32, 1, CHUNK, address=i * BYTES) for i in range(2 * min(chunks, 2))]
    for i in range(chunks):
        source, result = tiles[i % 2], tiles[-1 - i % 2]
        offset = b.blocks[0] * (chunks * CHUNK) + i * CHUNK
        if i >= 2:
            b.wait_flag("V", "MTE2", i % 2)  # the source is read
            b.wait_flag("MTE3", "V", i % 2)  # the result is stored
        b.tload(source, whole(b, x, offset))
        b.set_flag("MTE2", "V", i % 2)
        b.wait_flag("MTE2", "V", i % 2)
        b.tadds(result, source, 1.0)
        b.set_flag("V", "MTE3", i % 2)
        b.wait_flag("V", "MTE3", i % 2)
        if i + 2 < chunks:
            b.set_flag("V", "MTE2", i % 2)
        b.tstore(whole(b, y, offset), result)
        if i + 2 < chunks:
            b.set_flag("MTE3", "V", i % 2)
    return b.kernel


def load_only(view_of, elements=1 << 14, rows=1, columns=CHUNK):
    b = KernelBuilder("load", "aiv", (1,))
    x = b.argument(DType.f32, elements)
    b.tload(b.tile(Loc.vec, DType.f32, rows, columns, address=0), view_of(b, x))
    return b.kernel


def clock_of(*kernels, device=DEVICE):
    return _plugin.Clock(Program("p", device, [], [], [], [Function("main")], list(kernels)).encode(), MEMORY)


def cycles(kernel, *addresses, device=DEVICE):
    return clock_of(kernel, device=device).launch(0, list(addresses))["cycles"]


def test_load_compute_store():
    # load 1 + 10 + 128 = 139; V + 5 + 16 = 160; store + 10 + 64 = 234: what it writes stays in the L2
    assert cycles(add_one(), 0, BYTES) == 234


def test_what_is_in_the_l2_comes_at_the_ports_rate():
    clock = clock_of(add_one())
    assert clock.launch(0, [0, BYTES])["cycles"] == 234
    again = clock.launch(0, [0, BYTES])
    assert again["cycles"] == 170 and again["hbm_bytes"] == 0  # 1 + 10 + 64 = 75; + 21 = 96; + 74 = 170


def test_two_buffers_hide_all_but_the_last_chunk():
    # loads follow each other: 1 + 4 * (10 + 128) = 553; the last chunk's V 21 and store 74 come after
    assert cycles(add_one(4), 0, 4 * BYTES) == 648


def test_blocks_share_hbm_and_not_their_ports():
    assert cycles(add_one(blocks=2), 0, 2 * BYTES) == 362  # 1 + 10 + 256; + 21; + 74
    assert cycles(add_one(blocks=2), 0, 2 * BYTES, device=replace(DEVICE, hbm_bandwidth=1e12)) == 170
    assert cycles(add_one(blocks=2), 0, 2 * BYTES, device=replace(DEVICE, hbm_bandwidth=1e12, l2_total=64e9)) == 298


def test_a_block_waits_for_a_free_core():
    one = replace(DEVICE, cube_cores=1, vector_cores=2)
    assert cycles(add_one(blocks=3), 0, 3 * BYTES, device=one) == 362 + 234 - 1 + 1  # the third is issued at 362


def test_an_absent_line_costs_all_its_bytes():
    # four rows of 32 bytes, a line apart: four lines, 64 cycles of HBM
    assert cycles(load_only(lambda b, x: b.view(x, 0, (4, 8), (128, 1)), rows=4, columns=8), 0) == 75
    # the same within one line: 16 cycles of HBM
    assert cycles(load_only(lambda b, x: b.view(x, 0, (4, 8), (16, 1)), rows=4, columns=8), 0) == 27
    # with lines of 128 bytes, as HBM of a 950 moves them: 16 cycles for four
    small = replace(DEVICE, l2_line=128)
    assert cycles(load_only(lambda b, x: b.view(x, 0, (4, 8), (128, 1)), rows=4, columns=8), 0, device=small) == 27


def test_places_that_are_data_follow_the_trip():
    b = KernelBuilder("slice", "aiv", (1,))
    x, i = b.argument(DType.f32, 1 << 14), b.argument(DType.i32, 1)
    at = b.minimum(b.scalar("sload", b.view(i, 0, (1, 1), (0, 1))), 15)
    b.tload(b.tile(Loc.vec, DType.f32, 1, CHUNK, address=0), whole(b, x, at * CHUNK))
    clock = clock_of(b.kernel)
    moved = [clock.launch(0, [0, 1 << 16], trip)["hbm_bytes"] for trip in (0, 1, 1, 2)]
    assert moved == [BYTES, BYTES, 0, BYTES]


def test_a_segment_across_two_lines_fetches_both():
    assert cycles(load_only(lambda b, x: whole(b, x, 124, 8), columns=8), 0) == 1 + 10 + 32


def test_written_lines_are_paid_when_they_make_room():
    fill = KernelBuilder("fill", "aiv", (1,))
    y = fill.argument(DType.f32, 1 << 14, writes=True)  # 64 KiB: all of the L2
    tile = fill.tile(Loc.vec, DType.f32, 1, CHUNK, address=0)
    for i in range(16):
        fill.tstore(whole(fill, y, i * CHUNK), tile)
    read = load_only(lambda b, x: whole(b, x))
    clock = clock_of(fill.kernel, read)
    first = clock.launch(0, [1 << 16])
    assert first["cycles"] == 1 + 16 * (10 + 64) and first["hbm_bytes"] == 0
    then = clock.launch(1, [0])
    assert then["cycles"] == 1 + 10 + 256 and then["hbm_bytes"] == 2 * BYTES  # eight lines come, eight go
    turning = clock_of(fill.kernel, read, device=replace(DEVICE, hbm_mixed_efficiency=0.75))
    turning.launch(0, [1 << 16])  # a third more at two to one is a byte for each that is written
    assert turning.launch(1, [0])["cycles"] == 1 + 10 + 384


def test_what_is_used_again_stays():
    """The L2 holds 128 lines: those that are read between come to stay, the rest go in the order they came."""
    near, far = (
        load_only(lambda b, x: whole(b, x)),
        load_only(lambda b, x: b.view(x, 0, (124, 1), (128, 1)), rows=124, columns=1),
    )
    clock = clock_of(near, far)
    clock.launch(0, [0])
    assert clock.launch(0, [0])["hbm_bytes"] == 0
    assert clock.launch(1, [1 << 17])["hbm_bytes"] == 124 * 512
    assert clock.launch(0, [0])["hbm_bytes"] == 0
    # four of these made room for the last four; coming back, each takes the place of the one that is read next
    assert clock.launch(1, [1 << 17])["hbm_bytes"] == 124 * 512
    assert clock.launch(0, [0])["hbm_bytes"] == 0


def test_a_transfer_that_hits_does_not_wait_for_hbm():
    b = KernelBuilder("two", "aiv", (2,))
    x = b.argument(DType.f32, 2 * CHUNK)
    b.tload(b.tile(Loc.vec, DType.f32, 1, CHUNK, address=0), whole(b, x, b.blocks[0] * CHUNK))
    clock = clock_of(b.kernel)
    clock.touch(0, BYTES, False)
    ends = {core: end for core, _, _, _, _, end in clock.trace(0, [0])[1]}
    assert ends == {0: 75, 1: 139}


def test_a_product_with_its_flags():
    b = KernelBuilder("product", "aic", (1,))
    x, w = b.argument(DType.f16, 512), b.argument(DType.f16, 512)
    y = b.argument(DType.f32, 256, writes=True)
    a1 = b.tile(Loc.mat, DType.f16, 16, 32, layout=Layout.nz, address=0)
    b1 = b.tile(Loc.mat, DType.f16, 32, 16, layout=Layout.zn, address=1024)
    left = b.tile(Loc.left, DType.f16, 16, 32, layout=Layout.nz, address=0)
    right = b.tile(Loc.right, DType.f16, 32, 16, layout=Layout.zn, address=0)
    acc = b.tile(Loc.acc, DType.f32, 16, 16, layout=Layout.nz, address=0)
    b.tload(a1, b.view(x, 0, (16, 32), (32, 1)))  # 1 + 10 + 32 = 43
    b.tload(b1, b.view(w, 0, (32, 16), (16, 1)))  # + 10 + 32 = 85
    b.set_flag("MTE2", "MTE1", 0)
    b.wait_flag("MTE2", "MTE1", 0)
    b.textract(left, a1, 0, 0)  # + 4 + 1024 / 64 = 105
    b.textract(right, b1, 0, 0)  # + 4 + 1024 / 32 = 141
    b.set_flag("MTE1", "M", 0)
    b.wait_flag("MTE1", "M", 0)
    b.tmatmul(acc, left, right, 0)  # + 4 + two fractal steps = 147
    b.set_flag("M", "FIXP", 0)
    b.wait_flag("M", "FIXP", 0)
    b.tstore(b.view(y, 0, (16, 16), (16, 1)), acc)  # + 20 + 16 rows of a cycle = 183
    time = clock_of(b.kernel).launch(0, [0, 4096, 8192])
    assert time["cycles"] == 183
    busy = {pipe: value for pipe, value in time["cube_busy"].items() if value}
    assert busy == {"S": 12, "MTE2": 84, "MTE1": 56, "M": 6, "FIXP": 36}


def test_flags_between_cores_of_a_block():
    b = KernelBuilder("mixed", "mix", (1,))
    x = b.argument(DType.f32, 3 * CHUNK)
    b.tload(b.tile(Loc.mat, DType.f32, 16, 64, layout=Layout.nz, address=0), b.view(x, 0, (16, 64), (64, 1)))
    b.set_cross_flag("MTE2", 0)  # at 139
    with b.subblocks() as half:
        b.wait_cross_flag("MTE2", 0)
        b.tload(b.tile(Loc.vec, DType.f32, 1, CHUNK, address=0), whole(b, x, half * CHUNK + CHUNK))
    assert cycles(b.kernel, 0) == 139 + 10 + 256  # both vector cores wait, then share HBM


@pytest.mark.parametrize(("mode", "lines"), [("elem", 8), ("row", 8)])
def test_a_gather_pays_for_each_place(mode, lines):
    b = KernelBuilder("gather", "aiv", (1,))
    x = b.argument(DType.f32, 1 << 14)
    column = mode == "row"
    moved = b.tile(Loc.vec, DType.f32, *((8, 8) if column else (1, 8)), address=0)
    index = b.tile(Loc.vec, DType.i32, *((8, 8) if column else (1, 8)), (8, 1) if column else (1, 8), address=BYTES)
    b.mgather(moved, b.view(x, 0, (1, 8 if column else 1), (0, 1)), index, mode)
    time = clock_of(b.kernel).launch(0, [0])
    assert time["hbm_bytes"] == lines * 512 and time["cycles"] == 1 + 10 + 8 * 3 + lines * 16


def program(commands, frame=2 * BYTES, kernels=None):
    """Build a program of x, y and a frame of two chunks: slots 0 and 1, and 2 and 3."""
    array = TensorType((CHUNK,), DType.f32)
    slots = [
        Slot("parameter", 0, BYTES),
        Slot("result", 0, BYTES),
        Slot("frame", 0, BYTES),
        Slot("frame", BYTES, BYTES),
    ]
    main = Function("main", slots, commands, frame)
    return Program("p", DEVICE, [array], [array], [-1], [main], kernels or [add_one()])


def test_a_kernel_finds_what_the_one_before_it_wrote():
    found = estimate_program(program([command("launch", 0, [0, 2]), command("launch", 0, [2, 1])]))
    assert found.seconds == pytest.approx(2e-6 + (234 + 170) / 1e9, rel=1e-12)
    (row,) = found.kernels
    assert (row.launches, row.cycles, row.hbm_bytes) == (2, 202, BYTES / 2)
    assert row.busy["aiv_vec_ratio"] == pytest.approx(42 / 404)


def test_warm_is_the_second_of_two_calls():
    once = program([command("launch", 0, [0, 1])])
    assert estimate_program(once, "warm").seconds == pytest.approx(1e-6 + 170e-9, rel=1e-12)


@pytest.mark.parametrize("trips", [0, 1, 2, 3, 1000])
def test_a_loop_is_its_first_trip_and_others(trips):
    loop = command("loop", 3, [(2, 1)], [command("launch", 0, [2, 3])], [command("launch", 0, [0, 2])], trips)
    found = estimate_program(program([loop]))
    # absent are the frame for the first condition, the parameter for the first trip, the result for the next condition
    absent = 3 if trips else 1
    launches = 2 * trips + 1
    assert found.kernels[0].launches == launches
    assert found.kernels[0].cycles * launches == pytest.approx(absent * 234 + (launches - absent) * 170)


def test_a_function_that_is_called_works_on_its_callers_buffers():
    whole = program([command("call", 1, [0, 1, 2])])
    slots = [Slot("parameter", 0, BYTES), Slot("result", 0, BYTES), Slot("frame", BYTES, BYTES)]
    whole.functions[0].slots[2] = Slot("frame", 0, 2 * BYTES)
    body = [command("launch", 0, [0, 2]), command("launch", 0, [2, 1]), command("launch", 0, [1, 2])]
    whole.functions.append(Function("inner", slots, body, 2 * BYTES))
    assert estimate_program(whole).kernels[0].cycles * 3 == pytest.approx(234 + 170 + 170)


def test_copies_are_paid():
    found = estimate_program(program([command("copy", 1, 0, BYTES), command("launch", 0, [1, 2])]))
    rows = {row.core: row for row in found.kernels}
    assert rows["sdma"].seconds == pytest.approx(1e-6 + BYTES / 32e9) and rows["aiv"].cycles == 170


def test_what_lives_in_the_hosts_memory_crosses_the_link():
    device = program([command("launch", 0, [0, 1])])
    host = program([command("launch", 0, [0, 1])])
    host.parameter_memory = [MemoryKind.pinned_host]
    link = 1e-6 + BYTES / DEVICE.host_bandwidth
    assert estimate_program(host).seconds == pytest.approx(estimate_program(device).seconds + link)


def test_aicpu_kernels_cost_more_for_more():
    from jax_ascend.compiler.isa.stream import AICPU

    for spec in AICPU:
        small, large = ({p.name: _parameter(p, n) for p in spec.parameters} for n in (4, 64))
        assert 0 < spec.flops(small) < spec.flops(large), spec.name


def _parameter(parameter, size):
    if parameter.kind.startswith("dtype"):
        return [DType.f32] if parameter.is_list else DType.f32
    if parameter.is_list:
        return [size, size] if parameter.name == "shape" else [0]
    return size if parameter.high > 63 else 1


def test_two_vector_instructions_at_once_take_half_their_cycles():
    assert cycles(add_one(), 0, BYTES, device=replace(DEVICE, vector_issue=2.0)) == 234 - 8


def test_types_that_are_not_native_cost_their_promotion():
    def add(dtype, device):
        b = KernelBuilder("add", "aiv", (1,))
        tile = b.tile(Loc.vec, dtype, 1, 4096 // dtype.bytes, address=0)
        b.tadds(tile, tile, 1)
        return cycles(b.kernel, device=device)

    a5 = replace(DEVICE, architecture="a5")
    assert add(DType.f32, DEVICE) == add(DType.bf16, a5) == add(DType.u32, a5) == add(DType.i64, a5) == 1 + 5 + 16
    assert add(DType.bf16, DEVICE) == add(DType.u32, DEVICE) == 1 + 5 + 3 * 16  # to f32 or i32 and back
    assert add(DType.i64, DEVICE) == 1 + 5 + 4 * 16  # in halves


def test_moves_and_bits_of_any_type_are_not_promoted():
    b = KernelBuilder("move", "aiv", (1,))
    tile = b.tile(Loc.vec, DType.u32, 1, CHUNK, address=0)
    b.tands(tile, tile, 1)
    b.tmov(tile, tile)
    assert cycles(b.kernel) == 1 + 2 * (5 + 16)

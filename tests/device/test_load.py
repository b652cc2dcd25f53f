"""Loading: damaged and hostile programs are refused with a message, or fail when they run; never out of bounds."""

import random
import struct
import zlib

import numpy as np
import pytest
from executor import plugin, program_of, run_device
from test_cube import matmul_kernel
from test_strips import Tiles, whole

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Layout, Loc
from jax_ascend.compiler.isa.model import instruction_set
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import command


def vector_program(rows=8, columns=64):
    b = KernelBuilder("vector", "aiv", (4,))
    x, out = b.argument(DType.f32, 4 * rows * columns), b.argument(DType.f32, 4 * rows * columns, True)
    tile = Tiles(b, rows, columns)
    s, t = tile(), tile()
    with b.loop(0, 2) as i:
        b.tload(s, whole(b, x, rows, columns, offset=b.blocks[0] * rows * columns))
        b.tadds(t, s, 1.0)
        b.tstore(whole(b, out, rows, columns, offset=b.blocks[0] * rows * columns + i * 0), t)
    return program_of(b.kernel)


def test_random_corruptions_are_refused():
    rng = random.Random(0)
    for program in (vector_program(), program_of(matmul_kernel(DType.bf16, DType.f32, 33, 64, 40, steps=2))):
        good = program.encode()
        plugin.verify_program(good)
        for _ in range(500):
            bad = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            if rng.random() < 0.1:
                bad = bad[: rng.randrange(len(bad))]
            if bytes(bad) == good:
                continue
            with pytest.raises(RuntimeError, match=r"\["):
                plugin.verify_program(bytes(bad))


def test_corruptions_with_a_right_checksum_stay_in_bounds():
    """What the verifier lets pass may compute anything or fail with a message, but the process lives."""
    rng = random.Random(1)
    values = [0, 1, -1, 2, 7, 16, 63, 255, 4096, 2**31, 2**40, 2**62, -(2**63)]
    outcomes = {"refused": 0, "failed": 0, "ran": 0}
    for program in (vector_program(), program_of(matmul_kernel(DType.f32, DType.f32, 33, 64, 40, bias=True, steps=2))):
        good = program.encode()
        words = struct.unpack_from("<Q", good, 24)[0]
        loop_steps = 0
        for _ in range(1500):
            bad = bytearray(good)
            at = 48 + 8 * rng.randrange(words)
            old = struct.unpack_from("<q", bad, at)[0]
            new = rng.choice([*values, old + 1, old - 1, old * 2, old ^ 1 << rng.randrange(20)])
            struct.pack_into("<q", bad, at, max(min(new, 2**63 - 1), -(2**63)))
            struct.pack_into("<I", bad, 12, zlib.crc32(bytes(bad[16:])))
            try:
                runner = plugin.ProgramRunner(bytes(bad))
            except (RuntimeError, MemoryError):
                outcomes["refused"] += 1
                continue
            if abs(new) > 2**20:  # a loop of that many trips is right but takes too long to run
                loop_steps += 1
                continue
            try:
                runner.run()
                outcomes["ran"] += 1
            except RuntimeError:
                outcomes["failed"] += 1
    assert outcomes["refused"] > 300 and outcomes["ran"] > 50, outcomes


def expect_refusal(kernel_or_program, match):
    program = program_of(kernel_or_program) if hasattr(kernel_or_program, "body") else kernel_or_program
    with pytest.raises(RuntimeError, match=match):
        plugin.verify_program(program.encode())


def kernel_with(**changes):
    """A kernel that is fine but for the changes to its one tile."""
    b = KernelBuilder("k", "aiv", (1,))
    x, out = b.argument(DType.f32, 256), b.argument(DType.f32, 256, True)
    place = {"loc": Loc.vec, "dtype": DType.f32, "rows": 4, "columns": 64, "address": 0, **changes}
    t = b.tile(**place)
    b.tload(t, b.view(x, 0, (4, 64), (64, 1)))
    b.tadds(t, t, 1.0)
    b.tstore(b.view(out, 0, (4, 64), (64, 1)), t)
    return b


def test_messages_name_the_place():
    plugin.verify_program(program_of(kernel_with().kernel).encode())
    expect_refusal(
        kernel_with(address=184 * 1024 - 64).kernel, r"kernel k\] %t0 in UB; expected an end of 188416 bytes at most"
    )
    expect_refusal(kernel_with(address=8).kernel, "address of %t0; expected multiples of 32, got 8")
    expect_refusal(
        kernel_with(dtype=DType.i32).kernel,
        r"kernel k, instruction 0: pto.tload.*element types; expected the argument's; .* got i32, f32",
    )
    expect_refusal(kernel_with(rows=2).kernel, "instruction 0: pto.tload.*valid region of dst, rows; expected 4, got 2")
    expect_refusal(
        kernel_with(loc=Loc.mat).kernel,
        "instruction 0: pto.tload.*location of dst; expected a memory of the vector core, got mat",
    )
    b = kernel_with()
    b.tload(b.kernel.body[0].values[0], b.view(0, 1, (4, 64), (64, 1)))
    expect_refusal(b.kernel, "instruction 3: pto.tload.*leaves argument 0.*expected elements 0 to 255, got 1 to 256")
    b = kernel_with()
    b.tstore(b.view(0, 0, (4, 64), (64, 1)), b.kernel.body[0].values[0])
    expect_refusal(b.kernel, "writes argument %g0; expected one declared with `writes`")
    b = kernel_with()
    b.emit(instruction_set()["end"])
    expect_refusal(b.kernel, "closes no span")


def test_slots_are_checked():
    def refused(change, match):
        program = vector_program()
        change(program, program.functions[0])
        expect_refusal(program, match)

    refused(lambda p, f: f.commands.append(command("copy", 0, 9, 4)), "no such slot; expected 0 to 1, got 9")
    refused(lambda p, f: f.commands.append(command("copy", 0, 1, 10**6)), "too small")
    refused(lambda p, f: f.slot("frame", 0, 64), "does not fit its storage")
    refused(lambda p, f: f.slot("constant", 0, 64), "does not fit its storage")
    refused(lambda p, f: f.commands.append(command("call", 0, [0])), "call: no function 0")
    refused(lambda p, f: f.commands.append(command("launch", 0, [0])), "expected 2 slots, got 1")
    refused(lambda p, f: f.commands.append(command("launch", 3, [0, 1])), "no kernel 3")


def test_run_time_bounds():
    """An index read from memory and not clamped is checked when it is used."""
    b = KernelBuilder("index", "aiv", (1,))
    where, x, out = b.argument(DType.i32, 1), b.argument(DType.f32, 64), b.argument(DType.f32, 8, True)
    t = b.tile(Loc.vec, DType.f32, 1, 8, address=0)
    i = b.scalar("sload", b.view(where, 0, (1,), (1,)))
    b.tload(t, b.view(x, i, (1, 8), (0, 1)))
    b.tstore(b.view(out, 0, (1, 8), (0, 1)), t)
    program = program_of(b.kernel)
    x = np.arange(64, dtype=np.float32)
    found = run_device(program, [np.array([5], np.int32), x, np.zeros(8, np.float32)])
    np.testing.assert_array_equal(found[0], x[5:13])
    for bad in (57, -1, 2**31 - 1):
        with pytest.raises(RuntimeError, match=r"kernel index, instruction 1: pto.tload.*leaves argument 1"):
            run_device(program, [np.array([bad], np.int32), x, np.zeros(8, np.float32)])


def test_part_of_a_fractal_is_refused():
    b = KernelBuilder("k", "aic", (1,))
    x = b.argument(DType.f32, 4)
    for i in range(2):
        b.tload(b.tile(Loc.mat, DType.f32, 4, 1, layout=Layout.zn, address=64 * i), b.view(x, 0, (4, 1), (1, 1)))
    expect_refusal(b.kernel, "capacity of %t0 in zn; expected multiples of 8 x 16, got 4 x 1")

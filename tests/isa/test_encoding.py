"""Bytes and text say the same: encode, decode, print and parse are inverses of each other."""

import random

import ml_dtypes
import numpy as np
import pytest
from random_kernels import random_kernel, random_program

from jax_ascend.compiler.errors import DecodeError, TextError
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.encoding import Reader
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import Kernel, KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, Slot, command
from jax_ascend.compiler.program.text import parse_kernel, parse_program, print_kernel, print_program
from jax_ascend.compiler.targets import Target


def test_kernels_survive_bytes_and_text():
    for seed in range(300):
        kernel = random_kernel(random.Random(seed))
        words = kernel.encode()
        decoded = Kernel.decode(kernel.name, Reader(words))
        assert decoded.encode() == words, f"seed {seed}"
        parsed = parse_kernel(print_kernel(decoded))
        assert parsed.encode() == words, f"seed {seed}:\n{print_kernel(kernel)}"
        assert print_kernel(parsed) == print_kernel(decoded)


def test_programs_survive_bytes_and_text():
    for seed in range(60):
        data = random_program(random.Random(seed)).encode()
        program = Program.decode(data)
        assert program.encode() == data, f"seed {seed}"
        assert parse_program(print_program(program)).encode() == data, f"seed {seed}:\n{print_program(program)}"


def test_text_leaves_out_what_is_usual():
    program = Program("p", "ascend910b", [], [], [])
    assert print_program(program) == "program @p target @ascend910b {\n}"
    assert "trips" not in print_program(loop_program()) and "} trips=7" in print_program(loop_program(7))


def loop_program(*trips):
    function = Function("main", [Slot("frame", 0, 64)], [command("loop", 0, [], [], [], *trips)], 64)
    return Program("p", "ascend910b", [], [], [], [function])


def test_a_target_of_ones_own_is_written_out_whole():
    text = print_program(Program("p", Target(name="mine", cube_cores=2, vector_cores=4), [], [], []))
    assert text.startswith('program @p target (name="mine", architecture="a2a3", cube_cores=2, vector_cores=4, clock=')
    for wrong, message in (
        (text.replace("clock=", "clok="), "no such field of a target: 'clok'; .* Did you mean clock"),
        (
            text.replace("vector_cores=4", "vector_cores=5"),
            "vector_cores is unusable; expected 2 per cube core, 4, got 5",
        ),
        (text.replace("cube_cores=2, ", ""), "cube_cores missing"),
        ("program @p target @ascend910bb {\n}", "no target 'ascend910bb'.*did you mean ascend910b"),
    ):
        with pytest.raises(TextError, match=rf"\[line 1\] .*{message}"):
            parse_program(wrong)


def test_every_flipped_bit_is_noticed():
    data = bytearray(random_program(random.Random(5)).encode())
    rng = random.Random(0)
    for _ in range(300):
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            Program.decode(bytes(data))
        data[bit // 8] ^= 1 << bit % 8
    for size in (0, 7, 47, 48, len(data) - 1):
        with pytest.raises(DecodeError):
            Program.decode(bytes(data[:size]))


def test_corrupt_words_are_an_error_or_other_words_but_never_a_crash():
    rng = random.Random(1)
    refused = 0
    for seed in range(40):
        kernel = random_kernel(random.Random(seed))
        for _ in range(50):
            words = kernel.encode()
            words[rng.randrange(len(words))] = rng.choice([-1, 0, 1, 2**40, rng.getrandbits(62)])
            try:
                decoded = Kernel.decode("k", Reader(words))
            except DecodeError as error:
                refused += 1
                assert str(error).startswith("[word ")
            else:
                decoded.encode()
    assert refused > 300


@pytest.mark.parametrize("value", [1.5, np.float32(1.5), ml_dtypes.bfloat16(1.5), np.array(1.5), np.float16(1.5)])
def test_immediates_of_any_float_type_keep_their_value(value):
    b = KernelBuilder("k", "aiv", (1,))
    b.texpands(b.tile(Loc.vec, DType.f32, 1, 8), value)
    assert Kernel.decode("k", Reader(b.kernel.encode())).body[0].operand("scalar") == 1.5


@pytest.mark.parametrize("value", [2**64 - 1, np.uint64(2**64 - 1), -1, np.int8(-1)])
def test_integer_immediates_wrap_to_64_bits(value):
    b = KernelBuilder("k", "aiv", (1,))
    b.texpands(b.tile(Loc.vec, DType.u64, 1, 8), value)
    assert Kernel.decode("k", Reader(b.kernel.encode())).body[0].operand("scalar") == -1


GOLDEN = """\
kernel @double aiv grid(16) registers(3) {
  %g0 = argument f32[65536]
  %g1 = argument f32[65536] writes
  %t0 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=16, cols=64, valid=[%r2, 64], slots=2, stride=4096>
  %t1 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=i1, rows=16, cols=64>
  pto.loop %r1 = 0 to 4 step 1 {
    %r2 = pto.smin ins(16, 64 - 16*%r1)
    pto.tload ins(%g0[4096*%r0 + 1024*%r1 : 16 | 64 : 64, 1]) outs(%t0[%r1])
    pto.tcmps ins(%t0[%r1], 0.0) outs(%t1) {mode=lt}
    pto.when 1 - %r1 {
      pto.tadds ins(%t0[%r1], -1e-05) outs(%t0[%r1])
    }
    pto.tstore ins(%t0[%r1]) outs(%g1[4096*%r0 + 1024*%r1 : 16 | 64 : 64, 1]) {atomic=add}
    pto.set_flag {src=MTE3, dst=MTE2, event=%r1}
  }
}"""


def test_text_is_readable_and_stable():
    assert print_kernel(parse_kernel(GOLDEN)) == GOLDEN


@pytest.mark.parametrize(("old", "new", "message"), [
    ("pto.tadds", "pto.tadss", r"\[line 11\] no such instruction: 'pto.tadss'.*Did you mean pto.t"),
    ("{mode=lt}", "", r"\[line 9\] tcmps lacks mode="),
    ("dtype=i1", "dtype=i7", r"\[line 5\] no such element type: 'i7'"),
    (" : 64, 1]) outs(%t0", " : 1]) outs(%t0", r"\[line 8\] a view of 2 dimensions has 1 strides"),
    ("%t1 =", "%t2 =", r"\[line 5\] out of order: expected %t1"),
    ("grid(16)", "grid(16", r"\[line 1\] expected ',', got 'registers'"),
    ("event=%r1}\n  }\n}", "event=%r1}\n  }\n", r"\[line 16\]"),
])  # fmt: skip
def test_wrong_text_is_an_error_that_names_the_line(old, new, message):
    assert old in GOLDEN
    with pytest.raises(TextError, match=message):
        parse_kernel(GOLDEN.replace(old, new, 1))

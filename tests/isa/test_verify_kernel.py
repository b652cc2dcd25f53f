"""The kernel verifier: right kernels pass, and each rule refuses the kernel that breaks it, naming the instruction."""

import importlib
import random
import struct

import pytest
from instruction_programs import allows
from random_kernels import random_kernel

from jax_ascend.compiler.errors import KernelError
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.encoding import Reader
from jax_ascend.compiler.isa.machine import Loc, granularity
from jax_ascend.compiler.isa.model import instruction_set
from jax_ascend.compiler.isa.text_operands import print_instruction
from jax_ascend.compiler.program.kernel import Kernel, KernelBuilder
from jax_ascend.compiler.program.text import parse_kernel
from jax_ascend.compiler.program.verify_kernel import verify_kernel
from jax_ascend.compiler.targets import Target

plugin = importlib.import_module("jax_ascend._plugin")

VECTOR = """\
kernel @v aiv grid(4) registers(4) {
  %g0 = argument f32[4096]
  %g1 = argument f32[4096] writes
  %g2 = argument i64[8]
  %t0 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=8, cols=64, valid=[%r2, 64], address=0, slots=2, stride=2048>
  %t1 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=i1, rows=8, cols=64, valid=[%r2, 64], address=4096>
  %t2 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=8, cols=8, valid=[%r2, 1], address=8192>
  %t3 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=4, cols=16, address=12288>
  %t4 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=1, cols=64, address=12288>
  pto.loop %r1 = 0 to 2 step 1 {
    %r2 = pto.smin ins(8, 16 - 8*%r1)
    %r3 = pto.sload ins(%g2[%r1 : 1 | : 1])
    pto.tload ins(%g0[1024*%r0 + 512*%r1 : %r2 | 64 : 64, 1]) outs(%t0[%r1])
    pto.set_flag {src=MTE2, dst=V, event=%r1}
    pto.wait_flag {src=MTE2, dst=V, event=%r1}
    pto.tcmps ins(%t0[%r1], 0.0) outs(%t1) {mode=lt}
    pto.tsel ins(%t1, %t0[%r1], %t0[%r1]) outs(%t0[%r1])
    pto.trowsum ins(%t0[%r1]) outs(%t2)
    pto.when %r3 {
      pto.trowexpandadd ins(%t0[%r1], %t2) outs(%t0[%r1])
    }
    pto.pipe_barrier {pipe=V}
    pto.tstore ins(%t0[%r1]) outs(%g1[1024*%r0 + 512*%r1 : %r2 | 64 : 64, 1])
  }
  pto.texpands ins(1.0) outs(%t3)
  pto.treshape ins(%t3) outs(%t4)
  pto.tstore ins(%t4) outs(%g1[0 : 1 | 64 : 0, 1])
}"""
MIXED = """\
kernel @m mix grid(1) registers(2) {
  %g0 = argument f16[4096]
  %g1 = argument f32[4096] writes
  %t0 = pto.alloc_tile : !pto.tile_buf<loc=mat, dtype=f16, rows=32, cols=32, layout=nz, address=0>
  %t1 = pto.alloc_tile : !pto.tile_buf<loc=left, dtype=f16, rows=16, cols=32, layout=nz, address=0>
  %t2 = pto.alloc_tile : !pto.tile_buf<loc=right, dtype=f16, rows=32, cols=16, layout=zn, address=0>
  %t3 = pto.alloc_tile : !pto.tile_buf<loc=acc, dtype=f32, rows=16, cols=16, layout=nz, address=0>
  %t4 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=8, cols=16, address=0>
  pto.tload ins(%g0[0 : 32 | 32 : 32, 1]) outs(%t0)
  pto.textract ins(%t0) outs(%t1) {row=16, column=0}
  pto.textract ins(%t0) outs(%t2) {row=0, column=16}
  pto.tmatmul ins(%t1, %t2) outs(%t3)
  pto.tstore ins(%t3) outs(%g1[0 : 16 | 16 : 16, 1])
  pto.set_cross_flag {pipe=FIXP, flag=3}
  pto.subblocks %r1 {
    pto.wait_cross_flag {pipe=MTE2, flag=3}
    pto.tload ins(%g1[128*%r1 : 8 | 16 : 16, 1]) outs(%t4)
  }
}"""


@pytest.mark.parametrize("text", [VECTOR, MIXED])
def test_right_kernels_pass(text):
    verify_kernel(parse_kernel(text), Target())


@pytest.mark.parametrize(("text", "old", "new", "message"), [
    (VECTOR, "grid(4)", "grid(0)", r"^\[kernel v\] grid; expected 1 to 2147483648 blocks, got \(0\)"),
    (VECTOR, "registers(4)", "registers(3)", r"instruction 2: %r3 = pto.sload .*\] register; expected 0 to 2, got 3"),
    (VECTOR, "step 1", "step 0", r"instruction 0: pto.loop .*\] step; expected a constant of 1 or more, got 0"),
    (VECTOR, "%r2 = pto.smin ins(8, 16 - 8*%r1)", "%r3 = pto.smin ins(8, 16 - 8*%r1)", r"%r2 may be read before it is set"),
    (VECTOR, "event=%r1", "event=8", r"instruction 4: pto.set_flag .* event; expected 0 to 7, got 8"),
    (VECTOR, "{src=MTE2, dst=V", "{src=M, dst=V", r"pipe; expected one of S, V, MTE2, MTE3, got M"),
    (VECTOR, "{src=MTE2, dst=V", "{src=V, dst=V", r"pipes of a flag; expected two different ones, got V"),
    (VECTOR, "dtype=i1", "dtype=i8", r"instruction 6: pto.tcmps .* element types; expected i1 and sources of one type"),
    (VECTOR, "valid=[%r2, 1]", "valid=[%r2, 2]", r"pto.trowsum .* valid region of dst, columns; expected 1, got 2"),
    (VECTOR, "valid=[%r2, 1]", "valid=[%r2, 9]", r"valid columns of %t2; expected 0 to 8, got 9"),
    (VECTOR, "%r2 | 64 : 64, 1]) outs(%t0", "%r2 | 60 : 64, 1]) outs(%t0", r"pto.tload .* valid region of dst, columns; expected 60, got 64"),
    (VECTOR, "f32[4096] writes", "f32[4096]", r"pto.tstore .* writes argument %g1; expected one declared with `writes`"),
    (VECTOR, "%g1[0 : 1 | 64", "%g1[4033 : 1 | 64", r"the view leaves argument 1; expected elements 0 to 4095, got 4033 to 4096"),
    (VECTOR, "cols=64, address=12288", "cols=64, address=0", r"pto.treshape .* dst; expected address 12288, 1 slots, got address 0"),
    (VECTOR, "slots=2, stride=2048", "slots=2, stride=1024", r"stride of %t0; expected 2048 or more, got 1024"),
    (VECTOR, "address=4096", "address=4100", r"address of %t1; expected multiples of 32"),
    (VECTOR, "address=8192", "address=188416", r"%t2 in UB; expected an end of 188416 bytes at most, got 188672"),
    (VECTOR, ", address=8192", "", r"address of %t2; expected 0 or more"),
    (VECTOR, "i64[8]", "f8e5m2[8]", r"pto.sload .* element types; expected one of i1 i8"),
    (VECTOR, "%g0 = argument f32", "%g0 = argument bf16", r"pto.tload .* element types; expected the argument's; an index is i32 or i64, got f32, bf16"),
    (MIXED, "@m mix", "@m aic", r"pto.set_cross_flag .*core type of a kernel with cross-core flags; expected mix"),
    (MIXED, "pto.subblocks %r1 {", "pto.loop %r1 = 0 to 2 step 1 {", r"pto.tload .* location of dst; expected a memory of the cube core, got vec"),
    (MIXED, "layout=zn", "layout=nz", r"layout of %t2 in right; expected zn, got nz"),
    (MIXED, "rows=16, cols=32", "rows=8, cols=32", r"capacity of %t1 in nz; expected multiples of 16 x 16, got 8 x 32"),
    (MIXED, "column=16", "column=17", r"last column; expected 0 to 32, got 33"),
    (MIXED, "ins(%t1, %t2)", "ins(%t2, %t1)", r"location of left; expected left, got right"),
    (MIXED, "dtype=f32, rows=16, cols=16, layout=nz", "dtype=i32, rows=16, cols=16, layout=nz", r"element types; expected f16, bf16, f32 into f32"),
    (MIXED, "rows=16, cols=32, layout=nz", "rows=16, cols=32, valid=[16, 31], layout=nz", r"pto.tmatmul .* valid region of right, rows; expected 31, got 32"),
    (MIXED, "flag=3", "flag=16", r"flag; expected 0 to 15, got 16"),
    (VECTOR, "event=%r1", "event=99", r"event; expected 0 to 7, got 99"),
    (VECTOR, "{pipe=V}", "{pipe=M}", r"pto.pipe_barrier {pipe=M}\] pipe; expected one of S, V, MTE2, MTE3, got M"),
    (VECTOR, "loc=vec, dtype=f32, rows=8, cols=8", "loc=acc, dtype=f32, layout=nz, rows=16, cols=16", r"location of dst; expected vec, got acc"),
    (VECTOR, "%g1[0 : 1 | 64 : 0, 1]", "%g1[%r3 : 1 | 64 : 0, 1]", r"%r3 may be read before it is set"),
    (VECTOR, "pto.trowsum", "pto.trowargmax", r"element types; expected an i32 result and a number, got f32, f32"),
    (VECTOR, "pto.trowsum ins(%t0[%r1]) outs(%t2)", "pto.trowargmax ins(%t1) outs(%t2)", r"element types; .* got f32, i1"),
    (VECTOR, "rows=8, cols=8, valid", "rows=134217728, cols=8, valid", r"capacity of %t2; expected sides of 1 to 67108864"),
    (VECTOR, "slots=2, stride", "slots=65, stride", r"slots of %t0; expected 1 to 64, got 65"),
    (VECTOR, "valid=[%r2, 1]", "valid=[%r9, 1]", r"register in %t2; expected 0 to 3, got 9"),
    (VECTOR, "0.0) outs(%t1) {mode=lt}", "0.0) outs(%t9) {mode=lt}", r"tile of operand dst; expected 0 to 4, got 9"),
    (VECTOR, "%g2[%r1", "%g7[%r1", r"argument of src; expected 0 to 2, got 7"),
    (VECTOR, "pto.treshape ins(%t3) outs(%t4)", "pto.treduceprecision ins(%t3) outs(%t3) {format=[5]}", r"length of format; expected 2, got 1"),
    (VECTOR, "[0 : 1 | 64 : 0, 1]", "[0 : 1, 1, 1, 1, 1 | 64 : 0, 0, 0, 0, 0, 1]", r"(the )?rank of"),
    (VECTOR, "f32[4096]\n", "f32[-1]\n", r"size of an argument; expected 0 to 17592186044416, got -1"),
    (MIXED, "layout=nz, address=0>\n  %t1", "layout=nz, address=32>\n  %t1", r"address of %t0; expected multiples of 512, got 32"),
    (MIXED, "ins(%t3) outs(%g1", "ins(%t4) outs(%g1", r"location of src; expected a memory of the cube core, got vec"),
    (MIXED, "@m mix", "@m aiv", r"location of dst; expected a memory of the vector core, got mat"),
    (MIXED, "pto.wait_cross_flag {pipe=MTE2", "pto.wait_cross_flag {pipe=FIXP", r"pipe; expected one of S, V, MTE2, MTE3, got FIXP"),
    (MIXED, "pto.wait_cross_flag {pipe=MTE2, flag=3}", "pto.subblocks %r1 {\n}", r"nesting; expected no subblocks in subblocks"),
    (MIXED, "f32[4096] writes", "i32[4096] writes", r"pto.tstore .* element types; .* from acc, floats convert to any float, got i32, f32"),
])  # fmt: skip
def test_each_rule_refuses(text, old, new, message):
    assert old in text
    with pytest.raises(KernelError, match=message):
        verify_kernel(parse_kernel(text.replace(old, new, 1)), Target())


def test_a_register_set_under_a_condition_is_not_set_after_it():
    text = VECTOR.replace("pto.when %r3 {", "pto.when %r3 {\n      %r3 = pto.saffine ins(1)", 1)
    verify_kernel(parse_kernel(text), Target())  # it was set before
    text = text.replace("%r3 = pto.sload ins(%g2[%r1 : 1 | : 1])", "").replace("pto.when %r3", "pto.when %r1")
    with pytest.raises(KernelError, match="%r3 may be read before it is set"):
        verify_kernel(parse_kernel(text.replace("{pipe=V}", "{pipe=V}\n %r3 = pto.smin ins(%r3, 0)")), Target())


def test_unbalanced_blocks_are_refused():
    kernel = parse_kernel(VECTOR)
    end = next(i for i in kernel.body if i.spec.name == "end")
    kernel.body.append(end)
    with pytest.raises(KernelError, match=r"instruction 18: }\] end closes no span"):
        verify_kernel(kernel)
    kernel.body = [i for i in kernel.body if i.spec.name != "end"]
    with pytest.raises(KernelError, match=r"instruction 9: pto.when %r3 {\] when is not closed by an end"):
        verify_kernel(kernel)


def test_a_kernel_without_addresses_is_verified_but_for_these():
    kernel = parse_kernel(VECTOR.replace(", address=8192", ""))
    verify_kernel(kernel)
    with pytest.raises(KernelError, match="run allocate_tiles"):
        verify_kernel(kernel, Target())


def test_messages_show_instructions_as_the_printer_does():
    for seed in range(200):
        kernel = random_kernel(random.Random(seed))
        words = kernel.encode()
        decoded = Kernel.decode("k", Reader(words))
        lines = plugin.print_kernel("k", struct.pack(f"<{len(words)}q", *words))
        assert lines == [print_instruction(i.spec, i.values) for i in decoded.body]


def test_the_verifier_and_the_declared_rules_allow_the_same_types():
    rng, spec_types = random.Random(0), {}
    for spec in instruction_set().values():
        if not spec.tiles or any(o.kind == "view" for o in spec.operands) or spec.name == "treshape":
            continue
        for _ in range(60):
            few = rng.sample([d for d in DType if d.kind != "c"], 2)
            few += [DType.i1, DType.i32, DType.f32] if rng.random() < 0.5 else []
            types = tuple(rng.choice(few) for _ in spec.tiles)
            spec_types[spec.name, types] = allows(spec.dtypes, types)
            kernel = one_instruction(spec, types)
            try:
                verify_kernel(kernel)
            except KernelError as error:
                assert "element types" in str(error), str(error)
                assert not spec_types[spec.name, types], str(error)
            else:
                assert spec_types[spec.name, types], f"{spec.name} {types}"
    assert 0.05 < sum(spec_types.values()) / len(spec_types) < 0.9


def one_instruction(spec, types):
    """A kernel of one instruction whose tiles have these types, in memories where it finds them."""
    loc = next((o.locs[0] for o in spec.tiles), Loc.vec)
    b = KernelBuilder("k", "aiv" if loc is Loc.vec else "aic", (1,))
    types = iter(types)
    values = []
    for operand in spec.operands:
        if operand.kind == "tile":
            loc = Loc.mat if operand.name == "src" and spec.name in ("textract", "timg2col") else operand.locs[0]
            dtype = next(types)
            unit = granularity(loc, loc.layouts[-1 if loc is not Loc.mat else 0], dtype)
            layout = loc.layouts[-1 if loc is not Loc.mat else 0]
            values.append(b.tile(loc, dtype, *(max(32, u) for u in unit), (1, 1), layout))
        elif operand.kind == "ints":
            values.append((1,) * operand.length)
        else:
            one = {"affine": 1, "imm": 1, "register": 1, "enum": (operand.values or (None,))[0]}
            values.append(one[operand.kind])
    b.register()
    b.emit(spec, *values)
    return b.kernel

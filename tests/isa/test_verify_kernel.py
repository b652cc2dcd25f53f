"""The kernel verifier: right kernels pass, and each rule refuses the kernel that breaks it, naming the instruction."""

import pytest

from jax_ascend.compiler.errors import KernelError
from jax_ascend.compiler.program.text import parse_kernel
from jax_ascend.compiler.program.verify_kernel import verify_kernel
from jax_ascend.compiler.targets import Target

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
    (VECTOR, "grid(4)", "grid(0)", r"^\[kernel v\] grid; expected 1 to 2147483648 blocks, got \(0,\)"),
    (VECTOR, "registers(4)", "registers(3)", r"instruction 2: %r3 = pto.sload .*\] register; expected 0 to 2, got 3"),
    (VECTOR, "step 1", "step 0", r"instruction 0: pto.loop .*\] step; expected a positive constant, got 0"),
    (VECTOR, "%r2 = pto.smin ins(8, 16 - 8*%r1)", "%r3 = pto.smin ins(8, 16 - 8*%r1)", r"%r2 may be read before it is set"),
    (VECTOR, "event=%r1", "event=8", r"instruction 4: pto.set_flag .* event; expected 0 to 7, got 8"),
    (VECTOR, "{src=MTE2, dst=V", "{src=M, dst=V", r"pipe; expected one of S, V, MTE2, MTE3, got M"),
    (VECTOR, "{src=MTE2, dst=V", "{src=V, dst=V", r"pipes of a flag; expected two different ones, got V"),
    (VECTOR, "dtype=i1", "dtype=i8", r"instruction 6: pto.tcmps .* element types; expected i1 and sources of one type"),
    (VECTOR, "valid=[%r2, 1]", "valid=[%r2, 2]", r"pto.trowsum .* valid region of dst; expected %r2 x 1, got %r2 x 2"),
    (VECTOR, "valid=[%r2, 1]", "valid=[%r2, 9]", r"valid columns of %t2; expected 0 to 8, got 9"),
    (VECTOR, "%r2 | 64 : 64, 1]) outs(%t0", "%r2 | 60 : 64, 1]) outs(%t0", r"pto.tload .* columns of the view; expected the tile's 64, got 60"),
    (VECTOR, "f32[4096] writes", "f32[4096]", r"pto.tstore .* writes argument %g1; expected one declared with `writes`"),
    (VECTOR, "%g1[0 : 1 | 64", "%g1[4033 : 1 | 64", r"elements of %g1; expected 0 to 4095, got 4033 to 4096"),
    (VECTOR, "cols=64, address=12288", "cols=64, address=0", r"pto.treshape .* dst; expected address 12288, 1 slots, got address 0"),
    (VECTOR, "slots=2, stride=2048", "slots=2, stride=1024", r"stride of %t0; expected 2048 or more, got 1024"),
    (VECTOR, "address=4096", "address=4100", r"address of %t1; expected multiples of 32"),
    (VECTOR, "address=8192", "address=188416", r"%t2 in UB; expected an end of 188416 bytes at most, got 188672"),
    (VECTOR, ", address=8192", "", r"address of %t2; expected 0 or more"),
    (VECTOR, "i64[8]", "f32[8]", r"pto.sload .* element types; expected an argument of integers"),
    (VECTOR, "%g0 = argument f32", "%g0 = argument bf16", r"pto.tload .* element types; expected the argument's type, bf16, got f32"),
    (MIXED, "@m mix", "@m aic", r"pto.set_cross_flag .*core type of a kernel with cross-core flags; expected mix"),
    (MIXED, "pto.subblocks %r1 {", "pto.loop %r1 = 0 to 2 step 1 {", r"pto.tload .* location of dst; expected a memory of the cube core, got vec"),
    (MIXED, "layout=zn", "layout=nz", r"layout of %t2 in right; expected zn, got nz"),
    (MIXED, "rows=16, cols=32", "rows=8, cols=32", r"capacity of %t1 in nz; expected multiples of 16 x 16, got 8 x 32"),
    (MIXED, "column=16", "column=17", r"last column; expected 0 to 32, got 33"),
    (MIXED, "ins(%t1, %t2)", "ins(%t2, %t1)", r"location of left; expected left, got right"),
    (MIXED, "dtype=f32, rows=16, cols=16, layout=nz", "dtype=i32, rows=16, cols=16, layout=nz", r"element types; expected f16, bf16, f32 into f32"),
    (MIXED, "rows=16, cols=32, layout=nz", "rows=16, cols=32, valid=[16, 31], layout=nz", r"pto.tmatmul .* rows of right; expected 31, got 32"),
    (MIXED, "flag=3", "flag=16", r"flag; expected 0 to 15, got 16"),
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
    with pytest.raises(KernelError, match=r"instruction 18: }\] end closes no block"):
        verify_kernel(kernel)
    kernel.body = [i for i in kernel.body if i.spec.name != "end"]
    with pytest.raises(KernelError, match=r"instruction 9: pto.when %r3 {\] when is not closed by an end"):
        verify_kernel(kernel)

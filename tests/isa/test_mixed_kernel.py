"""A kernel for cube and vector cores, written as text: the product of the cube core, finished by both vector cores."""

import importlib

import numpy as np
from test_instructions import execute

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.program.text import parse_kernel
from jax_ascend.compiler.program.verify_kernel import verify_kernel
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.targets import Target

plugin = importlib.import_module("jax_ascend._plugin")

TEXT = """\
kernel @relu_of_product mix grid(3) registers(3) {
  %g0 = argument f16[1536]
  %g1 = argument f16[1024]
  %g2 = argument f32[1536] writes
  %g3 = argument f32[1536] writes
  %t0 = pto.alloc_tile : !pto.tile_buf<loc=mat, dtype=f16, rows=16, cols=32, layout=nz, address=0>
  %t1 = pto.alloc_tile : !pto.tile_buf<loc=mat, dtype=f16, rows=32, cols=32, layout=zn, address=1024>
  %t2 = pto.alloc_tile : !pto.tile_buf<loc=left, dtype=f16, rows=16, cols=32, layout=nz, address=0>
  %t3 = pto.alloc_tile : !pto.tile_buf<loc=right, dtype=f16, rows=32, cols=32, layout=zn, address=0>
  %t4 = pto.alloc_tile : !pto.tile_buf<loc=acc, dtype=f32, rows=16, cols=32, layout=nz, address=0>
  %t5 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=8, cols=32, address=0>
  %t6 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=8, cols=8, valid=[8, 1], address=1024>
  pto.tload ins(%g0[512*%r0 : 16 | 32 : 32, 1]) outs(%t0)
  pto.tload ins(%g1[0 : 32 | 32 : 32, 1]) outs(%t1)
  pto.set_flag {src=MTE2, dst=MTE1, event=0}
  pto.wait_flag {src=MTE2, dst=MTE1, event=0}
  pto.textract ins(%t0) outs(%t2) {row=0, column=0}
  pto.textract ins(%t1) outs(%t3) {row=0, column=0}
  pto.set_flag {src=MTE1, dst=M, event=0}
  pto.wait_flag {src=MTE1, dst=M, event=0}
  pto.tmatmul ins(%t2, %t3) outs(%t4)
  pto.set_flag {src=M, dst=FIXP, event=0}
  pto.wait_flag {src=M, dst=FIXP, event=0}
  pto.tstore ins(%t4) outs(%g2[512*%r0 : 16 | 32 : 32, 1])
  pto.set_cross_flag {pipe=FIXP, flag=0}
  pto.subblocks %r1 {
    pto.wait_cross_flag {pipe=MTE2, flag=0}
    pto.tload ins(%g2[512*%r0 + 256*%r1 : 8 | 32 : 32, 1]) outs(%t5)
    pto.set_flag {src=MTE2, dst=V, event=0}
    pto.wait_flag {src=MTE2, dst=V, event=0}
    pto.trowmax ins(%t5) outs(%t6)
    pto.trowexpandsub ins(%t5, %t6) outs(%t5)
    pto.when %r1 {
      pto.tneg ins(%t5) outs(%t5)
    }
    pto.set_flag {src=V, dst=MTE3, event=0}
    pto.wait_flag {src=V, dst=MTE3, event=0}
    pto.tstore ins(%t5) outs(%g3[512*%r0 + 256*%r1 : 8 | 32 : 32, 1])
  }
}"""


def mixed_program():
    kernel = parse_kernel(TEXT)
    verify_kernel(kernel, Target())
    function = Function("main", frame_bytes=6144)
    types = [TensorType((48, 32), DType.f16), TensorType((32, 32), DType.f16), TensorType((48, 32), DType.f32)]
    slots = [function.slot("parameter", 0, 3072), function.slot("parameter", 1, 2048)]
    slots += [function.slot("frame", 0, 6144), function.slot("result", 0, 6144)]
    function.commands = [command("launch", 0, slots)]
    return Program("mixed", "ascend910b", types[:2], types[2:], [-1], [function], [kernel])


def test_both_vector_cores_finish_what_the_cube_core_began():
    program = mixed_program()
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-4, 5, s).astype(np.float16) for s in ((48, 32), (32, 32)))
    product = x.astype(np.float32) @ w.astype(np.float32)
    expected = product - product.max(1, keepdims=True)
    halves = np.arange(48) // 8 % 2 == 1  # rows of the second vector core
    expected[halves] *= -1
    assert program.launches() == {"cube": 0, "vector": 0, "mixed": 1, "aicpu": 0}
    np.testing.assert_array_equal(run_program(program, [x, w])[0], expected)
    np.testing.assert_array_equal(execute(program.encode(), [x, w])[0], expected)


def test_it_is_free_of_hazards_and_a_dropped_flag_is_not():
    program = mixed_program()
    assert plugin.find_hazards(program.encode()) == []
    body = program.kernels[0].body
    flags = [i for i, instruction in enumerate(body) if instruction.spec.group == "sync"]
    for position in flags:
        program.kernels[0].body = body[:position] + body[position + 1 :]
        found = plugin.find_hazards(program.encode())
        assert found, f"dropping instruction {position} goes unnoticed"

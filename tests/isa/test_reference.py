"""The reference interpreters: their own meaning is checked against NumPy on kernels one can follow by eye."""

import numpy as np
import pytest

from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Layout, Loc
from jax_ascend.compiler.isa.model import instruction_set
from jax_ascend.compiler.isa.stream import AICPU
from jax_ascend.compiler.kernel_passes.allocate_tiles import allocate_tiles
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, command
from jax_ascend.compiler.reference import MEANINGS, ReferenceFault, run_kernel, run_program
from jax_ascend.compiler.reference.aicpu import AICPU_MEANINGS
from jax_ascend.compiler.reference.machine import element_offsets
from jax_ascend.compiler.targets import Target

f32 = DType.f32


def test_every_instruction_has_a_meaning():
    control = {"end", "loop", "when", "subblocks", "until"}
    assert set(MEANINGS) == set(instruction_set()) - control
    assert set(AICPU_MEANINGS) == {a.name for a in AICPU}


@pytest.mark.parametrize(("layout", "loc", "dtype"), [
    (Layout.nz, Loc.left, DType.f16), (Layout.nz, Loc.acc, f32), (Layout.zn, Loc.right, DType.i8),
    (Layout.zn, Loc.right, f32), (Layout.nd, Loc.vec, f32),
])  # fmt: skip
def test_layouts_put_every_element_somewhere_else(layout, loc, dtype):
    offsets = element_offsets(layout, loc, 32, 64, dtype)
    assert sorted(offsets.reshape(-1)) == list(range(32 * 64))


def test_fractals_are_contiguous():
    left = element_offsets(Layout.nz, Loc.left, 32, 32, DType.f16)
    assert sorted(left[16:32, 16:32].reshape(-1)) == list(range(3 * 256, 4 * 256))
    right = element_offsets(Layout.zn, Loc.right, 32, 32, DType.f16)
    assert right[1, 0] == 1 and right[0, 1] == 16


def softmax(rows, columns):
    b = KernelBuilder("softmax", "aiv", (2,))
    x = b.argument(f32, rows * columns)
    y = b.argument(f32, rows * columns, writes=True)
    (block,) = b.blocks
    height = b.minimum(4, rows - 4 * block)
    wide = -(-columns // 8) * 8
    tile = lambda width, valid: b.tile(Loc.vec, f32, 4, width, (height, valid))  # noqa: E731
    a, top, e, total, out = tile(wide, columns), tile(8, 1), tile(wide, columns), tile(8, 1), tile(wide, columns)
    window = b.view(x, block * 4 * columns, (height, columns), (columns, 1))
    b.tload(a, window)
    b.trowmax(top, a)
    b.trowexpandsub(e, a, top)
    b.texp(e, e)
    b.trowsum(total, e)
    b.trowexpanddiv(out, e, total)
    b.tstore(b.view(y, window.offset, (height, columns), (columns, 1)), out)
    allocate_tiles(b.kernel, Target())
    return b.kernel


def test_softmax_with_a_ragged_last_block():
    x = np.random.default_rng(0).normal(size=(7, 37)).astype(np.float32)
    y = np.zeros_like(x)
    run_kernel(softmax(7, 37), [x, y])
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(y, e / e.sum(1, keepdims=True), rtol=1e-6)


def matmul(m, n, k, dtype, half_k):
    b = KernelBuilder("matmul", "aic", (1,))
    x, w = b.argument(dtype, m * k), b.argument(dtype, k * n)
    y = b.argument(f32, m * n, writes=True)
    up = lambda v, u: -(-v // u) * u  # noqa: E731
    a1 = b.tile(Loc.mat, dtype, up(m, 16), up(k, 32), (m, k), Layout.nz)
    b1 = b.tile(Loc.mat, dtype, up(k, 32), up(n, 16), (k, n), Layout.zn)
    b.tload(a1, b.view(x, 0, (m, k), (k, 1)))
    b.tload(b1, b.view(w, 0, (k, n), (n, 1)))
    acc = b.tile(Loc.acc, f32, up(m, 16), up(n, 16), (m, n), Layout.nz)
    with b.loop(0, k, half_k) as i:
        depth = b.minimum(half_k, k - i)
        a0 = b.tile(Loc.left, dtype, up(m, 16), up(half_k, 32), (m, depth), Layout.nz)
        b0 = b.tile(Loc.right, dtype, up(half_k, 32), up(n, 16), (depth, n), Layout.zn)
        b.textract(a0, a1, 0, i)
        b.textract(b0, b1, i, 0)
        b.tmatmul(acc, a0, b0, i)
    b.tstore(b.view(y, 0, (m, n), (n, 1)), acc)
    allocate_tiles(b.kernel, Target())
    return b.kernel


@pytest.mark.parametrize("dtype", [DType.f16, DType.bf16, DType.f32])
def test_matmul_through_l1_and_l0(dtype):
    rng = np.random.default_rng(1)
    x, w = (rng.normal(size=s).astype(dtype.numpy) for s in ((19, 70), (70, 23)))
    y = np.zeros((19, 23), np.float32)
    run_kernel(matmul(19, 23, 70, dtype, 32), [x, w, y])
    np.testing.assert_allclose(y, x.astype(np.float64) @ w.astype(np.float64), rtol=1e-5, atol=1e-5)


def test_memory_starts_poisoned():
    b = KernelBuilder("k", "aiv", (1,))
    y = b.argument(f32, 8, writes=True)
    t = b.tile(Loc.vec, f32, 1, 8)
    b.tstore(b.view(y, 0, (1, 8), (8, 1)), t)
    allocate_tiles(b.kernel, Target())
    out = np.zeros(8, np.float32)
    run_kernel(b.kernel, [out])
    assert np.isnan(out).all()


def test_faults_name_the_instruction():
    b = KernelBuilder("k", "aiv", (1,))
    x = b.argument(f32, 8)
    t = b.tile(Loc.vec, f32, 1, 8)
    b.tload(t, b.view(x, 4, (1, 8), (8, 1)))
    allocate_tiles(b.kernel, Target())
    with pytest.raises(ReferenceFault, match=r"\[kernel k, instruction 0: pto.tload ins\(%g0.*elements 4 to 11"):
        run_kernel(b.kernel, [np.zeros(8, np.float32)])


def test_atomic_add_takes_every_repeat():
    b = KernelBuilder("k", "aiv", (1,))
    x, where, y = b.argument(f32, 4), b.argument(DType.i32, 4), b.argument(f32, 3, writes=True)
    data, index = b.tile(Loc.vec, f32, 4, 8, (4, 1)), b.tile(Loc.vec, DType.i32, 4, 8, (4, 1))
    b.tload(data, b.view(x, 0, (4, 1), (1, 1)))
    b.tload(index, b.view(where, 0, (4, 1), (1, 1)))
    b.mscatter(b.view(y, 0, (1, 1), (0, 1)), data, index, "row", "add")
    allocate_tiles(b.kernel, Target())
    out = np.ones(3, np.float32)
    run_kernel(b.kernel, [np.float32([1, 2, 4, 8]), np.int32([2, 0, 2, -1]), out])
    np.testing.assert_array_equal(out, [3, 1, 6])


def test_stream_loop_exchanges_storage():
    """while (n > 0) { n, a, b = n - 1, b, a + 1 }"""
    i32 = TensorType((1,), DType.i32)
    step = KernelBuilder("step", "aiv", (1,))
    n, n_out, a, a_out = (step.argument(DType.i32, 1, writes=True) for _ in range(4))
    more = step.argument(DType.i1, 1, writes=True)
    t, u, m = (step.tile(Loc.vec, d, 1, 32, (1, 1)) for d in (DType.i32, DType.i32, DType.i1))
    one = lambda argument: step.view(argument, 0, (1, 1), (1, 1))  # noqa: E731
    step.tload(t, one(n))
    step.tsubs(t, t, 1)
    step.tstore(one(n_out), t)
    step.tcmps(m, t, -1, "gt")
    step.tload(u, one(a))
    step.tadds(u, u, 10)
    step.tstore(one(a_out), u)
    step.tstore(one(more), m)
    allocate_tiles(step.kernel, Target())
    check = KernelBuilder("check", "aiv", (1,))
    check.argument(DType.i32, 1), check.argument(DType.i1, 1, writes=True)
    t, m = check.tile(Loc.vec, DType.i32, 1, 8, (1, 1)), check.tile(Loc.vec, DType.i1, 1, 32, (1, 1))
    check.tload(t, check.view(0, 0, (1, 1), (1, 1)))
    check.tcmps(m, t, 0, "gt")
    check.tstore(check.view(1, 0, (1, 1), (1, 1)), m)
    allocate_tiles(check.kernel, Target())
    main = Function("main", frame_bytes=384)
    p, r = main.slot("parameter", 0, 4), main.slot("result", 0, 4)
    n0, n1, a0, a1 = (main.slot("frame", 64 * i, 4) for i in range(4))
    go, scratch = main.slot("frame", 256, 1), main.slot("frame", 320, 1)
    main.commands = [
        command("copy", n0, p, 4),
        command("copy", a0, p, 4),
        command(
            "loop",
            go,
            [(n0, n1), (a0, a1)],
            [command("launch", 1, [n0, go])],
            [command("launch", 0, [n0, n1, a0, a1, scratch])],
        ),
        command("copy", r, a0, 4),
    ]
    program = Program("p", "ascend910b", [i32], [i32], [-1], [main], [step.kernel, check.kernel])
    for form in (program, program.encode()):
        (out,) = run_program(form, [np.int32([5])])
        assert out[0] == 55
    assert Program.decode(program.encode()).encode() == program.encode()

"""The cube unit and the moves around it on the executor against the reference."""

import itertools

import numpy as np
import pytest
from executor import check, plugin, program_of, random_array, run_device

from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Layout, Loc
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import command
from jax_ascend.compiler.reference import run_program

PAIRS = [(DType.f32, DType.f32), (DType.bf16, DType.f32), (DType.f16, DType.f32), (DType.i8, DType.i32),
         (DType.u8, DType.i32), (DType.i32, DType.i32), (DType.f64, DType.f64)]  # fmt: skip
SIZES = [(1, 1, 1), (5, 3, 7), (16, 16, 16), (33, 20, 47), (64, 48, 80), (13, 64, 96)]


def up(n, multiple=32):
    return -(-n // multiple) * multiple


def matmul_kernel(
    dtype, acc, m, k, n, transposed=(False, False), bias=False, result=None, relu=False, steps=1, sums=False, right=None
):
    """One block: load both operands, `right` of another type perhaps, extract `steps` pieces of K, multiply, store."""
    result, right = result or acc, right or dtype
    b = KernelBuilder("matmul", "aic", (1,))
    x, y = b.argument(dtype, m * k), b.argument(right, k * n)
    z = b.argument(acc, n) if bias else None
    out = b.argument(result, m * n, True)
    step = up(-(-k // steps))
    a1 = b.tile(Loc.mat, dtype, up(m), step * steps, (m, k), Layout.nz, address=0)
    b1 = b.tile(Loc.mat, right, step * steps, up(n), (k, n), Layout.zn, address=128 * 1024)
    c0 = b.tile(Loc.acc, acc, up(m), up(n), (m, n), Layout.nz, address=0)
    b.tload(a1, b.view(x, 0, (m, k), (1, m) if transposed[0] else (k, 1)))
    b.tload(b1, b.view(y, 0, (k, n), (1, k) if transposed[1] else (n, 1)))
    if bias:
        z1 = b.tile(Loc.mat, acc, 1, up(n), (1, n), address=300 * 1024)
        z0 = b.tile(Loc.bias, acc, 1, up(n), (1, n), address=0)
        b.tload(z1, b.view(z, 0, (1, n), (0, 1)))
        b.tmov(z0, z1)
    for i in range(steps):
        valid = min(step, k - i * step)
        a0 = b.tile(Loc.left, dtype, up(m), step, (m, valid), Layout.nz, address=0)
        b0 = b.tile(Loc.right, right, step, up(n), (valid, n), Layout.zn, address=0)
        b.textract(a0, a1, 0, i * step)
        b.textract(b0, b1, i * step, 0)
        if bias and i == 0:
            b.tmatmul_bias(c0, a0, b0, z0)
        else:
            b.tmatmul(c0, a0, b0, 1 if i else 0)
    b.tstore(b.view(out, 0, (m, n), (n, 1)), c0, "add" if sums else "none", "relu" if relu else "none")
    return b.kernel


def sums_of(dtype):
    return DType.f32 if dtype.is_float else DType.i32


def tolerance(dtype):
    return 1e-5 if dtype.is_float else 0.0


def arguments(kernel, seed=0):
    rng = np.random.default_rng(seed)
    return [random_array(rng, a.dtype, a.size) for a in kernel.arguments]


@pytest.fixture(params=plugin.simd_variants())
def variant(request):
    """Each SIMD variant this CPU can run."""
    plugin.set_simd_variant(request.param)
    yield request.param
    plugin.set_simd_variant(plugin.simd_variants()[0])


@pytest.mark.parametrize("dtype,acc", PAIRS, ids=lambda t: str(t))
@pytest.mark.parametrize("m,k,n", SIZES)
def test_matmul(variant, dtype, acc, m, k, n):
    for transposed in itertools.product((False, True), repeat=2):
        kernel = matmul_kernel(dtype, acc, m, k, n, transposed)
        check(kernel, arguments(kernel), 0.0 if acc is DType.i32 else 1e-5)


def bytes_of(dtype, size, seed):
    """Return all values of a type of bytes in some order, its extremes more often than others."""
    limits, rng = np.iinfo(dtype.numpy), np.random.default_rng(seed)
    values = rng.integers(limits.min, limits.max, size, endpoint=True)
    return np.where(rng.random(size) < 0.3, rng.choice([limits.min, limits.max], size), values).astype(dtype.numpy)


@pytest.mark.parametrize("left,right", list(itertools.product([DType.i8, DType.u8], repeat=2)), ids=str)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("m,k,n", [*SIZES, (25, 3, 33), (12, 17, 32), (3, 130, 16), (50, 641, 9)])
def test_products_of_bytes(variant, left, right, m, k, n, bias):
    """Exact sums of signed and unsigned bytes, -128 and 255 among them, in one step of K and in two."""
    for steps, transposed in itertools.product((1, 2) if k > 32 else (1,), itertools.product((False, True), repeat=2)):
        kernel = matmul_kernel(left, DType.i32, m, k, n, transposed, bias, steps=steps, right=right)
        z = [np.arange(n, dtype=np.int32) * 0x12345678 if bias else None]  # wraps
        check(kernel, [bytes_of(left, m * k, 1), bytes_of(right, k * n, 2), *z[:bias], np.zeros(m * n, np.int32)])


@pytest.mark.parametrize("result", [DType.f32, DType.bf16, DType.f16], ids=str)
@pytest.mark.parametrize("bias,relu,sums", list(itertools.product((False, True), repeat=3)))
def test_store_of_accumulator(result, bias, relu, sums):
    kernel = matmul_kernel(DType.f32, DType.f32, 37, 50, 29, bias=bias, result=result, relu=relu, sums=sums)
    check(kernel, arguments(kernel), 1e-5 if result is DType.f32 else 1e-2)


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.i8], ids=str)
def test_steps_of_k(variant, dtype):
    for m, k, n in ((30, 100, 40), (64, 128, 64)):
        kernel = matmul_kernel(dtype, sums_of(dtype), m, k, n, bias=True, steps=2)
        check(kernel, arguments(kernel), tolerance(dtype))


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.i8], ids=str)
@pytest.mark.parametrize("k,step", [(128, 32), (100, 32), (160, 64)])
@pytest.mark.parametrize("backwards", [False, True])
def test_steps_of_k_in_a_loop(variant, dtype, k, step, backwards):
    """Two parts of rows, for each the steps of k through L0 in this order or the other."""
    acc, rows, n, steps = sums_of(dtype), (32, 20), 40, -(-k // step)
    m = sum(rows)
    b = KernelBuilder("steps", "aic", (1,))
    x, y, out = b.argument(dtype, m * k), b.argument(dtype, k * n), b.argument(acc, m * n, True)
    a1 = b.tile(Loc.mat, dtype, 64, steps * step, (m, k), Layout.nz, address=0)
    b1 = b.tile(Loc.mat, dtype, steps * step, 64, (k, n), Layout.zn, address=128 * 1024)
    b.tload(a1, b.view(x, 0, (m, k), (k, 1)))
    b.tload(b1, b.view(y, 0, (k, n), (n, 1)))
    for part, count in enumerate(rows):
        c0 = b.tile(Loc.acc, acc, 32, 64, (count, n), Layout.nz, address=0)
        with b.loop(0, steps) as at:
            place = (steps - 1 - at if backwards else at) * step
            valid = b.scalar("smin", step, k - place)
            a0 = b.tile(Loc.left, dtype, 32, step, (count, valid), Layout.nz, address=0)
            b0 = b.tile(Loc.right, dtype, step, 64, (valid, n), Layout.zn, address=0)
            b.textract(a0, a1, part * 32, place)
            b.textract(b0, b1, place, 0)
            b.tmatmul(c0, a0, b0, at)
        b.tstore(b.view(out, part * 32 * n, (count, n), (n, 1)), c0)
    check(b.kernel, arguments(b.kernel), tolerance(dtype))


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16], ids=str)
def test_l1_keeps_what_was_loaded(dtype):
    """The launch writes over an operand, under another name, between its load and its second use."""
    b = KernelBuilder("overwrite", "aic", (1,))
    x, y = b.argument(dtype, 32 * 32), b.argument(dtype, 32 * 32)
    same, out = b.argument(dtype, 32 * 32, True), b.argument(DType.f32, 32 * 32, True)
    a1 = b.tile(Loc.mat, dtype, 32, 32, layout=Layout.nz, address=0)
    b1 = b.tile(Loc.mat, dtype, 32, 32, layout=Layout.zn, address=64 * 1024)
    a0 = b.tile(Loc.left, dtype, 32, 32, layout=Layout.nz, address=0)
    b0 = b.tile(Loc.right, dtype, 32, 32, layout=Layout.zn, address=0)
    c0 = b.tile(Loc.acc, DType.f32, 32, 32, layout=Layout.nz, address=0)
    b.tload(a1, b.view(x, 0, (32, 32), (32, 1)))
    b.tload(b1, b.view(y, 0, (32, 32), (32, 1)))
    for result in (same, out):
        b.textract(a0, a1, 0, 0)
        b.textract(b0, b1, 0, 0)
        b.tmatmul(c0, a0, b0)
        b.tstore(b.view(result, 0, (32, 32), (32, 1)), c0)
    program = program_of(b.kernel)
    program.functions[0].commands = [command("launch", 0, [2, 1, 2, 3])]  # x is what `same` is
    inputs = arguments(b.kernel)
    want, got = run_program(program, [a.copy() for a in inputs]), run_device(program, inputs)
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(g.astype(np.float64), w.astype(np.float64), atol=2e-2)


EXTREMES = {  # first row of the left operand, first column of the right one, bias of that column
    "subnormal operand": ([2.0**-130, 1.0], [2.0**20, 2.0**-130], 0),
    "product below the normal numbers": ([2.0**-70, 0.0], [2.0**-65, 1.0], 0),
    "sum below the normal numbers": ([2.0**-60 + 2.0**-67, -(2.0**-60)], [2.0**-62, 2.0**-62], 0),
    "many that add up to a normal number": ([2.0**-64] * 32, [2.0**-64] * 32, 0),
    "subnormal bias": ([0.0, 0.0], [1.0, 1.0], 2.0**-140),
    "bias cancelled": ([-1.0, 0.0], [2.0**-104, 0.0], 2.0**-104 + 2.0**-127),
    "infinity": ([np.inf, 1.0], [2.0, 3.0], 0),
    "infinity times zero": ([np.inf, 1.0], [0.0, 3.0], 0),
    "infinity minus infinity": ([np.inf, np.inf], [1.0, -1.0], 0),
    "not a number": ([1.0, np.nan], [1.0, 1.0], 0),
    "overflow": ([2.0**127, 1.0], [2.0, 1.0], 0),
    "the largest and its negative": ([2.0**127, -(2.0**127)], [1.0, 1.0], 0),
}


@pytest.mark.parametrize("case", EXTREMES)
@pytest.mark.parametrize("m,k,n", [(3, 33, 5), (40, 101, 70), (64, 128, 64)])
def test_extremes_of_bf16(variant, case, m, k, n):
    """Exact sums, infinities and NaN wherever they stand, whatever the CPU's bf16 unit does to small numbers."""
    rng = np.random.default_rng(0)
    x, y = (rng.integers(1, 5, shape).astype(DType.bf16.numpy) for shape in ((m, k), (k, n)))
    row, column, bias = EXTREMES[case]
    last = range(k - len(row), k)  # the tail of k
    x[-1], y[:, -1], x[:, last], y[last] = 0, 0, 0, 0
    x[-1, last], y[last, -1] = row, column
    z = np.full(n, bias, np.float32)
    kernel = matmul_kernel(DType.bf16, DType.f32, m, k, n, bias=bias != 0)
    inputs = [x.ravel(), y.ravel(), *([z] if bias else []), np.zeros(m * n, np.float32)]
    (want,), (got,) = (f(program_of(kernel), [a.copy() for a in inputs]) for f in (run_program, run_device))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [DType.bf16, DType.i8, DType.u8], ids=str)
@pytest.mark.parametrize("k", [1, 2, 3, 31, 33, 62, 63])
def test_product_ends_within_a_group(variant, dtype, k):
    """What stands behind the valid K is not looked at, in neither operand: infinity times infinity, NaN times zero."""
    b = KernelBuilder("ends", "aic", (1,))
    x, y, out = b.argument(dtype, 64 * 64), b.argument(dtype, 64 * 64), b.argument(sums_of(dtype), 1024, True)
    a1 = b.tile(Loc.mat, dtype, 64, 64, layout=Layout.nz, address=0)
    b1 = b.tile(Loc.mat, dtype, 64, 64, layout=Layout.zn, address=64 * 1024)
    a0 = b.tile(Loc.left, dtype, 32, 64, (32, k), Layout.nz, address=0)
    b0 = b.tile(Loc.right, dtype, 64, 32, (k, 32), Layout.zn, address=0)
    c0 = b.tile(Loc.acc, sums_of(dtype), 32, 32, layout=Layout.nz, address=0)
    b.tload(a1, b.view(x, 0, (64, 64), (64, 1)))
    b.tload(b1, b.view(y, 0, (64, 64), (64, 1)))
    b.textract(a0, a1, 0, 0)
    b.textract(b0, b1, 0, 0)
    b.tmatmul(c0, a0, b0)
    b.tstore(b.view(out, 0, (32, 32), (32, 1)), c0)
    left, right, sums = arguments(b.kernel)
    behind = [np.inf, np.nan] if dtype.is_float else [np.iinfo(dtype.numpy).max, np.iinfo(dtype.numpy).min]
    left.reshape(64, 64)[:, k:], right.reshape(64, 64)[k:] = behind[0], behind[1]
    check(b.kernel, [left, right, sums], tolerance(dtype))


def test_later_steps_keep_small_sums(variant):
    """A sum below the normal numbers stays when products that need no care are added to its tile."""
    b = KernelBuilder("small", "aic", (1,))
    x, y, out = b.argument(DType.bf16, 2 * 1024), b.argument(DType.bf16, 1024), b.argument(DType.f32, 1024, True)
    a0 = b.tile(Loc.left, DType.bf16, 32, 32, layout=Layout.nz, address=0)
    b0 = b.tile(Loc.right, DType.bf16, 32, 32, layout=Layout.zn, address=0)
    c0 = b.tile(Loc.acc, DType.f32, 32, 32, layout=Layout.nz, address=0)
    b1 = b.tile(Loc.mat, DType.bf16, 32, 32, layout=Layout.zn, address=64 * 1024)
    b.tload(b1, b.view(y, 0, (32, 32), (32, 1)))
    b.textract(b0, b1, 0, 0)
    for step in range(2):
        a1 = b.tile(Loc.mat, DType.bf16, 32, 32, layout=Layout.nz, address=step * 4096)
        b.tload(a1, b.view(x, 1024 * step, (32, 32), (32, 1)))
        b.textract(a0, a1, 0, 0)
        b.tmatmul(c0, a0, b0, step)
    b.tstore(b.view(out, 0, (32, 32), (32, 1)), c0)
    left = np.stack([np.eye(32) * 2.0**-130, np.diag(np.arange(32.0))]).astype(DType.bf16.numpy)
    check(b.kernel, [left.ravel(), np.eye(32).ravel().astype(DType.bf16.numpy), np.zeros(1024, np.float32)])


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.i8], ids=str)
@pytest.mark.parametrize(
    "right", [((5, 6, 2, 9), (3, 20, 200, 1), 2), ((6, 5, 18), (150, 20, 1), 2), ((10, 3, 18), (3, 30, 50), 2)]
)
def test_multi_dimensional_operands(variant, right, dtype):
    """Both operands from views of rank four and five whose rows and columns are nests of dimensions."""
    b = KernelBuilder("matmul", "aic", (1,))
    m, k, n = 2 * 3 * 4, 5 * 6, 2 * 9
    x, y, out = b.argument(dtype, 2000), b.argument(dtype, 2000), b.argument(sums_of(dtype), m * n, True)
    a1 = b.tile(Loc.mat, dtype, 32, 32, (m, k), Layout.nz, address=0)
    b1 = b.tile(Loc.mat, dtype, 32, 32, (k, n), Layout.zn, address=64 * 1024)
    a0 = b.tile(Loc.left, dtype, 32, 32, (m, k), Layout.nz, address=0)
    b0 = b.tile(Loc.right, dtype, 32, 32, (k, n), Layout.zn, address=0)
    c0 = b.tile(Loc.acc, sums_of(dtype), 32, 32, (m, n), Layout.nz, address=0)
    b.tload(a1, b.view(x, 3, (2, 3, 4, 5, 6), (500, 6, 100, 20, 1), 3))
    b.tload(b1, b.view(y, 1, *right))
    b.textract(a0, a1, 0, 0)
    b.textract(b0, b1, 0, 0)
    b.tmatmul(c0, a0, b0)
    b.tstore(b.view(out, 0, (2, 12, 18), (12, 1, 24), 2), c0)
    check(b.kernel, arguments(b.kernel), tolerance(dtype))


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.i8], ids=str)
@pytest.mark.parametrize("row,column", [(0, 0), (8, 16), (3, 5), (16, 40)])
def test_extract_anywhere(variant, dtype, row, column):
    b = KernelBuilder("extract", "aic", (1,))
    x, y, out = b.argument(dtype, 64 * 96), b.argument(dtype, 64 * 96), b.argument(sums_of(dtype), 32 * 32, True)
    a1 = b.tile(Loc.mat, dtype, 64, 96, layout=Layout.nz, address=0)
    b1 = b.tile(Loc.mat, dtype, 64, 96, layout=Layout.zn, address=64 * 1024)
    a0 = b.tile(Loc.left, dtype, 32, 32, (32, 32), Layout.nz, address=0)
    b0 = b.tile(Loc.right, dtype, 32, 32, (32, 32), Layout.zn, address=0)
    c0 = b.tile(Loc.acc, sums_of(dtype), 32, 32, layout=Layout.nz, address=0)
    b.tload(a1, b.view(x, 0, (64, 96), (96, 1)))
    b.tload(b1, b.view(y, 0, (64, 96), (96, 1)))
    b.textract(a0, a1, row, column)
    b.textract(b0, b1, row, column)
    b.tmatmul(c0, a0, b0)
    b.tstore(b.view(out, 0, (32, 32), (32, 1)), c0)
    check(b.kernel, arguments(b.kernel), tolerance(dtype))


def test_extract_survives_reload():
    """L1 may be loaded again before the cube unit reads what was extracted from it."""
    b = KernelBuilder("reload", "aic", (1,))
    x, out = b.argument(DType.f32, 2 * 32 * 32), b.argument(DType.f32, 32 * 32, True)
    a1 = b.tile(Loc.mat, DType.f32, 32, 32, layout=Layout.nz, address=0)
    b1 = b.tile(Loc.mat, DType.f32, 32, 32, layout=Layout.zn, address=64 * 1024)
    a0 = b.tile(Loc.left, DType.f32, 32, 32, layout=Layout.nz, address=0)
    b0 = b.tile(Loc.right, DType.f32, 32, 32, layout=Layout.zn, address=0)
    c0 = b.tile(Loc.acc, DType.f32, 32, 32, layout=Layout.nz, address=0)
    for i in range(2):
        b.tload(a1, b.view(x, 1024 * i, (32, 32), (32, 1)))
        b.tload(b1, b.view(x, 1024 * i, (32, 32), (32, 1)))
        if i == 0:
            b.textract(a0, a1, 0, 0)
            b.textract(b0, b1, 0, 0)
    b.tmatmul(c0, a0, b0)
    b.tstore(b.view(out, 0, (32, 32), (32, 1)), c0)
    check(b.kernel, arguments(b.kernel), 1e-5)


@pytest.mark.parametrize("channels", [3, 16, 20])
@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.i8], ids=str)
@pytest.mark.parametrize(
    "window", [(3, 3, 1, 1, 1, 1, 1, 1, 5, 6), (2, 3, 2, 1, 1, 2, 1, 1, 3, 5), (3, 2, 1, 1, 1, 1, 2, 2, 8, 9)]
)
def test_img2col(variant, window, dtype, channels):
    images, h, w, n = 2, 5, 6, 24
    kh, kw, oh, ow = window[0], window[1], window[8], window[9]
    m, k = images * oh * ow, kh * kw * channels
    b = KernelBuilder("conv", "aic", (1,))
    x, y = b.argument(dtype, images * h * w * channels), b.argument(dtype, 4096 * 32)
    out = b.argument(sums_of(dtype), m * n, True)
    f1 = b.tile(Loc.mat, dtype, up(images * h * w), up(channels), (images * h * w, channels), Layout.fmap, address=0)
    b1 = b.tile(Loc.mat, dtype, up(k), 32, (k, n), Layout.zn, address=128 * 1024)
    a0 = b.tile(Loc.left, dtype, 32, 64, (32, 64), Layout.nz, address=0)
    b.tload(f1, b.view(x, 0, (images, h, w, channels), (h * w * channels, w * channels, channels, 1), 3))
    b.tload(b1, b.view(y, 0, (k, n), (n, 1)))
    c0 = b.tile(Loc.acc, sums_of(dtype), 32, 32, (32, n), Layout.nz, address=0)
    for row in range(0, m, 32):
        rows = min(32, m - row)
        for column in range(0, k, 64):
            columns = min(64, k - column)
            a0 = b.tile(Loc.left, dtype, 32, 64, (rows, columns), Layout.nz, address=0)
            b0 = b.tile(Loc.right, dtype, 64, 32, (columns, n), Layout.zn, address=0)
            c0 = b.tile(Loc.acc, sums_of(dtype), 32, 32, (rows, n), Layout.nz, address=0)
            b.timg2col(a0, f1, row, column, 1, 1, (images, h, w, channels), window)
            b.textract(b0, b1, column, 0)
            b.tmatmul(c0, a0, b0, 1 if column else 0)
        b.tstore(b.view(out, row * n, (rows, n), (n, 1)), c0)
    check(b.kernel, arguments(b.kernel), tolerance(dtype))


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.i8], ids=str)
def test_img2col_as_right_operand(variant, dtype):
    """The gradient of a kernel contracts output positions."""
    images, h, w, channels, oh, ow, m = 1, 6, 6, 20, 6, 6, 32
    window = (3, 3, 1, 1, 1, 1, 1, 1, oh, ow)
    k, n = images * oh * ow, 9 * channels
    b = KernelBuilder("conv", "aic", (1,))
    x, y, out = (
        b.argument(dtype, h * w * channels),
        b.argument(dtype, k * m),
        b.argument(sums_of(dtype), m * n, True),
    )
    f1 = b.tile(Loc.mat, dtype, up(h * w), up(channels), (h * w, channels), Layout.fmap, address=0)
    a1 = b.tile(Loc.mat, dtype, m, up(k), (m, k), Layout.nz, address=128 * 1024)
    a0 = b.tile(Loc.left, dtype, m, up(k), (m, k), Layout.nz, address=0)
    b.tload(f1, b.view(x, 0, (h * w, channels), (channels, 1)))
    b.tload(a1, b.view(y, 0, (m, k), (1, m)))
    b.textract(a0, a1, 0, 0)
    for column in range(0, n, 64):
        columns = min(64, n - column)
        b0 = b.tile(Loc.right, dtype, up(k), 64, (k, columns), Layout.zn, address=0)
        c0 = b.tile(Loc.acc, sums_of(dtype), m, 64, (m, columns), Layout.nz, address=0)
        b.timg2col(b0, f1, 0, column, 1, 1, (images, h, w, channels), window)
        b.tmatmul(c0, a0, b0)
        b.tstore(b.view(out, column, (m, columns), (n, 1)), c0)
    check(b.kernel, arguments(b.kernel), tolerance(dtype))

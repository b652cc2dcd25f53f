"""Build cube regions, lower them, and run their kernels on the reference interpreter."""

from __future__ import annotations

import numpy as np

from jax_ascend.compiler.codegen.lower_region import lower_region
from jax_ascend.compiler.codegen.steps import Launch
from jax_ascend.compiler.fusion.region import Region
from jax_ascend.compiler.graph.graph import Graph, Op, TensorType, Value
from jax_ascend.compiler.graph.ops import Convolution, Dot
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.kernel_passes.allocate_tiles import allocate_tiles
from jax_ascend.compiler.kernel_passes.insert_synchronization import insert_synchronization
from jax_ascend.compiler.program.kernel import Kernel
from jax_ascend.compiler.program.verify_kernel import verify_kernel
from jax_ascend.compiler.reference import run_kernel
from jax_ascend.compiler.targets import TARGETS

TARGET = TARGETS["ascend910b"]
Shape = tuple[int, ...]


def finish(kernel: Kernel) -> Kernel:
    """Give a kernel what later stages give it: addresses and flags; verify it."""
    allocate_tiles(kernel, TARGET)
    insert_synchronization(kernel)
    verify_kernel(kernel, TARGET)
    return kernel


def lower(ops: list[Op], inputs: list[Value], output: Value) -> list[Launch]:
    """Lower a region."""
    launches = []
    for step in lower_region(Region("cube", ops, inputs, [output]), TARGET):
        assert isinstance(step, Launch)
        finish(step.kernel)
        launches.append(step)
    assert launches[-1].outputs == [output]
    return launches


def run(launches: list[Launch], inputs: dict[Value, np.ndarray], output: Value) -> np.ndarray:
    """Run launches that fill one result on the reference interpreter and return it."""
    result = np.full(output.shape, 77, output.dtype.numpy)
    for launch in launches:
        run_kernel(launch.kernel, [result if v in launch.outputs else inputs[v] for v in launch.arguments], TARGET)
    return result


def integers(shape: Shape, dtype: DType, seed: int) -> np.ndarray:
    """Return small integers of any element type, so that sums are exact."""
    low = 0 if dtype.kind == "u" else -4
    return np.random.default_rng(seed).integers(low, 5, shape).astype(dtype.numpy)


def make_dot(
    lhs: Shape, rhs: Shape, batch: tuple[Shape, Shape], contracting: tuple[Shape, Shape], dtype: DType, result: DType
) -> tuple[Dot, np.ndarray, list[np.ndarray]]:
    """Return a Dot, what it should give, and its operands."""
    g = Graph("g")
    a, b = g.argument(TensorType(lhs, dtype)), g.argument(TensorType(rhs, dtype))
    op = Dot([a, b], batch[0], batch[1], contracting[0], contracting[1])
    x, y = integers(lhs, dtype, 0), integers(rhs, dtype, 1)
    wide = np.float64 if dtype.is_float else np.int64
    l, r, names = list(range(len(lhs))), [-1] * len(rhs), len(lhs)
    for i, j in zip(batch[0] + contracting[0], batch[1] + contracting[1], strict=True):
        r[j] = l[i]
    for j in range(len(rhs)):
        if r[j] < 0:
            r[j], names = names, names + 1
    free_l = [d for d in l if d not in batch[0] + contracting[0]]
    free_r = [d for d in r if d >= len(lhs)]
    expected = np.einsum(x.astype(wide), l, y.astype(wide), r, [*batch[0], *free_l, *free_r])
    g.add(op, TensorType(expected.shape, result))
    g.verify()
    return op, expected.astype(result.numpy), [x, y]


def convolve(op: Convolution, x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return a convolution by its definition: dilate, pad, and add up the taps."""
    n = len(op.stride)
    x, k = x.astype(np.float64).transpose(op.lhs_spec), k.astype(np.float64).transpose(op.rhs_spec)
    k = np.flip(k, [2 + i for i in range(n) if op.reversal[i]])
    dilated = np.zeros((*x.shape[:2], *((s - 1) * d + 1 for s, d in zip(x.shape[2:], op.lhs_dilation, strict=True))))
    dilated[(..., *(slice(None, None, d) for d in op.lhs_dilation))] = x
    pads = [(max(l, 0), max(h, 0)) for l, h in zip(op.low, op.high, strict=True)]
    padded = np.pad(dilated, [(0, 0), (0, 0), *pads])
    cut = [slice(max(-l, 0), s - max(-h, 0)) for l, h, s in zip(op.low, op.high, padded.shape[2:], strict=True)]
    padded = padded[(..., *cut)]
    y = op.result.shape
    out = np.zeros([y[d] for d in op.out_spec])
    groups = op.feature_groups * op.batch_groups
    axis = 1 if op.feature_groups > 1 else 0
    maps, kernels = np.split(padded, groups, axis), np.split(k, groups, 0)
    for g, part in enumerate(np.split(out, groups, 1)):
        for tap in np.ndindex(*k.shape[2:]):
            window = tuple(
                slice(t * r, t * r + (o - 1) * s + 1, s)
                for t, r, o, s in zip(tap, op.rhs_dilation, part.shape[2:], op.stride, strict=True)
            )
            part += np.einsum("nc...,fc->nf...", maps[g][(..., *window)], kernels[g][(..., *tap)])
    return out.transpose(np.argsort(op.out_spec))


def make_convolution(
    x: Shape, k: Shape, specs: tuple[Shape, Shape, Shape], stride: Shape, pad: list[tuple[int, int]],
    lhs_dilation: Shape | None = None, rhs_dilation: Shape | None = None, reversal: tuple[bool, ...] | None = None,
    feature_groups: int = 1, batch_groups: int = 1, dtype: DType = DType.f32,
) -> tuple[Convolution, np.ndarray, list[np.ndarray]]:  # fmt: skip
    """Return a Convolution, what it should give, and its operands."""
    n = len(stride)
    g = Graph("g")
    a, b = g.argument(TensorType(x, dtype)), g.argument(TensorType(k, dtype))
    one = (1,) * n
    op = Convolution(
        [a, b], *specs, stride, tuple(p[0] for p in pad), tuple(p[1] for p in pad), lhs_dilation or one,
        rhs_dilation or one, reversal or (False,) * n, feature_groups, batch_groups,
    )  # fmt: skip
    shape = [0] * (n + 2)
    shape[specs[2][0]], shape[specs[2][1]] = x[specs[0][0]] // batch_groups, k[specs[1][0]]
    for i in range(n):
        size = (x[specs[0][2 + i]] - 1) * op.lhs_dilation[i] + 1 + sum(pad[i])
        shape[specs[2][2 + i]] = (size - (k[specs[1][2 + i]] - 1) * op.rhs_dilation[i] - 1) // stride[i] + 1
    g.add(op, TensorType(tuple(shape), dtype))
    g.verify()
    data = [integers(x, dtype, 0), integers(k, dtype, 1)]
    return op, convolve(op, *data), data

"""Sorts on the vector cores, by the reference interpreter against the meaning of the AICPU's kernels; no hazards."""

import numpy as np
import pytest
from compiled_function import plan_program

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.indexing import indexing_ways
from jax_ascend.compiler.codegen.steps import Launch
from jax_ascend.compiler.fusion.region import Region
from jax_ascend.compiler.graph.graph import Graph, TensorType
from jax_ascend.compiler.graph.ops import Sort, TopK
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.kernel_passes.allocate_tiles import allocate_tiles
from jax_ascend.compiler.kernel_passes.insert_synchronization import insert_synchronization
from jax_ascend.compiler.planning.schedule import Schedule
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.reference.aicpu import sortable
from jax_ascend.compiler.targets import target

TARGET = target("ascend910b")
TYPES = [
    DType.f32, DType.f16, DType.bf16, DType.i32, DType.u32, DType.i16, DType.u16, DType.i8, DType.u8, DType.i1,
]  # fmt: skip


def values(rng, dtype, shape):
    """Values with many equals; floats with both zeros, infinities and NaNs of both signs."""
    if dtype is DType.i1:
        return rng.random(shape) < 0.5
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        drawn = rng.integers(info.min, info.max, shape, dtype=dtype.numpy, endpoint=True)
        return np.where(rng.random(shape) < 0.5, drawn, rng.integers(0, 4, shape).astype(dtype.numpy))
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1.0, -1.0])
    with np.errstate(all="ignore"):
        drawn = np.where(rng.random(shape) < 0.4, rng.choice(special, shape), rng.normal(size=shape) * 100)
        return drawn.astype(dtype.numpy)


def run(op, types, arrays):
    """Run an op as the first of its ways, which must be one of the vector cores."""
    graph = Graph("main")
    op.operands = [graph.argument(TensorType(a.shape, DType.of_numpy(a.dtype))) for a in arrays]
    graph.add(op, *types)
    graph.results = list(op.results)
    graph.verify()
    steps = next(indexing_ways(Region("aicpu", [op], graph.arguments, graph.results), TARGET))
    (step,) = steps
    assert isinstance(step, Launch), "the vector cores can do this"
    allocate_tiles(step.kernel, TARGET)
    insert_synchronization(step.kernel)
    program = plan_program("test", Schedule(graph, list(steps)), [-1] * len(op.results), TARGET)
    assert _plugin.find_hazards(program.encode()) == []
    return run_program(program, [a.copy() for a in arrays])


def same_bits(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape
    assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("shape", "k"), [((1, 1), 1), ((5, 7), 3), ((3, 33), 33), ((2, 3, 130), 5), ((2, 300), 100)])
def test_top_k(dtype, shape, k, largest):
    x = values(np.random.default_rng(k), dtype, shape)
    result = TensorType((*shape[:-1], k), dtype)
    got, indices = run(TopK([], k, largest), [result, TensorType(result.shape, DType.i32)], [x])
    order = np.argsort(sortable(x, largest, total_order=True), axis=-1, kind="stable")[..., :k].astype(np.int32)
    same_bits(indices, order)
    same_bits(got, np.take_along_axis(x, order, -1))


@pytest.mark.parametrize(("columns", "k"), [(20_000, 50), (9_001, 1), (12_289, 700)])
def test_the_largest_of_a_row_that_does_not_fit(columns, k):
    """Pieces of the row after each other; the last may be shorter than k."""
    x = values(np.random.default_rng(k), DType.f32, (1, columns))
    result = TensorType((1, k), DType.f32)
    got, indices = run(TopK([], k, True), [result, TensorType((1, k), DType.i32)], [x])
    order = np.argsort(sortable(x, True, total_order=True), axis=-1, kind="stable")[:, :k].astype(np.int32)
    same_bits(indices, order)
    same_bits(got, np.take_along_axis(x, order, -1))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("shape", [(1,), (4, 31), (3, 32), (2, 2, 129), (1, 515)], ids=str)
def test_sort(dtype, shape, descending):
    rng = np.random.default_rng(len(shape))
    x, payload = values(rng, dtype, shape), rng.integers(0, 2**62, shape)
    types = [TensorType(shape, dtype), TensorType(shape, DType.i64)]
    got = run(Sort([], len(shape) - 1, True, ((0, descending),)), types, [x, payload])
    order = np.argsort(sortable(x, descending, total_order=False), axis=-1, kind="stable")
    same_bits(got[0], np.take_along_axis(x, order, -1))
    same_bits(got[1], np.take_along_axis(payload, order, -1))


def test_several_keys():
    """The first decides, then the second, then the order they come in."""
    rng, shape = np.random.default_rng(5), (3, 200)
    arrays = [rng.integers(-2, 3, shape).astype(np.int32), values(rng, DType.f16, shape), np.arange(600).reshape(shape)]
    types = [TensorType(shape, DType.of_numpy(a.dtype)) for a in arrays]
    got = run(Sort([], 1, True, ((0, True), (1, False))), types, arrays)
    keys = [sortable(arrays[1], False, total_order=False), sortable(arrays[0], True, total_order=False)]
    order = np.lexsort(keys, axis=-1)
    for found, given in zip(got, arrays, strict=True):
        same_bits(found, np.take_along_axis(given, order, -1))

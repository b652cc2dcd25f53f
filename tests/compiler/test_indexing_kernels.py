"""Gathers, scatters, slice updates and cumulative ops as kernels, by the reference interpreter against plain NumPy; no hazards."""

import numpy as np
import pytest
from compiled_function import plan_program

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.indexing import indexing_ways
from jax_ascend.compiler.codegen.steps import Launch
from jax_ascend.compiler.fusion.region import Region
from jax_ascend.compiler.graph.graph import Graph, TensorType
from jax_ascend.compiler.graph.ops import Cumulative, DynamicUpdateSlice, GatherSlices, ScatterSlices, TakeAlong
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.kernel_passes.allocate_tiles import allocate_tiles
from jax_ascend.compiler.kernel_passes.insert_synchronization import insert_synchronization
from jax_ascend.compiler.planning.schedule import Schedule
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.targets import target

TARGET = target("ascend910b")


def run(op, result_shape, arrays, alias=-1):
    graph = Graph("main")
    op.operands = [graph.argument(TensorType(a.shape, DType.of_numpy(a.dtype))) for a in arrays]
    graph.results = [graph.add(op, TensorType(result_shape, op.operands[0].dtype))]
    graph.verify()
    steps = next(indexing_ways(Region("indexing", [op], graph.arguments, graph.results), TARGET))
    for step in steps:
        if isinstance(step, Launch):
            allocate_tiles(step.kernel, TARGET)
            insert_synchronization(step.kernel)
    program = plan_program("test", Schedule(graph, list(steps)), [alias], TARGET)
    assert _plugin.find_hazards(program.encode()) == []
    return run_program(program, [a.copy() for a in arrays])[0]


def box(origin, extents):
    return tuple(slice(o, o + n) for o, n in zip(origin, extents))


@pytest.mark.parametrize(
    ("shape", "sizes", "index_map", "batch"),
    [
        ((100, 64), (1, 64), (0,), 37),
        ((50,), (1,), (0,), 1000),
        ((20, 30, 8), (1, 4, 8), (0, 1), 11),
        ((4, 9, 20000), (2, 3, 20000), (1,), 3),
        ((7, 7), (1, 1), (0, 1), 513),
        ((3, 50000), (1, 50000), (0,), 2),
    ],
)
def test_gather_clamps_and_moves_windows(shape, sizes, index_map, batch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    starts = rng.integers(-5, max(shape) + 3, (batch, len(index_map))).astype(np.int32)
    expected = np.empty((batch, *sizes), np.float32)
    for i, start in enumerate(starts):
        origin = [0] * len(shape)
        for s, d in zip(start, index_map):
            origin[d] = min(max(s, 0), shape[d] - sizes[d])
        expected[i] = x[box(origin, sizes)]
    gather = GatherSlices([], index_map, sizes)
    np.testing.assert_array_equal(run(gather, (batch, *sizes), [x, *np.ascontiguousarray(starts.T)]), expected)


@pytest.mark.parametrize(
    ("shape", "window", "index_map", "batch", "kind"),
    [
        ((100, 64), (1, 64), (0,), 37, "add"),
        ((50,), (1,), (0,), 1000, "add"),
        ((20, 30, 8), (1, 4, 8), (0, 1), 11, "assign"),
        ((7, 7), (1, 1), (0, 1), 513, "max"),
        ((30, 3000), (1, 3000), (0,), 70, "add"),
        ((5, 6, 7), (5, 1, 7), (1,), 9, "mul"),
        ((8, 3), (1, 3), (0,), 0, "add"),
    ],
)
def test_scatter_combines_in_order_and_skips_what_does_not_fit(shape, window, index_map, batch, kind):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape).astype(np.float32)
    starts = rng.integers(-2, max(shape) + 1, (batch, len(index_map))).astype(np.int32)
    updates = rng.standard_normal((batch, *window)).astype(np.float32)
    combine = {"add": np.add, "assign": lambda a, b: b, "max": np.maximum, "mul": np.multiply}[kind]
    expected = x.copy()
    for start, update in zip(starts, updates):
        origin = [0] * len(shape)
        for s, d in zip(start, index_map):
            origin[d] = s
        if all(0 <= o <= n - w for o, n, w in zip(origin, shape, window)):
            where = box(origin, window)
            expected[where] = combine(expected[where], update)
    found = run(ScatterSlices([], kind, index_map), shape, [x, starts, updates])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("alias", [-1, 0])
@pytest.mark.parametrize(
    ("shape", "size"),
    [((100, 64), (3, 64)), ((10, 20, 30), (4, 5, 6)), ((64, 64), (64, 1)), ((1000, 3000), (100, 3000)), ((5,), (2,))],
)
def test_update_slice_clamps_and_keeps_the_rest(shape, size, alias):
    rng = np.random.default_rng(2)
    x, update = (rng.standard_normal(s).astype(np.float32) for s in (shape, size))
    starts = [np.array(rng.integers(-3, max(shape)), np.int32) for _ in shape]
    expected = x.copy()
    expected[box([min(max(int(s), 0), n - m) for s, n, m in zip(starts, shape, size)], size)] = update
    np.testing.assert_array_equal(run(DynamicUpdateSlice([]), shape, [x, update, *starts], alias), expected)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("shape", "dimension"),
    [
        ((1,), 0),
        ((100,), 0),
        ((9000,), 0),
        ((3, 70), 1),
        ((3, 70), 0),
        ((60, 33), 1),
        ((2, 300, 3, 33), 1),
        ((4, 1, 40), 1),
    ],
)
def test_cumulative(shape, dimension, backwards):
    rng = np.random.default_rng(0)
    for kind, fold in (("add", np.add), ("max", np.maximum), ("mul", np.multiply)):
        x = rng.integers(-9, 9, shape).astype(np.int32)
        turned = np.flip(x, dimension) if backwards else x
        want = fold.accumulate(turned, dimension, dtype=np.int32)
        got = run(Cumulative([], kind, dimension, backwards), shape, [x])
        np.testing.assert_array_equal(got, np.flip(want, dimension) if backwards else want)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16, np.int64])
def test_cumulative_of_other_types(dtype):
    x = np.random.default_rng(0).integers(0, 3, (5, 400)).astype(dtype)
    np.testing.assert_array_equal(run(Cumulative([], "max", 1), x.shape, [x]), np.maximum.accumulate(x, 1))
    np.testing.assert_array_equal(run(Cumulative([], "add", 0), x.shape, [x]), np.add.accumulate(x, 0, dtype=dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.bool_])
@pytest.mark.parametrize(
    ("rows", "columns", "taken"), [(1, 1, 1), (3, 40, 7), (70, 33, 100), (200, 5, 64), (2, 8000, 500)]
)
def test_take_along(dtype, rows, columns, taken):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (rows, columns)).astype(dtype)
    index = rng.integers(-3, columns + 3, (rows, taken)).astype(np.int32)
    got = run(TakeAlong([]), index.shape, [x, index])
    np.testing.assert_array_equal(got, np.take_along_axis(x, np.clip(index, 0, columns - 1), 1))


@pytest.mark.parametrize("dtype", [DType.i8, DType.f32, DType.i64])
@pytest.mark.parametrize("shape", [(7, 3000, 33), (64, 8191, 2), (100_000,), (20_000, 1), (3, 70_000)])
def test_cumulative_ops_of_any_shape_fit(dtype, shape):
    for dimension in range(len(shape)):
        op = Cumulative([], "max", dimension, backwards=True)
        graph = Graph("main")
        op.operands = [graph.argument(TensorType(shape, dtype))]
        graph.results = [graph.add(op, op.operands[0].type)]
        (step,) = next(indexing_ways(Region("indexing", [op], graph.arguments, graph.results), TARGET))
        allocate_tiles(step.kernel, TARGET)

"""Matrix products and convolutions as kernels: right for every dimension order, odd size and type."""

from __future__ import annotations

import random

import numpy as np
import pytest
from cube_problem import TARGET, integers, lower, make_convolution, make_dot, run

from jax_ascend.compiler.fusion.fuse_regions import fuse_regions
from jax_ascend.compiler.fusion.region import Region
from jax_ascend.compiler.graph.builder import Builder
from jax_ascend.compiler.graph.graph import Graph, TensorType
from jax_ascend.compiler.graph.ops import Dot
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.tiling.cube import Product, choose_tiles

D = DType
NHWC = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
NCHW = ((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3))
WEIGHTS = ((3, 0, 1, 2), (3, 0, 1, 2), (2, 3, 0, 1))  # how JAX writes the gradient of an NHWC kernel


def check_dot(lhs, rhs, batch, contracting, dtype=D.f32, result=None):
    op, expected, data = make_dot(lhs, rhs, batch, contracting, dtype, result or dtype)
    launches = lower([op], op.operands, op.result)
    got = run(launches, dict(zip(op.operands, data, strict=True)), op.result)
    np.testing.assert_array_equal(got, expected)
    return launches[0].kernel


def check_convolution(*args, **options):
    op, expected, data = make_convolution(*args, **options)
    launches = lower([op], op.operands, op.result)
    got = run(launches, dict(zip(op.operands, data, strict=True)), op.result)
    np.testing.assert_array_equal(got.astype(np.float64), expected)
    return launches[0].kernel


@pytest.mark.parametrize("dtype, result", [
    (D.f32, D.f32), (D.bf16, D.bf16), (D.bf16, D.f32), (D.f16, D.f16), (D.f16, D.f32), (D.i8, D.i32),
    (D.u8, D.i32), (D.f64, D.f64),
])  # fmt: skip
@pytest.mark.parametrize("m, n, k", [(5, 7, 3), (130, 70, 300)])
def test_types_and_odd_sizes(m, n, k, dtype, result):
    check_dot((m, k), (k, n), ((), ()), ((1,), (0,)), dtype, result)


@pytest.mark.parametrize(
    "m, n, k", [(1, 1, 1), (1, 500, 33), (16, 16, 16), (1, 1, 1000), (300, 17, 65), (257, 129, 20)]
)
@pytest.mark.parametrize("lhs_k, rhs_k", [(1, 0), (0, 0), (1, 1), (0, 1)])
def test_sides(m, n, k, lhs_k, rhs_k):
    lhs, rhs = ((m, k), (k, m))[1 - lhs_k], ((k, n), (n, k))[rhs_k]
    check_dot(lhs, rhs, ((), ()), ((lhs_k,), (rhs_k,)))


@pytest.mark.parametrize("lhs, rhs, batch, contracting", [
    ((4, 70, 50), (4, 50, 60), ((0,), (0,)), ((2,), (1,))),
    ((2, 40, 3, 50), (2, 45, 3, 50), ((0, 2), (0, 2)), ((3,), (3,))),  # attention: bqhd, bkhd
    ((2, 3, 40, 45), (2, 45, 3, 50), ((0, 1), (0, 2)), ((3,), (1,))),
    ((4, 70, 90), (90, 20, 30), ((), ()), ((2,), (0,))),
    ((40, 7, 90), (30, 40, 90), ((), ()), ((0, 2), (1, 2))),
    ((9, 40, 7, 5, 3), (40, 2, 9, 11, 6), ((), ()), ((0, 1), (2, 0))),
    ((2, 3, 4, 5, 6, 7), (7, 3, 8, 5, 9), ((1,), (1,)), ((3, 5), (3, 0))),
    ((5,), (6,), ((), ()), ((), ())),
    ((70,), (70,), ((), ()), ((0,), (0,))),
])  # fmt: skip
def test_dimension_orders(lhs, rhs, batch, contracting):
    check_dot(lhs, rhs, batch, contracting)


@pytest.mark.parametrize("seed", range(20))
def test_random_dimension_numbers(seed):
    rnd = random.Random(seed)
    ranks = rnd.randint(1, 5), rnd.randint(1, 5)
    batch = rnd.randint(0, min(*ranks, 2))
    count = batch + rnd.randint(0, min(ranks) - batch)
    l, r = rnd.sample(range(ranks[0]), count), rnd.sample(range(ranks[1]), count)
    sizes = [1, 2, 3, 5, 9, 17]
    lhs, rhs = [rnd.choice(sizes) for _ in range(ranks[0])], [rnd.choice(sizes) for _ in range(ranks[1])]
    for i, j in zip(l, r, strict=True):
        rhs[j] = lhs[i]
    pairs = ((tuple(l[:batch]), tuple(r[:batch])), (tuple(l[batch:]), tuple(r[batch:])))
    if np.prod(lhs) * np.prod(rhs) / np.prod([lhs[i] for i in l]) > 1e6:
        lhs, rhs = [min(s, 3) for s in lhs], [min(s, 3) for s in rhs]
    check_dot(tuple(lhs), tuple(rhs), *pairs)


def test_two_part_tiles_and_tails():
    kernel = check_dot((600, 200), (200, 1000), ((), ()), ((1,), (0,)), D.bf16, D.f32)
    assert sum(t.loc is Loc.acc for t in kernel.tiles) == 2


def test_equal_problems_give_equal_kernels():
    ops = [make_dot((64, 32), (32, 48), ((), ()), ((1,), (0,)), D.f32, D.f32)[0] for _ in range(2)]
    first, second = (lower([op], op.operands, op.result)[0].kernel for op in ops)
    assert first is not second and first.encode() == second.encode()


@pytest.mark.parametrize("m, n, k, element", [
    (1, 4096, 4096, 2), (64, 64, 64, 4), (2048, 2048, 2048, 2), (4096, 4096, 4096, 4), (100000, 3, 5, 4),
    (8, 8, 100000, 2), (999, 1001, 77, 8),
])  # fmt: skip
def test_tiles_fit_their_memories(m, n, k, element):
    accumulator = max(element, 4)
    t = choose_tiles(Product(1, m, n, k, element, accumulator, element), TARGET)
    assert 2 * (t.m + t.n) * t.panel * element <= TARGET.l1_bytes
    assert 2 * t.m * t.step * element <= TARGET.l0a_bytes
    assert 2 * t.parts * t.n * t.step * element <= TARGET.l0b_bytes
    assert t.m * t.n * accumulator * (2 if t.parts == 1 else 1) <= TARGET.l0c_bytes
    assert t.step >= min(k, 64)


P1 = [(1, 1), (1, 1)]


@pytest.mark.parametrize("x, k, specs, stride, pad, options", [
    ((2, 8, 8, 3), (3, 3, 3, 5), NHWC, (1, 1), P1, {}),
    ((2, 3, 14, 15), (5, 3, 3, 3), NCHW, (2, 2), [(1, 0), (0, 1)], {}),
    ((2, 3, 9, 10), (5, 3, 3, 3), NCHW, (1, 1), [(1, 1), (2, 2)], {"lhs_dilation": (2, 2)}),
    ((2, 9, 11, 4), (3, 2, 4, 6), NHWC, (1, 1), [(2, 1), (1, 2)], {"lhs_dilation": (3, 2), "rhs_dilation": (2, 3)}),
    ((2, 9, 11, 4), (3, 3, 4, 6), NHWC, (1, 1), [(-1, 1), (1, -2)], {}),
    ((1, 5, 300, 2), (3, 3, 2, 6), NHWC, (1, 1), P1, {}),
    ((30, 4, 4, 2), (3, 3, 2, 6), NHWC, (1, 1), P1, {}),
    ((2, 8, 8, 8), (1, 1, 8, 6), NHWC, (1, 1), [(0, 0)] * 2, {}),
    ((2, 8, 8, 8), (1, 1, 8, 6), NHWC, (2, 2), P1, {}),
    ((2, 8, 8, 8), (4, 4, 8, 6), NHWC, (4, 4), [(0, 0)] * 2, {}),
    ((2, 6, 6, 12), (3, 3, 1, 12), NHWC, (1, 1), P1, {"feature_groups": 12}),
    ((2, 6, 6, 12), (3, 3, 3, 8), NHWC, (1, 1), P1, {"feature_groups": 4}),
    ((6, 6, 6, 5), (3, 3, 5, 9), NHWC, (1, 1), P1, {"batch_groups": 3}),
    ((1, 4, 4, 600), (3, 3, 600, 20), NHWC, (1, 1), P1, {}),
    ((2, 8, 8, 3), (3, 3, 3, 5), NHWC, (1, 1), P1, {"reversal": (True, False)}),
    ((2, 8, 8, 3), (3, 3, 3, 5), NHWC, (1, 1), P1, {"dtype": D.bf16}),
    ((2, 8, 8, 3), (2, 8, 8, 5), WEIGHTS, (1, 1), P1, {}),
    ((4, 28, 28, 3), (4, 14, 14, 20), WEIGHTS, (1, 1), [(0, 1)] * 2, {"rhs_dilation": (2, 2)}),
    ((2, 50, 3), (4, 3, 7), ((0, 2, 1), (2, 1, 0), (0, 2, 1)), (2,), [(1, 2)], {"rhs_dilation": (2,)}),
    ((2, 500, 3), (4, 3, 7), ((0, 2, 1), (2, 1, 0), (0, 2, 1)), (1,), [(3, 0)], {}),
    ((2, 6, 7, 8, 3), (3, 2, 3, 3, 7), ((0, 4, 1, 2, 3), (4, 3, 0, 1, 2), (0, 4, 1, 2, 3)), (1, 1, 1),
     [(3, 1), (0, 1), (1, 1)], {"lhs_dilation": (2, 2, 1), "rhs_dilation": (2, 1, 1)}),
])  # fmt: skip
def test_convolutions(x, k, specs, stride, pad, options):
    check_convolution(x, k, specs, stride, pad, **options)


@pytest.mark.parametrize("x, k, pad", [
    ((1, 32, 64, 70), (3, 3, 70, 384), P1),
    ((2, 24, 64, 72), (3, 3, 72, 250), P1),
    ((1, 32, 64, 24), (5, 5, 24, 380), [(2, 2)] * 2),
])  # fmt: skip
def test_large_tiles_of_a_convolution_are_computed_in_parts(x, k, pad):
    kernel = check_convolution(x, k, NHWC, (1, 1), pad, dtype=D.f16)
    assert sum(i.spec.name == "tstore" for i in kernel.body) == 2


def test_gradient_of_a_strided_convolution_multiplies_no_gaps():
    op, expected, data = make_convolution((2, 6, 6, 4), (3, 3, 4, 5), NHWC, (1, 1), [(2, 1), (2, 1)], (2, 2))
    launches = lower([op], op.operands, op.result)
    assert len(launches) == 4
    taps = [i.operand("window")[:2] for launch in launches for i in launch.kernel.body if i.spec.name == "timg2col"]
    assert sorted(taps) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    np.testing.assert_array_equal(run(launches, dict(zip(op.operands, data, strict=True)), op.result), expected)


def test_gradient_of_weights_contracts_positions():
    kernel = check_convolution((2, 12, 12, 16), (2, 12, 12, 8), WEIGHTS, (1, 1), P1)
    gathers = [i for i in kernel.body if i.spec.name == "timg2col"]
    assert gathers and all(kernel.tiles[i.operand("dst").tile].loc is Loc.right for i in gathers)


@pytest.mark.parametrize("seed", range(30))
def test_random_convolutions(seed):
    rnd = random.Random(seed)
    n = rnd.choice([1, 2, 2, 3])
    sizes, windows = ([3, 5, 8, 13], [1, 2, 3, 5, 11]) if n < 3 else ([3, 5, 8], [1, 2, 3])
    while True:
        s, w = [rnd.choice(sizes) for _ in range(n)], [rnd.choice(windows) for _ in range(n)]
        pad = [(rnd.randint(-1, 3), rnd.randint(-1, 3)) for _ in range(n)]
        ld, rd = ([rnd.choice(c) for _ in range(n)] for c in ([1, 1, 2, 3], [1, 1, 2]))
        if all((a - 1) * l + 1 + sum(p) > (b - 1) * r for a, l, p, b, r in zip(s, ld, pad, w, rd, strict=True)):
            break
    feature_groups = rnd.choice([1, 1, 2, 3])
    batch_groups = 1 if feature_groups > 1 else rnd.choice([1, 1, 2])
    channels, features = rnd.choice([1, 3, 8]), rnd.choice([1, 2, 7]) * feature_groups * batch_groups
    specs = tuple(tuple(rnd.sample(range(n + 2), n + 2)) for _ in range(3))
    x, k = [0] * (n + 2), [0] * (n + 2)
    for spec, shape, values in (
        (specs[0], x, [2 * batch_groups, channels * feature_groups, *s]),
        (specs[1], k, [features, channels, *w]),
    ):
        for d, size in zip(spec, values, strict=True):
            shape[d] = size
    check_convolution(
        tuple(x), tuple(k), specs, tuple(rnd.choice([1, 1, 2, 3]) for _ in range(n)), pad, tuple(ld), tuple(rd),
        tuple(rnd.random() < 0.3 for _ in range(n)), feature_groups, batch_groups,
    )  # fmt: skip


def fused(graph: Graph) -> list[Region]:
    graph.verify()
    return fuse_regions(graph, TARGET, {})


def run_only_region(graph: Graph, arrays):
    """Check that a graph is one cube region; return what its kernel computes."""
    regions = fused(graph)
    assert [r.kind for r in regions] == ["cube"], [(r.kind, [o.name for o in r.ops]) for r in regions]
    launches = lower(regions[0].ops, regions[0].inputs, graph.results[0])
    return run(launches, dict(zip(graph.arguments, arrays, strict=True)), graph.results[0])


@pytest.mark.parametrize("bias_type, result", [(D.f32, D.f32), (D.f32, D.bf16), (D.bf16, D.bf16)])
def test_a_product_carries_bias_relu_and_conversion(bias_type, result):
    g = Graph("g")
    operand = D.f32 if bias_type is D.f32 else D.bf16
    x, w, v = (
        g.argument(TensorType(s, t)) for s, t in (((40, 300), operand), ((300, 70), operand), ((70,), bias_type))
    )
    b = Builder(g.ops)
    y = b.emit(Dot([x, w], (), (), (1,), (0,)), TensorType((40, 70), bias_type))
    y = b.binary("max", b.binary("add", y, b.broadcast(v, y.shape, (1,))), b.like(y, 0))
    g.results = [b.convert(y, result)]
    arrays = [integers(a.shape, a.dtype, i) for i, a in enumerate(g.arguments)]
    wide = [a.astype(np.float64) for a in arrays]
    expected = np.maximum(wide[0] @ wide[1] + wide[2], 0).astype(result.numpy)
    np.testing.assert_array_equal(run_only_region(g, arrays), expected)


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_a_product_is_stored_transposed(order):
    g = Graph("g")
    x, w = g.argument(TensorType((2, 3, 20), D.f32)), g.argument(TensorType((20, 5, 7), D.f32))
    b = Builder(g.ops)
    y = b.emit(Dot([x, w], (), (), (2,), (0,)), TensorType((2, 3, 5, 7), D.f32))
    g.results = [b.transpose(y, order)]
    arrays = [integers(a.shape, a.dtype, i) for i, a in enumerate(g.arguments)]
    expected = np.tensordot(*arrays, 1).transpose(order)
    np.testing.assert_array_equal(run_only_region(g, arrays), expected)


def test_a_product_loads_slices_where_they_lie():
    """Queries and keys out of one projection: slices, reshapes and transposes are strides of the loads."""
    g = Graph("g")
    qkv = g.argument(TensorType((2, 10, 3, 4 * 16), D.f32))
    b = Builder(g.ops)
    q, k = (b.slice_dim(qkv, 2, i, i + 1) for i in (0, 1))
    q, k = (b.transpose(b.reshape(x, (2, 10, 4, 16)), (0, 2, 1, 3)) for x in (q, k))
    g.results = [b.emit(Dot([q, k], (0, 1), (0, 1), (3,), (3,)), TensorType((2, 4, 10, 10), D.f32))]
    array = integers(qkv.shape, D.f32, 0)
    heads = array.reshape(2, 10, 3, 4, 16)
    expected = np.einsum("bqhd,bkhd->bhqk", heads[:, :, 0], heads[:, :, 1])
    np.testing.assert_array_equal(run_only_region(g, [array]), expected)


def test_a_product_of_every_other_column_has_them_copied_first():
    g = Graph("g")
    x, w = g.argument(TensorType((8, 32), D.f32)), g.argument(TensorType((16, 8), D.f32))
    b = Builder(g.ops)
    y = b.slice_dim(x, 1, 0, 32, 2)
    g.results = [b.emit(Dot([y, w], (), (), (1,), (0,)), TensorType((8, 8), D.f32))]
    assert [r.kind for r in fused(g)] == ["vector", "cube"]


def test_a_convolution_carries_its_bias():
    op, expected, data = make_convolution((2, 8, 8, 3), (3, 3, 3, 5), NHWC, (1, 1), P1)
    g = Graph("g", [*op.operands], [op])
    v = g.argument(TensorType((5,), D.f32))
    b = Builder(g.ops)
    g.results = [b.binary("add", b.broadcast(v, op.result.shape, (3,)), op.result)]
    bias = integers((5,), D.f32, 9)
    np.testing.assert_array_equal(run_only_region(g, [*data, bias]), (expected + bias).astype(np.float32))


def test_a_value_others_use_is_not_carried_over():
    g = Graph("g")
    x, w = g.argument(TensorType((8, 8), D.f32)), g.argument(TensorType((8, 8), D.f32))
    b = Builder(g.ops)
    y = b.emit(Dot([x, w], (), (), (1,), (0,)), TensorType((8, 8), D.f32))
    g.results = [b.binary("max", y, b.like(y, 0)), y]
    (region,) = fused(g)
    assert region.outputs == g.results[::-1]  # the vector cores have the maximum, the drain leaves the product

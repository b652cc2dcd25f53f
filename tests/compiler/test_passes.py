"""Golden texts of single passes, and rules worth naming."""

import golden
import graph_reference
import numpy as np
import pytest

from jax_ascend.compiler import frontend, passes
from jax_ascend.compiler.errors import UnsupportedOpsError
from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.targets import Target

T = "tensor<4x8xf32>"

CASES = {
    "inline_calls": f"""
      func.func public @main(%x: {T}) -> {T} {{
        %0 = call @f(%x) : ({T}) -> {T}
        %1 = call @f(%0) : ({T}) -> {T}
        return %1 : {T}
      }}
      func.func private @f(%x: {T}) -> {T} {{
        %0 = stablehlo.sine %x : {T}
        return %0 : {T}
      }}""",
    "eliminate_dead_code": """
      func.func public @main(%n: tensor<i32>, %x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
        %z = stablehlo.sine %x : tensor<f32>
        %0:4 = stablehlo.while(%i = %n, %a = %x, %b = %y, %c = %z) : tensor<i32>, tensor<f32>, tensor<f32>, tensor<f32>
        cond {
          %k = stablehlo.constant dense<5> : tensor<i32>
          %1 = stablehlo.compare LT, %i, %k : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %1 : tensor<i1>
        } do {
          %one = stablehlo.constant dense<1> : tensor<i32>
          %2 = stablehlo.add %i, %one : tensor<i32>
          %3 = stablehlo.multiply %a, %b : tensor<f32>
          %4 = stablehlo.add %c, %a : tensor<f32>
          stablehlo.return %2, %3, %b, %4 : tensor<i32>, tensor<f32>, tensor<f32>, tensor<f32>
        }
        return %0#1 : tensor<f32>
      }""",
    "sum_over_results": f"""
      func.func public @main(%s: {T}, %v: tensor<8x3xf32>, %g: tensor<4x3xf32>) -> (tensor<4xf32>, tensor<4xf32>) {{
        %zero = stablehlo.constant dense<0.0> : tensor<f32>
        %e = stablehlo.exponential %s : {T}
        %z = stablehlo.reduce(%e init: %zero) applies stablehlo.add across dimensions = [1] : ({T}, tensor<f32>) -> tensor<4xf32>
        %zb = stablehlo.broadcast_in_dim %z, dims = [0] : (tensor<4xf32>) -> {T}
        %w = stablehlo.divide %e, %zb : {T}
        %o = stablehlo.dot_general %w, %v, contracting_dims = [1] x [0] : ({T}, tensor<8x3xf32>) -> tensor<4x3xf32>
        %go = stablehlo.add %g, %o : tensor<4x3xf32>
        %d = stablehlo.dot_general %go, %v, contracting_dims = [1] x [1] : (tensor<4x3xf32>, tensor<8x3xf32>) -> {T}
        %z2 = stablehlo.multiply %z, %z : tensor<4xf32>
        %z2b = stablehlo.broadcast_in_dim %z2, dims = [0] : (tensor<4xf32>) -> {T}
        %0 = stablehlo.divide %d, %z2b : {T}
        %1 = stablehlo.multiply %0, %e : {T}
        %r = stablehlo.reduce(%1 init: %zero) applies stablehlo.add across dimensions = [1] : ({T}, tensor<f32>) -> tensor<4xf32>
        %2 = stablehlo.multiply %1, %e : {T}
        %miss = stablehlo.reduce(%2 init: %zero) applies stablehlo.add across dimensions = [1] : ({T}, tensor<f32>) -> tensor<4xf32>
        return %r, %miss : tensor<4xf32>, tensor<4xf32>
      }}""",
    "eliminate_common_subexpressions": f"""
      func.func public @main(%x: {T}) -> {T} {{
        %a = stablehlo.constant dense<2.0> : {T}
        %b = stablehlo.constant dense<2.0> : {T}
        %0 = stablehlo.multiply %x, %a : {T}
        %1 = stablehlo.multiply %x, %b : {T}
        %2 = stablehlo.add %0, %1 : {T}
        return %2 : {T}
      }}""",
    "simplify": f"""
      func.func public @main(%x: {T}, %w: tensor<16x8xf32>, %v: tensor<8xf32>)
          -> (tensor<4x16xf32>, {T}, tensor<4xf32>, {T}) {{
        %t = stablehlo.transpose %w, dims = [1, 0] : (tensor<16x8xf32>) -> tensor<8x16xf32>
        %0 = stablehlo.dot_general %x, %t, contracting_dims = [1] x [0] : ({T}, tensor<8x16xf32>) -> tensor<4x16xf32>
        %1 = stablehlo.reshape %v : (tensor<8xf32>) -> tensor<1x8xf32>
        %2 = stablehlo.exponential %1 : tensor<1x8xf32>
        %3 = stablehlo.broadcast_in_dim %2, dims = [0, 1] : (tensor<1x8xf32>) -> {T}
        %c = stablehlo.constant dense<4.0> : tensor<f32>
        %d = stablehlo.broadcast_in_dim %c, dims = [] : (tensor<f32>) -> {T}
        %4 = stablehlo.divide %3, %d : {T}
        %i = stablehlo.constant dense<0xFF800000> : {T}
        %5 = stablehlo.maximum %i, %4 : {T}
        %6 = stablehlo.slice %x [0:4, 2:6] : ({T}) -> tensor<4x4xf32>
        %7 = stablehlo.slice %6 [0:4, 1:2] : (tensor<4x4xf32>) -> tensor<4x1xf32>
        %8 = stablehlo.transpose %7, dims = [1, 0] : (tensor<4x1xf32>) -> tensor<1x4xf32>
        %9 = stablehlo.reshape %8 : (tensor<1x4xf32>) -> tensor<4xf32>
        %r = stablehlo.reverse %3, dims = [0] : {T}
        %q = stablehlo.reverse %d, dims = [0, 1] : {T}
        %p = stablehlo.reverse %x, dims = [0, 1] : {T}
        %o = stablehlo.reverse %p, dims = [0] : {T}
        %10 = stablehlo.add %r, %q : {T}
        %11 = stablehlo.add %10, %o : {T}
        return %0, %5, %9, %11 : tensor<4x16xf32>, {T}, tensor<4xf32>, {T}
      }}""",
    "simplify_loops": """
      func.func public @main(%n: tensor<i32>, %w: tensor<i32>) -> (tensor<i32>, tensor<i32>) {
        %0:2 = stablehlo.while(%i = %n, %k = %w) : tensor<i32>, tensor<i32>
        cond {
          %1 = stablehlo.compare LT, %i, %k : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %1 : tensor<i1>
        } do {
          %2 = stablehlo.add %i, %k : tensor<i32>
          stablehlo.return %2, %k : tensor<i32>, tensor<i32>
        }
        return %0#0, %0#1 : tensor<i32>, tensor<i32>
      }""",
    "decompose_reduce_window": """
      func.func public @main(%x: tensor<6x6xf32>) -> tensor<3x6xf32> {
        %z = stablehlo.constant dense<0xFF800000> : tensor<f32>
        %0 = "stablehlo.reduce_window"(%x, %z) ({
        ^bb0(%a: tensor<f32>, %b: tensor<f32>):
          %m = stablehlo.maximum %a, %b : tensor<f32>
          stablehlo.return %m : tensor<f32>
        }) {window_dimensions = array<i64: 2, 1>, window_strides = array<i64: 2, 1>}
          : (tensor<6x6xf32>, tensor<f32>) -> tensor<3x6xf32>
        return %0 : tensor<3x6xf32>
      }""",
    "decompose_general_sort": """
      func.func @main(%x: tensor<3xi32>) -> tensor<3xi32> {
        %0 = "stablehlo.sort"(%x) ({ ^bb0(%a: tensor<i32>, %b: tensor<i32>):
          %c = stablehlo.constant dense<2> : tensor<i32>
          %r = stablehlo.remainder %a, %c : tensor<i32>
          %s = stablehlo.remainder %b, %c : tensor<i32>
          %t = stablehlo.xor %r, %s : tensor<i32>
          %p = stablehlo.compare NE, %t, %s : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %p : tensor<i1> }) {dimension = 0 : i64, is_stable = true} : (tensor<3xi32>) -> tensor<3xi32>
        return %0 : tensor<3xi32> }""",
    "unroll_depthwise": """
      func.func @main(%x: tensor<1x3x2xf32>, %k: tensor<2x1x2xf32>) -> tensor<1x3x2xf32> {
        %0 = stablehlo.convolution(%x, %k) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {pad = [[1, 0]]}
          {batch_group_count = 1 : i64, feature_group_count = 2 : i64}
          : (tensor<1x3x2xf32>, tensor<2x1x2xf32>) -> tensor<1x3x2xf32>
        return %0 : tensor<1x3x2xf32> }""",
    "hoist_slices": f"""
      func.func public @main(%x: {T}, %s: tensor<8xf32>, %w: tensor<8x8xf32>, %m: tensor<4x4xf32>)
          -> (tensor<4x4xf32>, tensor<3xf32>, tensor<4x4xf32>, tensor<4x5xf32>, tensor<4x4xf32>, {T}) {{
        %sb = stablehlo.broadcast_in_dim %s, dims = [1] : (tensor<8xf32>) -> {T}
        %e = stablehlo.exponential %x : {T}
        %y = stablehlo.multiply %e, %sb : {T}
        %a = stablehlo.slice %y [0:4, 0:4] : ({T}) -> tensor<4x4xf32>
        %b = stablehlo.slice %y [0:4, 4:8] : ({T}) -> tensor<4x4xf32>
        %gate = stablehlo.multiply %a, %b : tensor<4x4xf32>
        %i = stablehlo.iota dim = 0 : tensor<8xi32>
        %f = stablehlo.convert %i : (tensor<8xi32>) -> tensor<8xf32>
        %odd = stablehlo.slice %f [1:6:2] : (tensor<8xf32>) -> tensor<3xf32>
        %dot = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : ({T}, tensor<8x8xf32>) -> {T}
        %epilogue = stablehlo.multiply %dot, %sb : {T}
        %c = stablehlo.slice %epilogue [0:4, 0:4] : ({T}) -> tensor<4x4xf32>
        %overlap = stablehlo.sine %x : {T}
        %d0 = stablehlo.slice %overlap [0:4, 0:5] : ({T}) -> tensor<4x5xf32>
        %d1 = stablehlo.slice %overlap [0:4, 3:8] : ({T}) -> tensor<4x5xf32>
        %d = stablehlo.add %d0, %d1 : tensor<4x5xf32>
        %read = stablehlo.cosine %x : {T}
        %r = stablehlo.slice %read [0:4, 2:6] : ({T}) -> tensor<4x4xf32>
        %product = stablehlo.dot_general %r, %m, contracting_dims = [1] x [0] : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
        %whole = stablehlo.tanh %x : {T}
        %t = stablehlo.slice %whole [0:4, 0:4] : ({T}) -> tensor<4x4xf32>
        %u = stablehlo.add %t, %product : tensor<4x4xf32>
        return %gate, %odd, %c, %d, %u, %whole
          : tensor<4x4xf32>, tensor<3xf32>, tensor<4x4xf32>, tensor<4x5xf32>, tensor<4x4xf32>, {T}
      }}""",
    "sort_last_dimension": """
      func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
        %0 = "stablehlo.sort"(%x) ({ ^bb0(%a: tensor<f32>, %b: tensor<f32>):
          %p = stablehlo.compare LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
          stablehlo.return %p : tensor<i1> }) {dimension = 0 : i64, is_stable = true} : (tensor<3x2xf32>) -> tensor<3x2xf32>
        return %0 : tensor<3x2xf32> }""",
    "decompose_select_and_scatter": """
      func.func public @main(%x: tensor<4xf32>, %s: tensor<2xf32>) -> tensor<4xf32> {
        %z = stablehlo.constant dense<0.0> : tensor<f32>
        %0 = "stablehlo.select_and_scatter"(%x, %s, %z) ({
        ^bb0(%a: tensor<f32>, %b: tensor<f32>):
          %m = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
          stablehlo.return %m : tensor<i1>
        }, {
        ^bb0(%a: tensor<f32>, %b: tensor<f32>):
          %m = stablehlo.add %a, %b : tensor<f32>
          stablehlo.return %m : tensor<f32>
        }) {window_dimensions = array<i64: 2>, window_strides = array<i64: 2>}
          : (tensor<4xf32>, tensor<2xf32>, tensor<f32>) -> tensor<4xf32>
        return %0 : tensor<4xf32>
      }""",
    "decompose_general_reduce": """
      func.func public @main(%x: tensor<5xf32>) -> tensor<f32> {
        %z = stablehlo.constant dense<1.0> : tensor<f32>
        %0 = "stablehlo.reduce"(%x, %z) ({
        ^bb0(%a: tensor<f32>, %b: tensor<f32>):
          %m = stablehlo.power %a, %b : tensor<f32>
          stablehlo.return %m : tensor<f32>
        }) {dimensions = array<i64: 0>} : (tensor<5xf32>, tensor<f32>) -> tensor<f32>
        return %0 : tensor<f32>
      }""",
    "normalize_indexing": """
      func.func public @main(%x: tensor<9x8xf32>, %i: tensor<3x2x1xi64>) -> tensor<3x8x2xf32> {
        %0 = "stablehlo.gather"(%x, %i) {dimension_numbers = #stablehlo.gather<offset_dims = [1],
          collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 2>, slice_sizes = array<i64: 1, 8>}
          : (tensor<9x8xf32>, tensor<3x2x1xi64>) -> tensor<3x8x2xf32>
        return %0 : tensor<3x8x2xf32>
      }""",
    "legalize_contractions": """
      func.func public @main(%x: tensor<4x5x5x2xi64>, %k: tensor<3x3x2x6xi64>, %a: tensor<3x4xui16>, %b: tensor<4x5xui16>,
          %c: tensor<5x2xbf16>, %d: tensor<5x2xf32>, %e: tensor<5x2xcomplex<f32>>)
          -> (tensor<4x3x3x6xi64>, tensor<3x5xui16>, tensor<2x2xf32>, tensor<2x2xcomplex<f32>>) {
        %0 = stablehlo.convolution(%x, %k) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {}
          {batch_group_count = 1 : i64, feature_group_count = 1 : i64}
          : (tensor<4x5x5x2xi64>, tensor<3x3x2x6xi64>) -> tensor<4x3x3x6xi64>
        %1 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0]
          : (tensor<3x4xui16>, tensor<4x5xui16>) -> tensor<3x5xui16>
        %2 = stablehlo.dot_general %c, %d, contracting_dims = [0] x [0]
          : (tensor<5x2xbf16>, tensor<5x2xf32>) -> tensor<2x2xf32>
        %3 = stablehlo.dot_general %e, %e, contracting_dims = [0] x [0]
          : (tensor<5x2xcomplex<f32>>, tensor<5x2xcomplex<f32>>) -> tensor<2x2xcomplex<f32>>
        return %0, %1, %2, %3 : tensor<4x3x3x6xi64>, tensor<3x5xui16>, tensor<2x2xf32>, tensor<2x2xcomplex<f32>>
      }""",
    "remove_empty_tensors": """
      func.func public @main(%x: tensor<3x0xf32>) -> (tensor<3x0xf32>, tensor<3xf32>) {
        %z = stablehlo.constant dense<0xFF800000> : tensor<f32>
        %0 = stablehlo.sine %x : tensor<3x0xf32>
        %1 = stablehlo.reduce(%0 init: %z) applies stablehlo.maximum across dimensions = [1]
          : (tensor<3x0xf32>, tensor<f32>) -> tensor<3xf32>
        return %0, %1 : tensor<3x0xf32>, tensor<3xf32>
      }""",
    "decompose_complex": """
      func.func public @main(%x: tensor<3xcomplex<f32>>, %y: tensor<3xf32>) -> (tensor<3xcomplex<f32>>, tensor<3xf32>) {
        %i = stablehlo.constant dense<(0.0, 1.0)> : tensor<3xcomplex<f32>>
        %0 = stablehlo.multiply %x, %i : tensor<3xcomplex<f32>>
        %1 = stablehlo.complex %y, %y : tensor<3xcomplex<f32>>
        %2 = stablehlo.add %0, %1 : tensor<3xcomplex<f32>>
        %3 = stablehlo.imag %2 : (tensor<3xcomplex<f32>>) -> tensor<3xf32>
        return %2, %3 : tensor<3xcomplex<f32>>, tensor<3xf32>
      }""",
    "expand_total_order": """
      func.func public @main(%x: tensor<3xf32>, %y: tensor<3xf32>) -> tensor<3xi1> {
        %0 = stablehlo.compare LT, %x, %y, TOTALORDER : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
        return %0 : tensor<3xi1>
      }""",
    "expand_bitcasts": """
      func.func public @main(%x: tensor<3xui64>, %y: tensor<3x2xi16>) -> (tensor<3x2xf32>, tensor<3xf32>) {
        %0 = stablehlo.bitcast_convert %x : (tensor<3xui64>) -> tensor<3x2xf32>
        %1 = stablehlo.bitcast_convert %y : (tensor<3x2xi16>) -> tensor<3xf32>
        return %0, %1 : tensor<3x2xf32>, tensor<3xf32>
      }""",
    "remove_barriers": f"""
      func.func public @main(%x: {T}) -> {T} {{
        %0 = stablehlo.sine %x : {T}
        %1 = stablehlo.optimization_barrier %0 : {T}
        %2 = stablehlo.cosine %1 : {T}
        return %2 : {T}
      }}""",
    "widen_small_integers": """
      func.func public @main(%x: tensor<5xi4>, %y: tensor<5xi4>) -> (tensor<5xi4>, tensor<i4>) {
        %0 = stablehlo.multiply %x, %y : tensor<5xi4>
        %1 = stablehlo.shift_right_logical %0, %y : tensor<5xi4>
        %c = stablehlo.constant dense<0> : tensor<i4>
        %2 = stablehlo.reduce(%1 init: %c) applies stablehlo.add across dimensions = [0]
          : (tensor<5xi4>, tensor<i4>) -> tensor<i4>
        %3 = stablehlo.count_leading_zeros %1 : tensor<5xi4>
        return %3, %2 : tensor<5xi4>, tensor<i4>
      }""",
    "decompose_random_bits": """
      func.func public @main(%s: tensor<2xui64>) -> (tensor<2xui64>, tensor<2x2xui32>) {
        %0, %1 = stablehlo.rng_bit_generator %s, algorithm = THREE_FRY
          : (tensor<2xui64>) -> (tensor<2xui64>, tensor<2x2xui32>)
        return %0, %1 : tensor<2xui64>, tensor<2x2xui32>
      }""",
}


def import_text(text):
    return frontend.import_module(frontend.deserialize(f"module {{{text}}}"))


def arguments(graph):
    draw = np.random.default_rng(0)
    return [draw.integers(0, 4, a.shape).astype(a.dtype.numpy) for a in graph.arguments]


@pytest.mark.parametrize("name", CASES)
def test_golden(request, name):
    module = import_text(CASES[name])
    before = str(module.main)
    args = arguments(module.main)
    computable = name not in ("decompose_random_bits", "widen_small_integers")  # NumPy has no arithmetic on i4
    want = graph_reference.run(module.main, args) if computable else None
    getattr(passes, name)(module, None)
    module.main.verify()
    golden.check(request, name, f"{before}\n->\n{module.main}")
    if want is not None:
        for g, w in zip(graph_reference.run(module.main, args), want, strict=True):
            np.testing.assert_allclose(g, w, 1e-6, 1e-6)


def test_every_pass_has_a_golden_text():
    of_many_devices = {
        "combine_collectives",
        "legalize_collectives",
        "partition",
        "split_exchanges",
    }  # in tests/partition
    elsewhere = {"alias_donors"}  # test_alias_donors.py
    assert {p.__name__ for p in passes.GRAPH_PASSES} == {*CASES, *of_many_devices, *elsewhere}


def test_simplify_keeps_negative_zero():
    module = import_text("""func.func public @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      %z = stablehlo.constant dense<0.0> : tensor<2xf32>
      %0 = stablehlo.add %x, %z : tensor<2xf32>
      return %0 : tensor<2xf32>
    }""")
    passes.simplify(module, None)
    assert any(isinstance(op, ops.Binary) for op in module.main.ops), "-0.0 + 0.0 is 0.0"


def test_simplify_divides_unsigned_numbers_by_shifts():
    module = import_text("""func.func public @main(%x: tensor<2xui32>, %y: tensor<2xi32>) -> (tensor<2xui32>, tensor<2xui32>, tensor<2xui32>, tensor<2xi32>) {
      %d = stablehlo.constant dense<2147483648> : tensor<2xui32>
      %three = stablehlo.constant dense<3> : tensor<2xui32>
      %two = stablehlo.constant dense<2> : tensor<2xi32>
      %0 = stablehlo.divide %x, %d : tensor<2xui32>
      %1 = stablehlo.remainder %x, %d : tensor<2xui32>
      %2 = stablehlo.divide %x, %three : tensor<2xui32>
      %3 = stablehlo.divide %y, %two : tensor<2xi32>
      return %0, %1, %2, %3 : tensor<2xui32>, tensor<2xui32>, tensor<2xui32>, tensor<2xi32>
    }""")
    passes.simplify(module, None)
    assert [op.kind for op in module.main.ops if isinstance(op, ops.Binary)] == ["shr_logical", "and", "div", "div"]
    x, y = np.array([2**31 - 1, 2**31 + 7], np.uint32), np.array([-3, 3], np.int32)
    found = graph_reference.run(module.main, [x, y])
    for one, expected in zip(found, (x >> 31, x & (2**31 - 1), x // 3, [-1, 1]), strict=True):
        np.testing.assert_array_equal(one, expected)


def test_rematerialised_values_stay_apart():
    module = import_text(f"""func.func public @main(%x: {T}) -> {T} {{
      %0 = stablehlo.sine %x : {T}
      %1 = stablehlo.optimization_barrier %x : {T}
      %2 = stablehlo.sine %1 : {T}
      %3 = stablehlo.add %0, %2 : {T}
      return %3 : {T}
    }}""")
    passes.run_graph_passes(module)
    assert sum(isinstance(op, ops.Unary) for op in module.main.ops) == 2


def test_what_all_stages_refuse_comes_in_one_error():
    text = """module @m { func.func public @main(%x: tensor<4xcomplex<f32>>, %big: tensor<2147483648xi8>,
        %i: tensor<3x1xi32>) -> (tensor<4xcomplex<f32>>, tensor<4xf32>, tensor<3xi8>) {
      %0 = stablehlo.custom_call @nobody(%x) : (tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> loc("a.py":1:1)
      %1 = stablehlo.cbrt %0 : tensor<4xcomplex<f32>> loc("a.py":2:1)
      %2 = stablehlo.cbrt %1 : tensor<4xcomplex<f32>> loc("a.py":3:1)
      %3 = stablehlo.real %2 : (tensor<4xcomplex<f32>>) -> tensor<4xf32>
      %4 = "stablehlo.gather"(%big, %i) {dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0],
          start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1>}
          : (tensor<2147483648xi8>, tensor<3x1xi32>) -> tensor<3xi8> loc("a.py":4:1)
      return %2, %3, %4 : tensor<4xcomplex<f32>>, tensor<4xf32>, tensor<3xi8>
    } }"""
    with pytest.raises(UnsupportedOpsError) as raised:
        compile_program(text, Target())
    assert [place.line for _, place, _ in raised.value.ops] == ["a.py:1", "a.py:4"]

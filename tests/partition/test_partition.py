"""Every op family, cut at random along random meshes, against the same Graph in one piece."""

import golden
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import sharded
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from programs import PROGRAMS

from jax_ascend.compiler import frontend
from jax_ascend.compiler.errors import UnsupportedOpsError
from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.graph.graph import Op
from jax_ascend.compiler.partition import partition
from jax_ascend.compiler.partition.rules import GATHERED, PLANS, WALKS
from jax_ascend.compiler.passes.combine_collectives import combine_collectives
from jax_ascend.compiler.passes.legalize_collectives import legalize_collectives

MESHES = [(8,), (4, 2), (2, 2, 2), (3, 2)]
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def kinds(module):
    return [type(op) for op in module.main.walk()]


def test_every_op_has_a_plan_or_a_walk_or_is_said_to_be_gathered():
    every = {kind for name in ops.__all__ if isinstance(kind := getattr(ops, name), type) and issubclass(kind, Op)}
    every.remove(ops.Collective)  # a base
    known = [*PLANS, *WALKS, *GATHERED]
    assert len(set(known)) == len(known)
    assert set(known) == every


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name, seed):
    function, arguments = PROGRAMS[name]
    number = 7 * list(PROGRAMS).index(name) + seed
    text = sharded.text_of(function, arguments, sharded.mesh_of(*MESHES[number % len(MESHES)]), number)
    if seed == 1:
        text = sharded.permuted(text, np.random.default_rng(number))
    if "num_partitions = 1 " in text:
        return  # no arguments, so nothing that could be cut
    sharded.check(text, arguments, 0.02 if name == "half_precision" else 1e-4)


def test_golden(request):
    text = """
    module @m attributes {mhlo.num_partitions = 8 : i32} {
      sdy.mesh @mesh = <["x"=4, "y"=2]>
      func.func public @main(%x: tensor<8x16xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {"y"}]>},
                             %w: tensor<16x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"y"}, {}]>})
          -> (tensor<8x6xf32>, tensor<6xf32>) {
        %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
            : (tensor<8x16xf32>, tensor<16x6xf32>) -> tensor<8x6xf32>
        %1 = stablehlo.tanh %0 : tensor<8x6xf32>
        %z = stablehlo.constant dense<0xFF800000> : tensor<f32>
        %2 = stablehlo.reduce(%1 init: %z) applies stablehlo.maximum across dimensions = [0]
            : (tensor<8x6xf32>, tensor<f32>) -> tensor<6xf32>
        return %1, %2 : tensor<8x6xf32>, tensor<6xf32>
      }
    }"""
    module = sharded.import_text(text)
    before = str(module.main)
    partition(module)
    golden.check(request, "partition", f"{before}\n->\n{module.main}")
    sharded.check(text, [normal(8, 16), normal(16, 6)])


def test_golden_of_combined_collectives(request):
    mesh, x, w = sharded.mesh_of(4, 2), normal(8, 4), normal(8)

    def sums(x, w):
        total = x.sum(0)
        return total, w.sum(), x.sum() + total[0], x.max(0)

    text = lower(sums, x, w, in_shardings=(on(mesh, "a", None), on(mesh, "a")))
    module = sharded.divide(text)
    before = str(module.main)
    combine_collectives(module, None)
    golden.check(request, "combine_collectives", f"{before}\n->\n{module.main}")
    module.main.verify()
    assert [len(op.operands) for op in module.main.ops if isinstance(op, ops.AllReduce)] == [3, 1]
    got, _ = sharded.lockstep.run(module, [x, w])
    for g, e in zip(got, sharded.whole_results(text, [x, w]), strict=True):
        np.testing.assert_allclose(g, e, 1e-5, 1e-5)


def test_golden_of_legalized_collectives(request):
    text = """
    module @m attributes {mhlo.num_partitions = 2 : i32} {
      func.func public @main(%x: tensor<4x3xf32>, %i: tensor<4x6xf8E4M3FN>) -> (tensor<4x6xf32>, tensor<2x3xf32>, tensor<4x6xf8E4M3FN>) {
        %0 = "stablehlo.all_gather"(%x) {all_gather_dim = 1 : i64, use_global_device_ids,
            channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>, replica_groups = dense<[[1, 0]]> : tensor<1x2xi64>}
            : (tensor<4x3xf32>) -> tensor<4x6xf32>
        %1 = "stablehlo.reduce_scatter"(%x) ({
          ^bb0(%a: tensor<f32>, %b: tensor<f32>):
            %s = stablehlo.atan2 %a, %b : tensor<f32>
            stablehlo.return %s : tensor<f32>
        }) {scatter_dimension = 0 : i64, use_global_device_ids,
            channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>, replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>}
            : (tensor<4x3xf32>) -> tensor<2x3xf32>
        %2 = "stablehlo.all_reduce"(%i) ({
          ^bb0(%a: tensor<f8E4M3FN>, %b: tensor<f8E4M3FN>):
            %s = stablehlo.maximum %a, %b : tensor<f8E4M3FN>
            stablehlo.return %s : tensor<f8E4M3FN>
        }) {use_global_device_ids,
            channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>, replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>}
            : (tensor<4x6xf8E4M3FN>) -> tensor<4x6xf8E4M3FN>
        return %0, %1, %2 : tensor<4x6xf32>, tensor<2x3xf32>, tensor<4x6xf8E4M3FN>
      }
    }"""
    module = sharded.divide(text)
    before = str(module.main)
    arguments = [[normal(4, 3), normal(4, 6).astype(ml_dtypes.float8_e4m3fn)] for _ in range(2)]
    expected, _ = sharded.lockstep.run_parts(module, arguments)
    legalize_collectives(module, None)
    golden.check(request, "legalize_collectives", f"{before}\n->\n{module.main}")
    got, _ = sharded.lockstep.run_parts(module, arguments)
    for parts, other in zip(got, expected, strict=True):
        for g, e in zip(parts, other, strict=True):
            np.testing.assert_array_equal(g.astype(np.float64), e.astype(np.float64))


def test_the_way_back_is_free():
    mesh, x = sharded.mesh_of(4), normal(8)

    def there_and_back(x):
        whole = lax.with_sharding_constraint(x, on(mesh))
        return lax.with_sharding_constraint(whole, on(mesh, "a")) + 1, whole

    module = sharded.check(lower(there_and_back, x, in_shardings=on(mesh, "a")), [x])
    assert kinds(module).count(ops.AllGather) == 1
    assert ops.DynamicSlice not in kinds(module)


def lower(function, *arguments, **jit):
    return jax.jit(function, **jit).trace(*arguments).lower(lowering_platforms=("ascend",)).as_text(debug_info=True)


def on(mesh, *spec):
    return NamedSharding(mesh, P(*spec))


def test_a_contraction_cut_along_what_is_contracted_is_reduced_and_scattered():
    mesh, x, w = sharded.mesh_of(4, 2), normal(8, 16), normal(16, 6)

    def product(x, w):
        return lax.with_sharding_constraint(x @ w, on(mesh, None, "b"))

    text = lower(product, x, w, in_shardings=(on(mesh, None, ("a", "b")), on(mesh, ("a", "b"), None)))
    found = [k.__name__ for k in kinds(sharded.check(text, [x, w])) if issubclass(k, ops.Collective)]
    assert found == ["ReduceScatter", "AllReduce"]


def test_weights_that_are_cut_like_the_batch_are_gathered():
    mesh, x, w = sharded.mesh_of(4), normal(8, 16), normal(16, 8)

    def step(x, w):
        loss = lambda w: (jnp.tanh(x @ w) ** 2).sum()  # noqa: E731
        return lax.with_sharding_constraint(jax.grad(loss)(w), on(mesh, "a", None))

    text = lower(step, x, w, in_shardings=(on(mesh, "a", None), on(mesh, "a", None)))
    found = [k.__name__ for k in kinds(sharded.check(text, [x, w])) if issubclass(k, ops.Collective)]
    assert found == ["AllGather", "ReduceScatter"]


def test_sums_of_sums_are_reduced_once():
    mesh, x, w = sharded.mesh_of(4), normal(8, 16), normal(16, 8)
    places = (on(mesh, None, "a"), on(mesh, "a", None))
    module = sharded.check(lower(lambda x, w: x @ w - (x * 2) @ w, x, w, in_shardings=places), [x, w])
    assert kinds(module).count(ops.AllReduce) == 1


def test_unreduced_values_come_and_go():
    text = """
    module @m attributes {mhlo.num_partitions = 8 : i32} {
      sdy.mesh @mesh = <["x"=4, "y"=2]>
      func.func public @main(%a: tensor<8x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}, {"y"}], unreduced={"x"}>},
                             %b: tensor<8x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {}]>})
          -> (tensor<8x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}, {}], unreduced={"y"}>},
              tensor<8x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}, {"y"}], unreduced={"x"}>},
              tensor<8x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {"y"}]>}) {
        %0 = stablehlo.add %b, %b : tensor<8x6xf32>
        %1 = sdy.sharding_constraint %0 <@mesh, [{}, {}], unreduced={"y"}> : tensor<8x6xf32>
        %2 = stablehlo.negate %a : tensor<8x6xf32>
        %3 = sdy.sharding_constraint %2 <@mesh, [{}, {"y"}], unreduced={"x"}> : tensor<8x6xf32>
        %4 = sdy.sharding_constraint %a <@mesh, [{"x"}, {"y"}]> : tensor<8x6xf32>
        return %1, %3, %4 : tensor<8x6xf32>, tensor<8x6xf32>, tensor<8x6xf32>
      }
    }"""
    module = sharded.check(text, [normal(8, 6), normal(8, 6)])
    assert [s.partial for s in module.parameter_shardings] == [(0,), ()]
    assert [s.partial for s in module.result_shardings] == [(1,), (0,), ()]


@pytest.mark.parametrize("kind", ["lookup", "gradient"])
def test_a_table_that_is_cut_is_looked_up_where_it_lies(kind):
    mesh, table, tokens = sharded.mesh_of(4, 2), normal(64, 8), RNG.integers(-5, 70, (8, 2)).astype(np.int32)

    def lookup(table, tokens):
        return table[tokens]

    def gradient(table, tokens):
        return jax.grad(lambda t: (t[tokens] ** 2).sum())(table)

    places = (on(mesh, "b", None), on(mesh, "a", None))
    module = sharded.check(lower(locals()[kind], table, tokens, in_shardings=places), [table, tokens])
    assert ops.AllGather not in kinds(module)


def test_both_threefry_modes_give_the_bits_of_one_device():
    mesh = sharded.mesh_of(4, 2)

    def draws(key):
        bits = jax.random.bits(jax.random.wrap_key_data(key), (16, 6))
        return lax.with_sharding_constraint(bits, on(mesh, "a", "b")), jax.random.permutation(key_of(key), 13)

    def key_of(key):
        return jax.random.wrap_key_data(key)

    for partitionable in (True, False):
        with jax.threefry_partitionable(partitionable):
            text = lower(draws, np.uint32([3, 9]), in_shardings=on(mesh))
            sharded.check(text, [np.uint32([3, 9])])


def test_what_an_op_needs_whole_is_said():
    mesh, x = sharded.mesh_of(4), normal(8)
    module = sharded.check(lower(lambda x: jnp.sort(x), x, in_shardings=on(mesh, "a")), [x])
    assert len(module.notes) == 1
    assert "f32[8]{a} is brought together along dimension 0" in module.notes[0]


def test_a_callback_is_called_once():
    mesh, x = sharded.mesh_of(4, 2), normal(8, 4)

    def shout(x):
        jax.debug.callback(print, x)
        return x + 1

    module = sharded.divide(lower(shout, x, in_shardings=on(mesh, "a", "b")))
    (choice,) = (op for op in module.main.walk() if isinstance(op, ops.Case))
    assert [len(branch.ops) for branch in choice.branches] == [0, 1]


def test_parameters_and_results_may_lie_on_meshes_in_other_orders():
    text = """
    module @m attributes {mhlo.num_partitions = 4 : i32} {
      sdy.mesh @one = <["x"=4]>
      sdy.mesh @other = <["y"=2, "z"=2], device_ids=[3, 1, 2, 0]>
      func.func public @main(%a: tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@one, [{"x"}, {}]>},
                             %b: tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@other, [{"y"}, {"z"}]>})
          -> (tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@one, [{"x"}, {}]>},
              tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@other, [{"y", "z"}, {}]>},
              tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@other, [{"z"}, {}]>}) {
        %0 = stablehlo.add %a, %b : tensor<8x4xf32>
        return %0, %a, %b : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>
      }
    }"""
    module = sharded.check(text, [normal(8, 4), normal(8, 4)])
    assert kinds(module).count(ops.CollectivePermute) == 1  # of the second result
    manual = text.replace(
        "%0 = stablehlo.add %a, %b : tensor<8x4xf32>",
        """
        %0 = sdy.manual_computation(%b) in_shardings=[<@other, [{"y"}, {}]>] out_shardings=[<@other, [{"y"}, {}]>]
            manual_axes={"y"} (%c: tensor<4x4xf32>) { sdy.return %c : tensor<4x4xf32> } : (tensor<8x4xf32>) -> tensor<8x4xf32>""",
    )
    with pytest.raises(UnsupportedOpsError, match="in another order than the program's first"):
        sharded.import_text(manual)


def test_two_meshes_of_the_same_devices_are_one_grid():
    text = """
    module @m attributes {mhlo.num_partitions = 8 : i32} {
      sdy.mesh @one = <["x"=8]>
      sdy.mesh @other = <["a"=2, "b"=4]>
      func.func public @main(%a: tensor<8xf32> {sdy.sharding = #sdy.sharding<@one, [{"x"}]>},
                             %b: tensor<8xf32> {sdy.sharding = #sdy.sharding<@other, [{"b"}]>}) -> tensor<8xf32> {
        %0 = stablehlo.add %a, %b : tensor<8xf32>
        return %0 : tensor<8xf32>
      }
    }"""
    module = sharded.check(text, [normal(8), normal(8)])
    assert module.mesh.sizes == (2, 4)


def test_a_function_called_with_other_shardings_is_divided_for_each():
    mesh, x = sharded.mesh_of(2, 2), normal(4, 6)
    inner = jax.jit(lambda x: jnp.tanh(x) + 1)

    def both(x):
        return inner(lax.with_sharding_constraint(x, on(mesh, "a"))), inner(
            lax.with_sharding_constraint(x, on(mesh, None, "b"))
        )

    module = sharded.check(lower(both, x, in_shardings=on(mesh)), [x])
    assert {op.result.shape for op in module.main.walk() if isinstance(op, ops.Unary)} == {(2, 6), (4, 3)}


def test_composites_stay_in_one_piece():
    text = """
    module @m attributes {mhlo.num_partitions = 2 : i32} {
      sdy.mesh @mesh = <["x"=2]>
      func.func public @main(%a: tensor<4x6xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {}]>})
          -> (tensor<4x6xf32>, tensor<4x2xf32>, tensor<4x2xi32>, tensor<4x6xf32>) {
        %0 = stablehlo.composite "chlo.erf" %a {decomposition = @f} : (tensor<4x6xf32>) -> tensor<4x6xf32>
        %1:2 = stablehlo.composite "chlo.top_k" %0 {composite_attributes = {k = 2 : i64}, decomposition = @k}
            : (tensor<4x6xf32>) -> (tensor<4x2xf32>, tensor<4x2xi32>)
        %2 = stablehlo.composite "mine.own" %0 {decomposition = @f} : (tensor<4x6xf32>) -> tensor<4x6xf32>
        return %0, %1#0, %1#1, %2 : tensor<4x6xf32>, tensor<4x2xf32>, tensor<4x2xi32>, tensor<4x6xf32>
      }
      func.func private @f(%a: tensor<4x6xf32>) -> tensor<4x6xf32> {
        %0 = stablehlo.tanh %a : tensor<4x6xf32>
        return %0 : tensor<4x6xf32>
      }
      func.func private @k(%a: tensor<4x6xf32>) -> (tensor<4x2xf32>, tensor<4x2xi32>) {
        %0 = stablehlo.slice %a [0:4, 0:2] : (tensor<4x6xf32>) -> tensor<4x2xf32>
        %1 = stablehlo.constant dense<0> : tensor<4x2xi32>
        return %0, %1 : tensor<4x2xf32>, tensor<4x2xi32>
      }
    }"""
    module = sharded.check(text, [normal(4, 6)])
    assert kinds(module) == [ops.Unary, ops.TopK, ops.Unary]
    assert [r.shape for r in module.main.results] == [(2, 6), (2, 2), (2, 2), (2, 6)]


def test_donated_parameters_keep_their_storage_where_parts_have_one_shape():
    mesh, x = sharded.mesh_of(4), normal(8, 8)
    f = jax.jit(lambda x: x + 1, donate_argnums=0, in_shardings=on(mesh, "a"), out_shardings=on(mesh, "a"))
    text = f.trace(x).lower(lowering_platforms=("ascend",)).as_text()
    assert sharded.divide(text).aliases == [0]


def test_a_module_of_one_partition_stays_as_it_is():
    module = frontend.import_module(frontend.deserialize(jax.jit(jnp.sin).lower(normal(4)).as_text()))
    before = module.main
    partition(module)
    assert module.main is before

"""The frontend's own promises: errors, constants, aliases, sharding annotations, recognised bodies."""

import graph_reference
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jaxlib.mlir.dialects import _stablehlo_ops_gen

from jax_ascend.compiler import frontend
from jax_ascend.compiler.errors import ModuleFormatError, UnsupportedOpsError
from jax_ascend.compiler.frontend import control
from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.isa.dtypes import DType


def import_text(text):
    module = frontend.import_module(frontend.deserialize(text))
    module.main.verify()
    return module


def import_function(f, *args, **jit):
    return import_text(jax.jit(f, **jit).trace(*args).lower(lowering_platforms=("ascend",)).as_text(debug_info=True))


def kinds(module):
    return [type(op) for op in module.main.walk()]


def test_all_unsupported_ops_come_in_one_error_with_their_lines():
    text = """
    module @m {
      func.func public @main(%a: tensor<4xf32>) -> tensor<4xf32> {
        %t = stablehlo.create_token : !stablehlo.token
        %0:2 = "stablehlo.infeed"(%t) {infeed_config = ""} : (!stablehlo.token) -> (tensor<4xf32>, !stablehlo.token)
            loc("train.py":7:1)
        %m = stablehlo.constant dense<3> : tensor<i32>
        %n = stablehlo.set_dimension_size %a, %m, dim = 0
            : (tensor<4xf32>, tensor<i32>) -> tensor<?xf32, #stablehlo.bounds<4>> loc("net.py":9:1)
        %2 = stablehlo.custom_call @nobody(%a) : (tensor<4xf32>) -> tensor<4xf32> loc("net.py":11:1)
        %4 = stablehlo.custom_call @nowhere(%2) : (tensor<4xf32>) -> tensor<4xf32> loc("net.py":13:1)
        %7 = stablehlo.add %0#0, %4 : tensor<4xf32>
        return %7 : tensor<4xf32>
      }
    }"""
    with pytest.raises(UnsupportedOpsError) as raised:
        import_text(text)
    assert [name for name, _, _ in raised.value.ops] == [
        "stablehlo.infeed",
        "stablehlo.set_dimension_size",
        "stablehlo.custom_call @nobody",
        "stablehlo.custom_call @nowhere",
    ]
    assert all(place in str(raised.value) for place in ("train.py:7", "net.py:9", "net.py:11", "net.py:13"))


def test_garbage_is_refused():
    for garbage in ("module {", b"ML\xefR\x00\x01\x02", b"\x00\x01"):
        with pytest.raises(ModuleFormatError, match="cannot read the program"):
            frontend.deserialize(garbage)


def test_aliases_and_donation():
    module = import_text("""
      func.func public @main(%a: tensor<f32> {tf.aliasing_output = 1 : i32}, %b: tensor<f32>,
                             %c: tensor<f32> {jax.buffer_donor = true}) -> (tensor<f32>, tensor<f32>) {
        return %b, %a : tensor<f32>, tensor<f32>
      }""")
    assert module.aliases == [None, 0] and module.donated == [0, 2]


@pytest.mark.parametrize("dtype", [d for d in DType if d.kind != "c"], ids=str)
def test_literals_of_every_type(dtype):
    whole = [0, 1, 1, 0] if dtype.kind in "b" or dtype in (DType.u2, DType.i2) else [0, 1, 2, 4]
    if dtype is DType.f8e8m0fnu:
        whole = [1, 1, 2, 4]
    values = np.array(whole, np.float32).astype(dtype.numpy)
    body = ", ".join(
        str(float(v)) if dtype.is_float else str(bool(v)).lower() if dtype.kind == "b" else str(int(v)) for v in whole
    )
    element = dtype.value.mlir
    one = body.split(", ")[1]
    text = f"""func.func public @main() -> (tensor<4x{element}>, tensor<2x3x{element}>, tensor<{element}>) {{
      %0 = stablehlo.constant dense<[{body}]> : tensor<4x{element}>
      %1 = stablehlo.constant dense<{one}> : tensor<2x3x{element}>
      %2 = stablehlo.constant dense<{one}> : tensor<{element}>
      return %0, %1, %2 : tensor<4x{element}>, tensor<2x3x{element}>, tensor<{element}>
    }}"""
    module = import_text(text)
    row, splat, scalar = graph_reference.run(module.main, [])
    assert row.tobytes() == values.tobytes()
    assert splat.shape == (2, 3) and (splat == values[1]).all() and scalar == values[1]
    constant = module.main.results[1].producer
    assert not any(constant.value.strides), "a splat is stored once"


def test_special_literals():
    inf, nan = np.inf, np.nan
    for dtype in (np.float32, np.float64, np.float16, ml_dtypes.bfloat16):
        values = np.array([nan, inf, -inf, -0.0, 1e-4], np.float64).astype(dtype)
        for v in (values, values[:1], values[3:4]):
            with jax.enable_x64(True):
                (got,) = graph_reference.run(import_function(lambda v=v: jnp.asarray(v)).main, [])
            assert got.tobytes() == v.tobytes()
    for c in (np.complex64([1 + 2j, 3, -4j]), np.complex64([2 - 1j]), np.arange(500).astype(np.complex64)):
        (got,) = graph_reference.run(import_function(lambda c=c: jnp.asarray(c)).main, [])
        assert got.tobytes() == c.tobytes()


def test_bodies_are_recognised():
    x = jnp.ones((3, 4))
    assert ops.ArgReduce in kinds(import_function(lambda x: jnp.argmax(x, 1), x))
    assert ops.ArgReduce in kinds(import_function(lambda x: jnp.argmin(x), x))
    (sort,) = (op for op in import_function(lambda x: lax.sort((x, x), num_keys=2), x).main.walk() if op.name == "sort")
    assert sort.keys == ((0, False), (1, False)) and len(sort.operands) == 2
    (scatter,) = (
        op for op in import_function(lambda x: x.at[jnp.array([0, 1])].add(1.0), x).main.walk() if op.name == "scatter"
    )
    assert scatter.kind == "add"
    (window,) = (op for op in import_function(lambda x: lax.cumsum(x), x).main.walk() if op.name == "reduce_window")
    assert window.kind == "add"


def test_general_comparators_sort_by_computed_keys():
    text = """func.func public @main(%x: tensor<6xf32>) -> tensor<6xf32> {
      %0 = "stablehlo.sort"(%x) ({
      ^bb0(%a: tensor<f32>, %b: tensor<f32>):
        %1 = stablehlo.abs %a : tensor<f32>
        %2 = stablehlo.abs %b : tensor<f32>
        %3 = stablehlo.compare GT, %1, %2, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>
        stablehlo.return %3 : tensor<i1>
      }) {dimension = 0 : i64, is_stable = true} : (tensor<6xf32>) -> tensor<6xf32>
      return %0 : tensor<6xf32>
    }"""
    module = import_text(text)
    (sort,) = (op for op in module.main.ops if isinstance(op, ops.Sort))
    assert sort.keys == ((1, True),)
    x = np.float32([1, -3, 2, -1, 0, np.nan])
    np.testing.assert_array_equal(graph_reference.run(module.main, [x])[0], np.float32([np.nan, -3, 2, 1, -1, 0]))


def test_shardings_over_one_device_disappear():
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("x")

    def f(x):
        x = lax.with_sharding_constraint(x, jax.sharding.NamedSharding(mesh, spec))
        g = jax.shard_map(
            lambda v: lax.psum(v * 2, "x"), mesh=mesh, in_specs=spec, out_specs=jax.sharding.PartitionSpec()
        )
        return g(x)

    module = import_text(jax.jit(f).lower(jnp.ones(4)).as_text())
    (got,) = graph_reference.run(module.main, [np.float32([1, 2, 3, 4])])
    np.testing.assert_array_equal(got, [2, 4, 6, 8])


def test_locations_name_the_users_line():
    def f(x):
        return jnp.sin(x)

    (op,) = import_function(f, jnp.ones(3)).main.ops
    assert str(op.loc).startswith(f"{__file__}:{f.__code__.co_firstlineno + 1}")


def test_accepted_ops_are_real():
    import jaxlib.mlir.dialects._stablehlo_ops_gen as generated

    names = {c.OPERATION_NAME for c in vars(generated).values() if hasattr(c, "OPERATION_NAME")}
    accepted = frontend.accepted_ops()
    assert {a for a in accepted if a.startswith("stablehlo.")} <= names
    assert len(accepted) > 85


def test_batch_norm():
    x, v = "tensor<4x3x2xf32>", "tensor<3xf32>"
    tail = "{epsilon = 0.25 : f32, feature_index = 1 : i64}"
    text = f"""func.func public @main(%x: {x}, %s: {v}, %o: {v}) -> ({x}, {v}, {v}, {x}, {x}, {v}, {v}) {{
      %0, %1, %2 = "stablehlo.batch_norm_training"(%x, %s, %o) {tail} : ({x}, {v}, {v}) -> ({x}, {v}, {v})
      %3 = "stablehlo.batch_norm_inference"(%x, %s, %o, %1, %2) {tail} : ({x}, {v}, {v}, {v}, {v}) -> {x}
      %4, %5, %6 = "stablehlo.batch_norm_grad"(%x, %s, %1, %2, %x) {tail} : ({x}, {v}, {v}, {v}, {x}) -> ({x}, {v}, {v})
      return %0, %1, %2, %3, %4, %5, %6 : {x}, {v}, {v}, {x}, {x}, {v}, {v}
    }}"""
    draw = np.random.default_rng(0)
    args = [draw.standard_normal(s).astype(np.float32) for s in ((4, 3, 2), 3, 3)]

    def norm(x, s, o):
        mean, var = x.mean((0, 2), keepdims=True), x.var((0, 2), keepdims=True)
        return (x - mean) * lax.rsqrt(var + 0.25) * s[:, None] + o[:, None]

    got = graph_reference.run(import_text(text).main, args)
    _, pull = jax.vjp(norm, *args)
    want = norm(*args), args[0].mean((0, 2)), args[0].var((0, 2)), norm(*args), *pull(args[0])
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, 1e-4, 1e-5)


DIALECT = sorted({c.OPERATION_NAME for c in vars(_stablehlo_ops_gen).values() if hasattr(c, "OPERATION_NAME")})
LEGALIZED = {  # rewritten by jaxlib's passes, then imported
    "stablehlo.cross-replica-sum": """func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
        %0 = "stablehlo.cross-replica-sum"(%x) {replica_groups = dense<0> : tensor<1x1xi64>} : (tensor<4xf32>) -> tensor<4xf32>
        return %0 : tensor<4xf32> }""",
    "stablehlo.uniform_quantize": """func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
        %0 = stablehlo.uniform_quantize %x : (tensor<4xf32>) -> tensor<4x!quant.uniform<i8:f32, 0.5>>
        %1 = stablehlo.uniform_dequantize %0 : (tensor<4x!quant.uniform<i8:f32, 0.5>>) -> tensor<4xf32>
        return %1 : tensor<4xf32> }""",
}
LEGALIZED["stablehlo.uniform_dequantize"] = LEGALIZED["stablehlo.uniform_quantize"]


@pytest.mark.parametrize("name", DIALECT)
def test_every_op_of_the_dialect_is_imported_or_refused_with_a_reason(name):
    if name in frontend.accepted_ops() or name == "stablehlo.return":
        return
    if name in LEGALIZED:
        module = frontend.deserialize(LEGALIZED[name])
        with pytest.raises(UnsupportedOpsError, match=name):
            frontend.import_module(module)
        frontend.import_module(frontend.legalize(module)).main.verify()
        return
    assert control.REFUSED[name]


def test_shapes_that_follow_from_constants():
    text = """
      func.func public @main(%a: tensor<6xf32>) -> tensor<?xf32> {
        %0 = call @shaped(%a) : (tensor<6xf32>) -> tensor<?x?xf32>
        %low = stablehlo.constant dense<[1, 0]> : tensor<2xi32>
        %high = stablehlo.constant dense<[2, 2]> : tensor<2xi32>
        %one = stablehlo.constant dense<1> : tensor<2xi32>
        %1 = stablehlo.real_dynamic_slice %0, %low, %high, %one
            : (tensor<?x?xf32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<?x?xf32>
        %flat = stablehlo.constant dense<2> : tensor<1xi32>
        %2 = stablehlo.dynamic_reshape %1, %flat : (tensor<?x?xf32>, tensor<1xi32>) -> tensor<?xf32>
        %3 = stablehlo.add %2, %2 : tensor<?xf32>
        return %3 : tensor<?xf32>
      }
      func.func private @shaped(%a: tensor<6xf32>) -> tensor<?x?xf32> {
        %s = stablehlo.constant dense<[2, 3]> : tensor<2xi32>
        %0 = stablehlo.dynamic_reshape %a, %s : (tensor<6xf32>, tensor<2xi32>) -> tensor<?x?xf32>
        return %0 : tensor<?x?xf32>
      }"""
    refused = []
    frontend.import_module(frontend.deserialize(text), refused)
    assert any("dynamic shape" in reason for _, _, reason in refused)
    module = frontend.import_module(frontend.legalize(frontend.deserialize(text)))
    (got,) = graph_reference.run(module.main, [np.arange(6, dtype=np.float32)])
    assert got.tolist() == [6.0, 8.0]


def test_shapes_that_depend_on_data_are_refused_with_their_line():
    text = """
      func.func public @main(%a: tensor<6xf32>, %n: tensor<1xi32>) -> tensor<?xf32> {
        %0 = stablehlo.dynamic_reshape %a, %n : (tensor<6xf32>, tensor<1xi32>) -> tensor<?xf32> loc("net.py":3:1)
        return %0 : tensor<?xf32>
      }"""
    with pytest.raises(UnsupportedOpsError, match=r"dynamic_reshape at net\.py:3.*dynamic shape"):
        frontend.import_module(frontend.legalize(frontend.deserialize(text)))


def test_a_scan_from_the_end():
    """jaxlib's expansion of chlo.scan overlooks is_reverse."""
    text = """
      func.func public @main(%x: tensor<2x3xi32>) -> (tensor<2x3xi32>, tensor<2xi32>) {
        %init = stablehlo.constant dense<0> : tensor<2xi32>
        %0:2 = chlo.scan(%x) inits(%init) dimension=1 attributes {is_reverse = true} {
        ^bb0(%a: tensor<2xi32>, %b: tensor<2xi32>):
          %1 = stablehlo.add %a, %b : tensor<2xi32>
          stablehlo.return %1, %1 : tensor<2xi32>, tensor<2xi32>
        } : (tensor<2x3xi32>, tensor<2xi32>) -> (tensor<2x3xi32>, tensor<2xi32>)
        return %0#0, %0#1 : tensor<2x3xi32>, tensor<2xi32>
      }"""
    try:
        source = frontend.deserialize(text)
    except ModuleFormatError:
        pytest.skip("this jaxlib has no chlo.scan")
    module = frontend.import_module(frontend.legalize(source))
    sums, total = graph_reference.run(module.main, [np.array([[1, 2, 3], [4, 5, 6]], np.int32)])
    assert sums.tolist() == [[6, 5, 3], [15, 11, 6]] and total.tolist() == [6, 15]

"""Ops that StableHLO keeps for old programs and those with sizes as operands, written out as text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import PLATFORM, case, checks, verify
from jax import lax
from jax._src.lib import xla_client
from jax.interpreters import mlir
from jaxlib.mlir import ir
from raw_module import stablehlo


def module(operands, result, line, **options):
    """Return a function of arrays: `line` computes %0 of type `result` from `operands`, "%x: tensor<..>, ..."."""
    return stablehlo(f"({operands}) -> ({result})", f"{line}\n return %0 : {result}", **options)


def einsum(config, left, right, result):
    line = f'%0 = "stablehlo.einsum"(%x, %y) {{einsum_config = "{config}"}} : ({left}, {right}) -> {result}'
    return module(f"%x: {left}, %y: {right}", result, line)


def unary(config, operand, result):
    line = f'%0 = "stablehlo.unary_einsum"(%x) {{einsum_config = "{config}"}} : ({operand}) -> {result}'
    return module(f"%x: {operand}", result, line)


def selection(dim, batch, operand, indices, result):
    line = (
        f'%0 = "stablehlo.torch_index_select"(%x, %i) {{dim = {dim} : i64, batch_dims = {batch} : i64}} : '
        f"({operand}, {indices}) -> {result}"
    )
    return module(f"%x: {operand}, %i: {indices}", result, line)


def pad(x, low, high, interior):
    return lax.pad(x, jnp.float32(9), [(int(a), int(b), int(c)) for a, b, c in zip(low, high, interior)])


I2 = "tensor<2xi32>"
PAD = (
    "%z = stablehlo.constant dense<9.0> : tensor<f32>\n"
    f"%0 = stablehlo.dynamic_pad %x, %z, %l, %h, %i : (tensor<3x4xf32>, tensor<f32>, {I2}, {I2}, {I2}) -> tensor<6x5xf32>"
)
CONV = (
    '%0 = "stablehlo.dynamic_conv"(%x, %k, %p) {dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, '
    "window_strides = array<i64: 2, 1>, lhs_dilation = array<i64: 2, 1>, "
    "batch_group_count = 1 : i64, feature_group_count = 1 : i64} : "
    "(tensor<1x5x6x2xf32>, tensor<3x2x2x4xf32>, tensor<2x2xi32>) -> tensor<1x5x6x4xf32>"
)
SLICE = f"%0 = stablehlo.real_dynamic_slice %x, %s, %l, %t : (tensor<5x6xf32>, {I2}, {I2}, {I2}) -> tensor<2x3xf32>"
GATHER = (
    '%0 = "stablehlo.dynamic_gather"(%x, %i, %n) {dimension_numbers = #stablehlo.gather<offset_dims = [1], '
    "collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>} : "
    f"(tensor<5x6xf32>, tensor<3xi32>, {I2}) -> tensor<3x6xf32>"
)

CASES = [
    case("einsum product", einsum("ij,jk->ik", "tensor<3x4xf32>", "tensor<4x5xf32>", "tensor<3x5xf32>"), "f32[3,4]", "f32[4,5]",
         reference=lambda x, y: [jnp.einsum("ij,jk->ik", x, y)]),
    case("einsum of batches and sums", einsum("bijq,bkj->kbi", "tensor<2x3x4x2xf32>", "tensor<2x5x4xf32>", "tensor<5x2x3xf32>"),
         "f32[2,3,4,2]", "f32[2,5,4]", reference=lambda x, y: [jnp.einsum("bijq,bkj->kbi", x, y)]),
    case("einsum with a diagonal", einsum("ii,ij->j", "tensor<3x3xf32>", "tensor<3x5xf32>", "tensor<5xf32>"), "f32[3,3]", "f32[3,5]",
         reference=lambda x, y: [jnp.einsum("ii,ij->j", x, y)]),
    case("einsum with an ellipsis", einsum("...ij,...jk->...ik", "tensor<2x3x4xf32>", "tensor<2x4x5xf32>", "tensor<2x3x5xf32>"),
         "f32[2,3,4]", "f32[2,4,5]", reference=lambda x, y: [x @ y]),
    case("diagonal", unary("ii->i", "tensor<4x4xf32>", "tensor<4xf32>"), "f32[4,4]", reference=lambda x: [jnp.diagonal(x)]),
    case("trace and transpose", unary("aibi->ba", "tensor<2x3x4x3xf32>", "tensor<4x2xf32>"), "f32[2,3,4,3]",
         reference=lambda x: [jnp.einsum("aibi->ba", x)]),
    case("index select", selection(1, 0, "tensor<3x5x2xf32>", "tensor<4xi32>", "tensor<3x4x2xf32>"), "f32[3,5,2]", "i32[4] 0..4",
         reference=lambda x, i: [jnp.take(x, i, axis=1)]),
    case("index select in batches", selection(2, 1, "tensor<2x3x5xf32>", "tensor<2x4xi32>", "tensor<2x3x4xf32>"), "f32[2,3,5]", "i32[2,4] 0..4",
         reference=lambda x, i: [jax.vmap(lambda x, i: jnp.take(x, i, axis=1))(x, i)]),
    case("dynamic broadcast", module("%x: tensor<4xf32>, %s: " + I2, "tensor<3x4xf32>",
         f"%0 = stablehlo.dynamic_broadcast_in_dim %x, %s, dims = [1] : (tensor<4xf32>, {I2}) -> tensor<3x4xf32>"), "f32[4]", "i32[2] 3..3",
         reference=lambda x, s: [jnp.broadcast_to(x, (3, 4))]),
    case("dynamic iota", module("%s: " + I2, "tensor<3x4xi32>",
         f"%0 = stablehlo.dynamic_iota %s, dim = 1 : ({I2}) -> tensor<3x4xi32>"), "i32[2] 3..3",
         reference=lambda s: [lax.broadcasted_iota(jnp.int32, (3, 4), 1)]),
    case("dynamic reshape", module("%x: tensor<3x4xf32>, %s: " + I2, "tensor<2x6xf32>",
         f"%0 = stablehlo.dynamic_reshape %x, %s : (tensor<3x4xf32>, {I2}) -> tensor<2x6xf32>"), "f32[3,4]", "i32[2] 2..2",
         reference=lambda x, s: [x.reshape(2, 6)]),
    case("dynamic gather", module("%x: tensor<5x6xf32>, %i: tensor<3xi32>, %n: " + I2, "tensor<3x6xf32>", GATHER),
         "f32[5,6]", "i32[3] 0..4", "i32[2] 1..1", reference=lambda x, i, n: [x[i]]),
    case("dynamic pad", lambda x: module(f"%x: tensor<3x4xf32>, %l: {I2}, %h: {I2}, %i: {I2}", "tensor<6x5xf32>", PAD)(
         x, jnp.array([2, -1]), jnp.array([-1, -1]), jnp.array([1, 1])), "f32[3,4]", reference=lambda x: [pad(x, (2, -1), (-1, -1), (1, 1))]),
    case("dynamic slice of the old kind", lambda x: module(f"%x: tensor<5x6xf32>, %s: {I2}, %l: {I2}, %t: {I2}", "tensor<2x3xf32>", SLICE)(
         x, jnp.array([1, 0]), jnp.array([4, 6]), jnp.array([2, 2])), "f32[5,6]", reference=lambda x: [x[1:4:2, 0:6:2]]),
    case("dynamic convolution", lambda x, k: module("%x: tensor<1x5x6x2xf32>, %k: tensor<3x2x2x4xf32>, %p: tensor<2x2xi32>",
         "tensor<1x5x6x4xf32>", CONV)(x, k, jnp.array([[2, 1], [1, 0]])), "f32[1,5,6,2]", "f32[3,2,2,4]",
         reference=lambda x, k: [lax.conv_general_dilated(x, k, (2, 1), [(2, 1), (1, 0)], lhs_dilation=(2, 1),
                                                          dimension_numbers=("NHWC", "HWIO", "NHWC"))]),
    case("dynamic convolution with unlike padding", lambda x, k: module(
         "%x: tensor<1x5x6x2xf32>, %k: tensor<3x2x2x4xf32>, %p: tensor<2x2xi32>", "tensor<1x5x6x4xf32>", CONV)(
         x, k, jnp.array([[0, 3], [-1, 2]])), "f32[1,5,6,2]", "f32[3,2,2,4]",
         reference=lambda x, k: [lax.conv_general_dilated(x, k, (2, 1), [(0, 3), (-1, 2)], lhs_dilation=(2, 1),
                                                          dimension_numbers=("NHWC", "HWIO", "NHWC"))]),
    case("a size that is the dimension's", module("%x: tensor<4xf32>", "tensor<4xf32>",
         "%n = stablehlo.constant dense<4> : tensor<i32>\n"
         "%b = stablehlo.set_dimension_size %x, %n, dim = 0 : (tensor<4xf32>, tensor<i32>) -> tensor<4xf32>\n"
         "%0 = stablehlo.add %b, %b : tensor<4xf32>"), "f32[4]", reference=lambda x: [x + x]),
    case("asynchronous work", stablehlo("(%x: tensor<4xf32>) -> (tensor<4xf32>)",
         """%f = "stablehlo.async_start"(%x) ({
         ^bb0(%a: tensor<4xf32>):
           %r = "stablehlo.all_reduce"(%a) ({
           ^bb0(%b: tensor<f32>, %c: tensor<f32>):
             %s = stablehlo.add %b, %c : tensor<f32>
             stablehlo.return %s : tensor<f32>
           }) {replica_groups = dense<0> : tensor<1x1xi64>} : (tensor<4xf32>) -> tensor<4xf32>
           stablehlo.return %r : tensor<4xf32>
         }) : (tensor<4xf32>) -> !stablehlo.future<tensor<4xf32>>
         %0 = "stablehlo.async_done"(%f) : (!stablehlo.future<tensor<4xf32>>) -> tensor<4xf32>
         return %0 : tensor<4xf32>"""), "f32[4]", reference=lambda x: [x]),
    case("random numbers of no range", module("%x: tensor<f32>", "tensor<3x4xf32>",
         "%s = stablehlo.constant dense<[3, 4]> : tensor<2xi64>\n"
         "%0 = stablehlo.rng %x, %x, %s, distribution = UNIFORM : (tensor<f32>, tensor<f32>, tensor<2xi64>) -> tensor<3x4xf32>"),
         "f32[]", reference=lambda x: [jnp.broadcast_to(x, (3, 4))]),
    case("tuples", stablehlo("(%x: tensor<4xf32>, %i: tensor<3xi32>) -> (tensor<4xf32>, tensor<3xi32>)",
         """%a = stablehlo.tuple %i : tuple<tensor<3xi32>>
         %b = stablehlo.tuple %x, %a : tuple<tensor<4xf32>, tuple<tensor<3xi32>>>
         %c = call @same(%b) : (tuple<tensor<4xf32>, tuple<tensor<3xi32>>>) -> tuple<tensor<4xf32>, tuple<tensor<3xi32>>>
         %0 = stablehlo.get_tuple_element %c[0] : (tuple<tensor<4xf32>, tuple<tensor<3xi32>>>) -> tensor<4xf32>
         %d = stablehlo.get_tuple_element %c[1] : (tuple<tensor<4xf32>, tuple<tensor<3xi32>>>) -> tuple<tensor<3xi32>>
         %1 = stablehlo.get_tuple_element %d[0] : (tuple<tensor<3xi32>>) -> tensor<3xi32>
         return %0, %1 : tensor<4xf32>, tensor<3xi32>""",
         "func.func private @same(%x: tuple<tensor<4xf32>, tuple<tensor<3xi32>>>) -> tuple<tensor<4xf32>, tuple<tensor<3xi32>>> {\n"
         "return %x : tuple<tensor<4xf32>, tuple<tensor<3xi32>>>\n}"), "f32[4]", "i32[3]", reference=lambda x, i: [x, i]),
]  # fmt: skip


@pytest.mark.parametrize("check", [c for c in checks(CASES) if c.mode != "eager"], ids=str)
def test_legacy_modules(check):
    verify(check)


def random_numbers(type, distribution, low, high, element="f32"):
    line = (
        f"%a = stablehlo.constant dense<{low}> : tensor<{element}>\n%b = stablehlo.constant dense<{high}> : tensor<{element}>\n"
        f"%s = stablehlo.constant dense<[64, 100]> : tensor<2xi64>\n"
        f"%u = stablehlo.rng %a, %b, %s, distribution = {distribution} : (tensor<{element}>, tensor<{element}>, tensor<2xi64>) -> {type}\n"
        f"%v = stablehlo.rng %a, %b, %s, distribution = {distribution} : (tensor<{element}>, tensor<{element}>, tensor<2xi64>) -> {type}"
    )
    run = stablehlo(f"() -> ({type}, {type})", f"{line}\n return %u, %v : {type}, {type}")
    with jax.default_device(jax.devices(PLATFORM)[0]):
        return [np.asarray(x, np.float64) for x in jax.jit(run)()]


@pytest.mark.parametrize("element,low,high", [("f32", "-1.0", "3.0"), ("i32", "-5", "7")])
def test_uniform_random_numbers(element, low, high):
    """Independent, within their bounds, and with the mean and deviation of the distribution."""
    a, b = random_numbers(f"tensor<64x100x{element}>", "UNIFORM", low, high, element)
    low, high, n = float(low), float(high), a.size
    for x in (a, b):
        assert low <= x.min() and x.max() < high
        deviation = np.sqrt(((high - low) ** 2 - (element == "i32")) / 12)
        mean = (low + high - (element == "i32")) / 2
        assert abs(x.mean() - mean) < 5 * deviation / np.sqrt(n)
        assert abs(x.std() / deviation - 1) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(n)


def test_normal_random_numbers():
    a, b = random_numbers("tensor<64x100xf32>", "NORMAL", "2.0", "0.5")
    for x in (a, b):
        z = (x - 2) / 0.5
        assert abs(z.mean()) < 5 / np.sqrt(z.size) and abs(z.std() - 1) < 5 / np.sqrt(z.size)
        assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / z.size)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


LOOP = """%z = stablehlo.constant dense<0> : tensor<i32>
    %e = stablehlo.constant dense<0.0> : tensor<4x3xf32>
    %r:2 = stablehlo.while(%i = %z, %x = %e) : tensor<i32>, tensor<4x3xf32>
    cond { %n = stablehlo.constant dense<4> : tensor<i32>
      %c = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
    } do { %a = stablehlo.constant dense<0.0> : tensor<f32>
      %b = stablehlo.constant dense<1.0> : tensor<f32>
      %s = stablehlo.constant dense<[1, 3]> : tensor<2xi64>
      %u = stablehlo.rng %a, %b, %s, distribution = UNIFORM : (tensor<f32>, tensor<f32>, tensor<2xi64>) -> tensor<1x3xf32>
      %w = stablehlo.dynamic_update_slice %x, %u, %i, %z : (tensor<4x3xf32>, tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<4x3xf32>
      %o = stablehlo.constant dense<1> : tensor<i32>
      %j = stablehlo.add %i, %o : tensor<i32>
      stablehlo.return %j, %w : tensor<i32>, tensor<4x3xf32> }
    return %r#1 : tensor<4x3xf32>"""


def test_random_numbers_are_new_in_each_iteration_and_execution():
    """As on XLA:CPU, and in another program too."""
    with jax.default_device(jax.devices(PLATFORM)[0]):
        first, second = (jax.jit(stablehlo("() -> (tensor<4x3xf32>)", LOOP + " // " + name)) for name in "ab")
        found = [np.asarray(f()[0]).ravel() for f in (first, first, second, first)]
    assert len(set(np.concatenate(found).tolist())) == 4 * 12


def resized(size, arguments=""):
    """Cut a row to a size and compute with what is left; the size is text that defines %n."""
    return (
        f"""module {{ func.func @main(%a: tensor<2x6xf32>{arguments}) -> (tensor<2xf32>, tensor<i32>) {{
        {size}
        %d = stablehlo.set_dimension_size %a, %n, dim = 1 : (tensor<2x6xf32>, tensor<i32>) -> tensor<2x?xf32, #stablehlo.bounds<?, 6>>
        %e = stablehlo.exponential %d : tensor<2x?xf32, #stablehlo.bounds<?, 6>>
        %m = stablehlo.constant dense<1> : tensor<i32>
        %z = stablehlo.constant dense<0.0> : tensor<f32>
        %r = stablehlo.reduce(%e init: %z) applies stablehlo.add across dimensions = [1] """
        """: (tensor<2x?xf32, #stablehlo.bounds<?, 6>>, tensor<f32>) -> tensor<2xf32>
        %g = stablehlo.get_dimension_size %e, dim = 1 : (tensor<2x?xf32, #stablehlo.bounds<?, 6>>) -> tensor<i32>
        return %r, %g : tensor<2xf32>, tensor<i32> } }"""
    )


def executed(platform, text, *arguments):
    device = jax.devices(platform)[0]
    with mlir.make_ir_context():
        program = device.client.compile_and_load(
            ir.Module.parse(text), xla_client.DeviceList((device,)), xla_client.CompileOptions()
        )
    results = program.execute_sharded([jax.device_put(x, device) for x in arguments])
    return [np.asarray(r[0]) for r in results.disassemble_into_single_device_arrays()]


@pytest.mark.parametrize("size", [0, 1, 4, 6])
def test_a_dimension_of_a_smaller_size(size):
    x = np.arange(12, dtype=np.float32).reshape(2, 6) / 4
    text = resized(f"%n = stablehlo.constant dense<{size}> : tensor<i32>")
    for got, want in zip(executed(PLATFORM, text, x), executed("cpu", text, x), strict=True):
        np.testing.assert_allclose(got, want, 1e-6)
    assert executed(PLATFORM, text, x)[1] == size


def test_a_size_that_depends_on_data_is_refused():
    with pytest.raises(
        jax.errors.JaxRuntimeError, match=r"UNIMPLEMENTED[^@]*set_dimension_size.*shapes here do not depend on data"
    ):
        executed(PLATFORM, resized("", ", %n: tensor<i32>"), np.zeros((2, 6), np.float32), np.int32(3))

"""Every collective of JAX over 8 devices, compared with XLA:CPU over 8."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from meshes import P, assert_same, mesh_on, numbers, on_both, place, run_module, sharded

GROUPS = [[0, 1, 2, 3], [7, 5, 6, 4]]
TYPES = ["bool", "int8", "int32", "uint16", "float16", "bfloat16", "float32", "complex64", "float8_e4m3fn", "int4"]
TOLERANCE = {"float16": 4e-3, "bfloat16": 4e-2, "float32": 1e-5, "complex64": 1e-5, "float8_e4m3fn": 0.3}


def ppermute(x):
    return lax.ppermute(x, "i", [(d, (d + 3) % 8) for d in range(8)]), lax.ppermute(x, "i", [(0, 1), (1, 2)])


def gathers(x):
    return (
        lax.all_gather(x, "i"),
        lax.all_gather(x, "i", axis=1, tiled=True),
        lax.all_gather(x, "i", axis_index_groups=GROUPS),
    )


def exchanges(x):
    wide = jnp.concatenate([x] * 8, 1)
    return (
        lax.all_to_all(wide, "i", 1, 0, tiled=True),
        lax.all_to_all(wide, "i", 1, 1, tiled=True),
        lax.all_to_all(wide[:, :4], "i", 1, 2, axis_index_groups=GROUPS),
    )


MOVES = {"ppermute": ppermute, "gathers": gathers, "exchanges": exchanges}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", list(MOVES))
def test_moves(name, dtype):
    """Bytes are moved: the same bits for every type."""
    x = numbers((16, 3, 2), dtype)
    assert_same(*on_both(MOVES[name], [x], (P("i"),), P("i")))


def sums(x):
    return (
        lax.psum(x, "i"),
        lax.psum(x, "i", axis_index_groups=GROUPS),
        lax.psum_scatter(jnp.concatenate([x] * 8), "i", tiled=True),
        lax.psum_scatter(jnp.stack([x] * 8, 1), "i", scatter_dimension=1),
    )


@pytest.mark.parametrize("dtype", [t for t in TYPES if t != "bool"])
def test_sums(dtype):
    assert_same(*on_both(sums, [numbers((16, 3), dtype)], (P("i"),), P("i")), TOLERANCE.get(dtype, 0))


@pytest.mark.parametrize("dtype", [t for t in TYPES if t not in ("bool", "complex64")])
def test_extremes(dtype):
    def extremes(x):
        return lax.pmax(x, "i"), lax.pmin(x, "i"), lax.pmax(x, "i", axis_index_groups=GROUPS)

    assert_same(*on_both(extremes, [numbers((16, 3), dtype)], (P("i"),), P("i")))


ORDER = [3, 1, 2, 0, 4, 5, 6, 7]  # of the group
REDUCERS = {
    "multiply": lambda x: x.prod(0),
    "and": lambda x: np.bitwise_and.reduce(x),
    "or": lambda x: np.bitwise_or.reduce(x),
    "xor": lambda x: np.bitwise_xor.reduce(x),
    "subtract": lambda x: x[0] - x[1:].sum(0),  # neither commutative nor associative: in the order of the group
}


def reducing_module(reducer, element, size):
    """A module over 8 partitions whose all_reduce and reduce_scatter have a reducer that JAX has no function for."""
    region = f"""({{^bb0(%a: tensor<{element}>, %b: tensor<{element}>):
        %r = stablehlo.{reducer} %a, %b : tensor<{element}>
        stablehlo.return %r : tensor<{element}> }})"""
    attributes = f"""replica_groups = dense<[{ORDER}]> : tensor<1x8xi64>, use_global_device_ids,
        channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>"""
    x, part = f"tensor<{size}x{element}>", f"tensor<{size // 8}x{element}>"
    return f"""module attributes {{mhlo.num_partitions = 8 : i32}} {{
      sdy.mesh @mesh = <["i"=8]>
      func.func public @main(%g: tensor<{8 * size}x{element}> {{sdy.sharding = #sdy.sharding<@mesh, [{{"i"}}]>}})
          -> (tensor<{8 * size}x{element}> {{sdy.sharding = #sdy.sharding<@mesh, [{{"i"}}]>}},
              tensor<{size}x{element}> {{sdy.sharding = #sdy.sharding<@mesh, [{{"i"}}]>}}) {{
        %m:2 = sdy.manual_computation(%g) in_shardings=[<@mesh, [{{"i"}}]>]
            out_shardings=[<@mesh, [{{"i"}}]>, <@mesh, [{{"i"}}]>] manual_axes={{"i"}} (%x: {x}) {{
          %0 = "stablehlo.all_reduce"(%x) <{{{attributes}}}> {region} : ({x}) -> {x}
          %1 = "stablehlo.reduce_scatter"(%x) <{{scatter_dimension = 0 : i64, {attributes}}}> {region} : ({x}) -> {part}
          sdy.return %0, %1 : {x}, {part}
        }} : (tensor<{8 * size}x{element}>) -> (tensor<{8 * size}x{element}>, tensor<{size}x{element}>)
        return %m#0, %m#1 : tensor<{8 * size}x{element}>, tensor<{size}x{element}>
      }}
    }}"""


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "complex64"])
@pytest.mark.parametrize("reducer", list(REDUCERS))
def test_any_reducer(reducer, dtype):
    if reducer in ("and", "or", "xor") and np.dtype(dtype).kind not in "iu":
        return
    element = {"int32": "i32", "uint8": "ui8", "float32": "f32", "complex64": "complex<f32>"}[dtype]
    x = numbers((8, 16), dtype)
    whole, parts = run_module(reducing_module(reducer, element, 16), [x.reshape(-1)])
    expected = REDUCERS[reducer](x[ORDER])
    assert_same([whole.reshape(8, 16)], [np.tile(expected.astype(x.dtype), (8, 1))], 1e-5)
    in_order = np.empty_like(expected, x.dtype).reshape(8, 2)
    in_order[ORDER] = expected.reshape(8, 2)
    assert_same([parts.reshape(8, 2)], [in_order], 1e-5)


def test_partial_sums_of_uneven_groups():
    uneven = [[0, 1, 2], [3, 4, 5, 6, 7]]
    x = numbers((8, 5), "float32")
    (found,) = sharded(lambda x: lax.psum(x, "i", axis_index_groups=uneven), mesh_on("ascend"), (P("i"),), P("i"))(
        *place(mesh_on("ascend"), (P("i"),), [x])
    )[None]
    for group in uneven:
        np.testing.assert_allclose(np.asarray(found)[group], np.tile(x[group].sum(0), (len(group), 1)), rtol=1e-6)


def test_collectives_of_nothing():
    def nothing(x):
        return lax.psum(x, "i"), lax.all_gather(x, "i"), lax.ppermute(x, "i", [(0, 1)])

    assert_same(*on_both(nothing, [np.zeros((8, 0, 3), np.float32)], (P("i"),), P("i")))


def test_over_axes_of_a_mesh():
    def over_axes(x):
        return (
            lax.psum(x, "a"),
            lax.psum(x, ("b", "c")),
            lax.all_gather(x, ("c", "a"), tiled=True),
            lax.all_gather(x, ("a", "b", "c")),
            x + lax.axis_index(("c", "a")),
            lax.psum_scatter(jnp.concatenate([x] * 4), ("b", "a"), tiled=True),
        )

    spec = (P(("a", "b", "c")),)
    for order in (None, [5, 2, 7, 0, 3, 1, 6, 4]):
        found = on_both(over_axes, [numbers((16, 3), "float32")], spec, P(("a", "b", "c")), (2, 2, 2), "abc", order)
        assert_same(*found, 1e-5)


def test_loops_and_branches():
    def loops(x):
        def body(state):
            step, y = state
            return step + 1, lax.psum(y, "i") / 8 + lax.axis_index("i")

        _, y = lax.while_loop(lambda s: s[0] < 5, body, (0, x))
        total = lax.scan(lambda c, v: (lax.pmax(c, "i") + v, lax.ppermute(c, "i", [(0, 1), (1, 0)])), x[0], x)
        chosen = lax.cond(lax.psum(x.sum(), "i") > 0, lambda v: lax.psum(v, "i"), lambda v: v * lax.pmax(v, "i"), x)
        return y, *total, chosen

    assert_same(*on_both(loops, [numbers((16, 3), "float32")], (P("i"),), P("i")), 1e-5)


def test_the_number_of_the_device_in_a_loop():
    def counted(x):
        return lax.fori_loop(0, 5, lambda i, c: c + lax.axis_index("i") + i.astype(jnp.uint32).astype(jnp.int32), x)

    assert_same(*on_both(counted, [numbers((8, 2), "int32")], (P("i"),), P("i")))


def test_groups_that_take_different_branches():
    """Each device of the upper half makes a trip more, and exchanges with its own half only."""

    def halves(x):
        upper = lax.axis_index("i") // 4

        def body(state):
            step, y = state
            return step + 1, lax.psum(y, "i", axis_index_groups=[[0, 1, 2, 3], [4, 5, 6, 7]])

        return lax.while_loop(lambda s: s[0] < 2 + upper, body, (0, x))[1]

    mesh = mesh_on("ascend")
    x = np.ones((8, 3), np.float32)
    found = sharded(halves, mesh, (P("i"),), P("i"))(*place(mesh, (P("i"),), [x]))
    np.testing.assert_array_equal(found, np.repeat([[16.0], [64.0]], 4, 0) * x)


def test_derivatives_and_batches():
    def loss(w, x):
        return lax.pmean(jnp.sum(jnp.tanh(x @ w) ** 2), "i")

    def both(w, x):
        value, grad = jax.value_and_grad(loss)(w, x)
        batched = jax.vmap(lambda v: lax.psum(v * 2, "i"), spmd_axis_name=None)(x)
        return value[None], lax.pmean(grad, "i")[None], batched

    arrays = [numbers((4, 5), "float32"), numbers((16, 4), "float32", 1)]
    assert_same(*on_both(both, arrays, (P(), P("i")), P("i")), 1e-5)


def test_broadcasts():
    """XLA:CPU has none."""
    mesh = mesh_on("ascend")
    x = numbers((16, 3), "float32")
    found = sharded(lambda v: lax.pbroadcast(v, "i", 5), mesh, (P("i"),), P("i"))(*place(mesh, (P("i"),), [x]))
    np.testing.assert_array_equal(np.asarray(found), np.tile(x[10:12], (8, 1)))


def test_ragged_all_to_all():
    """Device d sends d + 1 rows, of which the receivers get one after the other."""

    def ragged(x, out):
        me, count = lax.axis_index("i"), 8
        sizes = jnp.full((count,), 1, jnp.int32)
        starts = (jnp.arange(count, dtype=jnp.int32) + me) % 16
        return lax.ragged_all_to_all(x, out, starts, sizes, jnp.full((count,), me, jnp.int32), sizes, axis_name="i")

    mesh = mesh_on("ascend")
    x, out = numbers((8 * 16, 3), "float32"), np.zeros((8 * 10, 3), np.float32)
    found = np.asarray(sharded(ragged, mesh, (P("i"), P("i")), P("i"))(*place(mesh, (P("i"), P("i")), [x, out])))
    expected = np.zeros((8, 10, 3), np.float32)
    for source in range(8):
        for target in range(8):
            expected[target, source] = x.reshape(8, 16, 3)[source, (target + source) % 16]
    np.testing.assert_array_equal(found.reshape(8, 10, 3), expected)


def test_the_order_of_sums_is_fixed():
    """The same bits on every device and in every run, whatever the delays."""
    import importlib

    plugin = importlib.import_module("jax_ascend._plugin")
    mesh = mesh_on("ascend")
    f = sharded(lambda x: (lax.psum(x, "i"), lax.psum_scatter(x.T, "i", tiled=True)), mesh, (P("i"),), P("i"))
    (x,) = place(mesh, (P("i"),), [numbers((64, 8), "float32")])
    first = [np.asarray(r).tobytes() for r in f(x)]
    plugin.set_delays(1, 200)
    try:
        for _ in range(100):
            assert [np.asarray(r).tobytes() for r in f(x)] == first
    finally:
        plugin.set_delays(0, 0)

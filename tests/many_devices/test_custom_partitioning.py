"""Functions that say themselves what each device does (jax.experimental.custom_partitioning), against XLA:CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import NamedSharding
from meshes import P, mesh_on, numbers

told = []  # the specs that the functions were given


@custom_partitioning
def sort_rows(x):
    return jnp.sort(x, axis=1)


def _rows(mesh, arguments, result):
    told.append((arguments[0].sharding.spec, result.sharding.spec))
    spec = P(*tuple(arguments[0].sharding.spec)[:1], None)
    return mesh, lambda x: jnp.sort(x, axis=1), NamedSharding(mesh, spec), (NamedSharding(mesh, spec),)


sort_rows.def_partition(partition=_rows, sharding_rule="i j -> i j", need_replication_factors=("j",))


@custom_partitioning
def moments(x):
    """Return the sum over rows, and x less its column's mean."""
    return x.sum(0), x - x.mean(0)


def _summed(mesh, arguments, results):
    rows, _ = arguments[0].sharding.spec
    height = arguments[0].shape[0]

    def on_each(x):
        total = jax.lax.psum(x.sum(0), rows) if rows else x.sum(0)
        return total, x - total / height

    cut, whole = NamedSharding(mesh, P(rows, None)), NamedSharding(mesh, P(None))
    return mesh, on_each, (whole, cut), (cut,)


moments.def_partition(
    partition=_summed, sharding_rule="i j -> j, i j", need_replication_factors=("j",), reduction_factors=()
)


def in_a_loop(x):
    return jax.lax.scan(lambda c, _: (sort_rows(-c), c.sum()), x, None, length=3)


def mixed(x):
    total, centred = moments(jnp.sin(x))
    return sort_rows(centred.T).T + total


FUNCTIONS = [sort_rows, moments, in_a_loop, mixed, lambda x: jax.jit(sort_rows)(x) + 1]


@pytest.mark.parametrize("spec", [P("i", "j"), P("j"), P(("j", "i")), P(None, "i"), P()], ids=str)
@pytest.mark.parametrize("function", FUNCTIONS, ids=["sorted", "moments", "loop", "mixed", "call"])
def test_of_one_device(function, spec):
    x = numbers((16, 8))
    with jax.default_device(jax.devices("cpu")[0]):
        expected = jax.jit(function)(x)
    mesh = mesh_on("ascend", (4, 2), "ij")
    with jax.set_mesh(mesh):
        got = jax.jit(function)(jax.device_put(x, NamedSharding(mesh, spec)))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), 1e-5, 1e-5)


def test_what_the_function_is_told():
    mesh = mesh_on("ascend", (4, 2), "ij")
    seen = {}
    for platform in ("ascend", "cpu"):
        told.clear()
        mesh = mesh_on(platform, (4, 2), "ij")
        x = jax.device_put(numbers((16, 8)), NamedSharding(mesh, P("i", "j")))
        result = jax.jit(lambda x: sort_rows(x * 2))(x)
        seen[platform] = list(told), result.sharding.spec
    assert seen["ascend"] == seen["cpu"]


def test_what_it_raises():
    @custom_partitioning
    def f(x):
        return x

    def broken(mesh, arguments, result):
        raise RuntimeError("no way to divide it")

    f.def_partition(partition=broken, sharding_rule="i j -> i j")
    mesh = mesh_on("ascend", (4, 2), "ij")
    with pytest.raises(jax.errors.JaxRuntimeError, match="no way to divide it"):
        jax.jit(f)(jax.device_put(numbers((16, 8)), NamedSharding(mesh, P("i"))))


def test_shapes_that_do_not_fit():
    @custom_partitioning
    def f(x):
        return x

    def wrong(mesh, arguments, result):
        return mesh, lambda x: x[:1], arguments[0].sharding, (arguments[0].sharding,)

    f.def_partition(partition=wrong, sharding_rule="i j -> i j")
    mesh = mesh_on("ascend", (4, 2), "ij")
    with pytest.raises(jax.errors.JaxRuntimeError, match="Mismatch in result shapes"):
        jax.jit(f)(jax.device_put(numbers((16, 8)), NamedSharding(mesh, P("i"))))

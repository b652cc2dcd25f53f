"""jax.debug.inspect_array_sharding inside of a program: the function is told what it is told on XLA:CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P


def seen_on(platform, function, shape, spec, sizes=(4, 2)):
    """Run function(x, inspect) on eight devices; returns the shards' indices that `inspect` was shown, in order."""
    mesh = Mesh(np.array(jax.devices(platform)[:8]).reshape(sizes), ("x", "y"))
    seen = []
    x = jax.device_put(np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape), NamedSharding(mesh, spec))

    def inspect(value):
        shape = value.shape
        show = lambda sharding: seen.append([*sharding.devices_indices_map(shape).values()])  # noqa: E731
        jax.debug.inspect_array_sharding(value, callback=show)

    result = jax.jit(lambda x: function(x, inspect, mesh))(x)
    return seen, np.asarray(result)


def computed(x, inspect, mesh):
    inspect(x * 2)
    return x


def transposed(x, inspect, mesh):
    y = jnp.sin(x).T
    inspect(y)
    return y + 1


def constrained(x, inspect, mesh):
    y = jax.lax.with_sharding_constraint(x + 1, NamedSharding(mesh, P(("y", "x"), None)))
    inspect(y)
    return y


def in_a_loop(x, inspect, mesh):
    def step(carry, _):
        inspect(carry)
        return carry + 1, None

    return jax.lax.scan(step, x, None, length=3)[0]


def scalar(x, inspect, mesh):
    inspect(x.sum())
    return x


@pytest.mark.parametrize("spec", [P("x", "y"), P("y"), P(None, ("x", "y")), P()], ids=str)
@pytest.mark.parametrize("function", [computed, transposed, constrained, in_a_loop, scalar])
def test_the_function_is_told(function, spec):
    seen, result = seen_on("ascend", function, (8, 16), spec)
    expected, value = seen_on("cpu", function, (8, 16), spec)
    assert seen == expected and len(seen) == 1
    np.testing.assert_allclose(result, value, 1e-6)


def test_of_an_array():
    mesh = Mesh(np.array(jax.devices("ascend")[:8]), ("i",))
    x, seen = jax.device_put(np.ones((8, 4)), NamedSharding(mesh, P("i"))), []
    jax.debug.inspect_array_sharding(x, callback=seen.append)
    assert seen == [x.sharding]


def test_what_it_raises_ends_the_compilation():
    def f(x):
        jax.debug.inspect_array_sharding(x * 2, callback=lambda sharding: 1 / 0)
        return x

    mesh = Mesh(np.array(jax.devices("ascend")[:8]), ("i",))
    x = jax.device_put(np.ones((8, 4)), NamedSharding(mesh, P("i")))
    with pytest.raises(jax.errors.JaxRuntimeError, match="division by zero"):
        jax.jit(f)(x)

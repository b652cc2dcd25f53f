"""How values are cut where several ways are right: what costs least to exchange."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractMesh, NamedSharding
from jax.sharding import PartitionSpec as P

import jax_ascend

MESH = AbstractMesh((4, 2), ("data", "model"))
COLLECTIVES = ("all_gather", "all_reduce", "reduce_scatter", "all_to_all", "collective_permute")


def exchanges(function, *arguments):
    """Return how often the program of a function does each exchange. An argument is a shape with its PartitionSpec."""
    given = [jax.ShapeDtypeStruct(s, jnp.float32, sharding=NamedSharding(MESH, spec)) for s, spec in arguments]
    found = jax_ascend.estimate(jax.jit(function), *given)
    assert found.devices == 8
    return {row.name: row.launches for row in found.kernels if row.core == "links"}


def constrained(x, *spec):
    return jax.lax.with_sharding_constraint(x, NamedSharding(MESH, P(*spec)))


def test_values_in_a_barrier_keep_what_cuts_each():
    """The barrier that jax.checkpoint sets holds an activation and a weight, both cut by the same axis."""
    assert not exchanges(
        lambda *xs: jax.lax.optimization_barrier(xs), ((8, 6), P("data")), ((4, 4), P("data", "model"))
    )


@pytest.mark.parametrize("after", [lambda x: x, lambda x: x * 2])
def test_a_sum_is_scattered_though_a_constraint_stands_between(after):
    """As in the gradient of a constraint that brings an operand of a product together."""

    def function(x, w):
        whole = after(constrained(constrained(x @ w, "data", None), "data", "model"))
        return constrained(whole, "data", "model")

    found = exchanges(function, ((8, 16), P("data", "model")), ((16, 8), P("model", None)))
    assert found == {"reduce_scatter": 1}


def test_a_sum_that_two_need_is_made_once():
    def function(x, w):
        y = constrained(x @ w, "data", None)
        return constrained(jnp.tanh(y), "data", "model"), jnp.sin(y)

    found = exchanges(function, ((8, 16), P("data", "model")), ((16, 8), P("model", None)))
    assert found == {"all_reduce": 1}

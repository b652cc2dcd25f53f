"""Collective operations on a mesh of one device: what shard_map and pmap code needs to run at all."""

import functools

import jax
import jax.numpy as jnp
import pytest
from case import case, checks, verify
from jax import lax
from jax.sharding import Mesh, PartitionSpec


def over_one_device(function):
    """Wrap `function` in shard_map over a mesh of the first device of the default platform."""

    @functools.wraps(function)
    def sharded(x):
        mesh = Mesh([jax.config.jax_default_device or jax.devices()[0]], "i")
        spec = PartitionSpec("i")
        return jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)(x)

    return sharded


@over_one_device
def collectives(x):
    return (
        lax.psum(x, "i") + lax.pmax(x, "i"),
        lax.all_gather(x, "i", tiled=True) * 2,
        lax.psum_scatter(x, "i", tiled=True),
        lax.all_to_all(x, "i", 0, 0, tiled=True) + 1,
        lax.ppermute(x, "i", [(0, 0)]),
        jnp.broadcast_to(lax.axis_index("i"), (1,)),
    )


@over_one_device
def data_parallel(x):
    return x - lax.pmean(x, "i") * 0.5


CASES = [
    case("collectives", collectives, "f32[4,6]", eager=False),
    case("data parallel", data_parallel, "f32[4,6]", eager=False, grad=True),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_collectives(check):
    verify(check)

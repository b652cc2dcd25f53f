"""What JAX's own reader makes of the shardings that programs carry."""

import numpy as np
import pytest
from jax._src.lib import xla_client

from jax_ascend.compiler.graph.sharding import Mesh, Sharding
from jax_ascend.compiler.partition.op_sharding import op_sharding

ORDERED = Mesh((4, 2), tuple(range(8)), ("x", "y"))
PERMUTED = Mesh((4, 2), (3, 1, 0, 2, 7, 5, 6, 4), ("x", "y"))
DIMS = [((), ()), ((0,), (1,)), ((1,), ()), ((), (1, 0)), ((0, 1), ()), ((), (0,))]


def test_terms_are_unreduced():
    message = xla_client.OpSharding()
    message.ParseFromString(op_sharding(Sharding(ORDERED, ((1,), ()), (0,))))
    assert message.last_tile_dims == [xla_client.OpSharding.Type.UNREDUCED]
    assert list(message.tile_assignment_dimensions) == [2, 1, 4]
    message.ParseFromString(op_sharding(Sharding(ORDERED, ((), ()), (0,))))
    assert message.last_tile_dims == [xla_client.OpSharding.Type.UNREDUCED, xla_client.OpSharding.Type.REPLICATED]
    assert list(message.tile_assignment_dimensions) == [1, 1, 4, 2]


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("mesh", [ORDERED, PERMUTED], ids=["ordered", "permuted"])
def test_reads_as_it_lies(mesh, dims):
    sharding = Sharding(mesh, dims)
    message = xla_client.OpSharding()
    message.ParseFromString(op_sharding(sharding))
    read = xla_client.HloSharding.from_proto(message)
    assert read.is_replicated() == (not sharding.axes)
    if read.is_replicated():
        return
    tiles = np.array(read.tile_assignment_devices()).reshape(read.tile_assignment_dimensions())
    for device in range(8):
        where = [int(mesh.index(axes)[device]) for axes in dims]
        assert device in np.atleast_1d(tiles[tuple(where)])

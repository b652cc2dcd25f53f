"""From every sharding of a value to every other, and what that sends."""

from itertools import product

import graph_reference
import lockstep
import numpy as np
import pytest

from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.graph.graph import Graph, TensorType
from jax_ascend.compiler.graph.module import Module
from jax_ascend.compiler.graph.sharding import Mesh, Sharding
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.partition import partition

assert graph_reference
MESHES = [Mesh((2, 2), (0, 1, 2, 3), ("a", "b")), Mesh((2, 3), (5, 0, 3, 1, 2, 4), ("a", "b"))]


def shardings(mesh):
    """Return all shardings of a matrix."""
    places = product((None, 0, 1), repeat=len(mesh.sizes))
    for place in places:
        for order in ((0, 1), (1, 0)):
            yield Sharding(mesh, tuple(tuple(a for a in order if place[a] == d) for d in range(2)))


def moved(shape, mesh, before, after):
    """Return the module that takes a matrix from one sharding to another."""
    graph = Graph("main")
    x = graph.argument(TensorType(shape, DType.f32))
    steps = [x]
    for sharding in (before, after):
        steps.append(graph.add(ops.Reshard([steps[-1]], sharding), x.type))
    graph.results = [graph.add(ops.Unary([steps[-1]], "neg"), x.type)]
    module = Module("m", graph, [None], [], len(mesh.devices), mesh=mesh, result_shardings=[None])
    partition(module)
    module.main.verify()
    return module


@pytest.mark.parametrize("shape", [(12, 6), (5, 7), (1, 4), (0, 3)])
@pytest.mark.parametrize("mesh", MESHES, ids=["square", "permuted"])
def test_every_pair(mesh, shape):
    x = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    for before, after in product(set(shardings(mesh)), repeat=2):
        (got,), _ = lockstep.run(moved(shape, mesh, before, after), [x])
        np.testing.assert_array_equal(got, -x, err_msg=f"{before} -> {after}")


CASES = {
    "slice": (((), ()), ((0,), (1,)), []),
    "gather": (((0,), (1,)), ((0,), ()), ["all_gather"]),
    "all_to_all": (((0,), (1,)), ((0, 1), ()), ["all_to_all"]),
    "permute": (((0,), ()), ((1,), ()), ["collective_permute"]),
    "exchange": (((0,), (1,)), ((1,), (0,)), ["collective_permute"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_sent(name):
    before, after, expected = CASES[name]
    mesh = MESHES[0]
    module = moved((8, 8), mesh, Sharding(mesh, before), Sharding(mesh, after))
    found = [op.name for op in module.main.ops if op.name.startswith(("all_", "collective_"))]
    assert found == expected


def test_who_has_its_part_already_keeps_it():
    mesh = Mesh((2, 2), (0, 1, 2, 3), ("a", "b"))
    module = moved((8, 8), mesh, Sharding(mesh, ((0,), ())), Sharding(mesh, ((1,), ())))
    (permute,) = (op for op in module.main.ops if isinstance(op, ops.CollectivePermute))
    assert sorted(permute.groups) == [(0, 0), (1, 2), (2, 1), (3, 3)]

"""Donated parameters for which the compiler chooses a result."""

from jax_ascend.compiler.graph.graph import Graph, TensorType
from jax_ascend.compiler.graph.module import Module
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.passes.alias_donors import alias_donors

F8, F4, I8 = TensorType((8,), DType.f32), TensorType((4,), DType.f32), TensorType((8,), DType.i32)


def decided(parameters, results, donated, aliases=None, **memories):
    """Return aliases and donated parameters of a module whose results are its parameters by number."""
    graph = Graph("main")
    arguments = [graph.argument(t) for t in parameters]
    graph.results = [arguments[r] for r in results]
    module = Module("m", graph, aliases or [None] * len(results), donated, **memories)
    alias_donors(module, None)
    return module.aliases, module.donated


def test_a_result_of_the_same_type_takes_over():
    assert decided([F4, F8, F8], [2, 0], [1]) == ([1, None], [1])


def test_one_of_the_same_size_consumes_and_one_of_no_result_is_kept():
    assert decided([F8, I8, F4], [0], [1, 2]) == ([None], [1])
    assert decided([F8, F8, F8], [0], [0, 1, 2]) == ([0], [0])


def test_what_is_decided_stays():
    assert decided([F8, F8], [0, 1], [0, 1], [1, None]) == ([1, 0], [0, 1])


def test_memories_differ():
    memories = {"parameter_memories": ["pinned_host", ""], "result_memories": ["device", "device"]}
    assert decided([F8, F8], [0, 1], [0, 1], **memories) == ([1, None], [1])

"""Rewrite a program over whole values to the one that each device runs on its parts.

    graph @main(%a: f32[8,16]{x,-}, %b: f32[16,4]{-,y})      ->  graph @main(%a: f32[2,16], %b: f32[16,2])
      %0: f32[8,4]{x,y} = dot(%a, %b)                              %0: f32[2,2] = dot(%a, %b)

What the frontend says of values are wishes: an op is divided as its plan allows (`rules`), operands are brought to where it
needs them (`reshard`), and only the program's parameters and results lie as they are said to. So no wish can make a value
wrong. Calls are inlined here, as two calls of a function may be cut along different axes.
"""

from __future__ import annotations

import logging

from ..errors import UnsupportedOpsError
from ..graph.graph import Graph
from ..graph.module import Module
from ..graph.sharding import replicated
from .partitioner import Partitioner

_LOG = logging.getLogger("jax_ascend.partition")


def partition(module: Module, target: object = None) -> None:
    """Turn a module over several devices into what each of them runs, in place; others stay as they are.

    Raises UnsupportedOpsError for ops that cannot be divided.
    """
    if module.mesh is None:
        return
    source = module.main
    p = Partitioner(module.mesh, Graph(source.name))
    for number, argument in enumerate(source.arguments):
        sharding = argument.sharding or replicated(module.mesh, argument.type.rank)
        assert sharding.is_even(argument.shape), f"[partition] Shardy cuts parameter {number} unevenly"
        p.define(argument, p.graph.argument(p.part_type(argument, sharding)), sharding)
    p.count_uses(source)
    p.run(source)
    for number, (result, wanted) in enumerate(zip(source.results, module.result_shardings, strict=True)):
        elsewhere = wanted is not None and wanted.mesh != p.mesh and wanted.is_even(result.shape)
        sharding = wanted if elsewhere else p.usable(wanted, result.shape, even=True, terms=True)
        sharding = sharding or p.usable(p.cut_of(result), result.shape, even=True)
        assert sharding is not None, "[partition] pieces lie on the mesh of the program"
        module.result_shardings[number] = sharding
        p.graph.results.append(p.get(result, sharding))
    module.parameter_shardings = [p.piece(a).sharding for a in source.arguments]
    module.main, module.notes = p.graph, p.notes
    for number, alias in enumerate(module.aliases):  # who has no part to take over is a donor as any other
        if alias is not None and p.graph.arguments[alias].type != p.graph.results[number].type:
            module.aliases[number] = None
    for note in p.notes:
        _LOG.info("[partition, module %s] %s", module.name, note)
    if p.refused:
        raise UnsupportedOpsError(module.name, p.refused)

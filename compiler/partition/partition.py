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
    _donate(module)
    for note in p.notes:
        _LOG.info("[partition, module %s] %s", module.name, note)
    if p.refused:
        raise UnsupportedOpsError(module.name, p.refused)


def _donate(module: Module) -> None:
    """Let every donated parameter give its storage to a result whose part has its type.

    It is consumed, as by XLA, if there is a result of its size for it.
    """
    graph, kinds = module.main, (module.parameter_memories, module.result_memories)

    def fits(parameter: int, result: int) -> bool:
        same = graph.arguments[parameter].type == graph.results[result].type
        return same and kinds[0][parameter] == kinds[1][result]

    for result, parameter in enumerate(module.aliases):
        if parameter is not None and not fits(parameter, result):
            module.aliases[result] = None
    taken = {r for r, alias in enumerate(module.aliases) if alias is not None}
    kept: list[int] = []
    for parameter in module.donated:
        if parameter not in module.aliases:
            size = graph.arguments[parameter].type.bytes
            free = [r for r, v in enumerate(graph.results) if r not in taken and v.type.bytes == size]
            result = next((r for r in free if fits(parameter, r)), next(iter(free), None))
            if result is None:
                continue
            taken.add(result)
            module.aliases[result] = parameter if fits(parameter, result) else None
        kept.append(parameter)
    module.donated = kept

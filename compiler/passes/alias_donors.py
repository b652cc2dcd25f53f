"""Give the storage of donated parameters to results, where JAX leaves it to the compiler which.

parameters f32[8] (donated), f32[3] (donated); results f32[8]   ->   result 0 takes over parameter 0, parameter 1 is kept

It does so for programs over several devices, as it does not know how large their parts are. A parameter that has a result's size, but not
its type, is consumed without being taken over; one that has no result's size is not consumed at all, as with XLA.
"""

from __future__ import annotations

from ..graph.module import Module
from ..targets import memory_kind


def alias_donors(module: Module, target: object) -> None:
    """Decide for every donated parameter that no result takes over yet, in place."""
    parameters, results = module.main.arguments, module.main.results
    free = [i for i, alias in enumerate(module.aliases) if alias is None]
    kept: list[int] = []
    for number in module.donated:
        if number in module.aliases:
            kept.append(number)
            continue
        type, memory = parameters[number].type, memory_kind(module.parameter_memories[number])
        there = [i for i in free if memory_kind(module.result_memories[i]) is memory and type.bytes]
        same_type = (i for i in there if results[i].type == type)
        found = next(same_type, next((i for i in there if results[i].type.bytes == type.bytes), None))
        if found is None:
            continue
        kept.append(number)
        free.remove(found)
        if results[found].type == type:
            module.aliases[found] = number
    module.donated = kept

"""Functions of the user's that take part in a compilation over several devices, and the importer of those that divide.

y = custom_call @CustomSPMDPartitioning(x)    x: f32[8,4]{i,-}, says Shardy    ->   y = manual(x) over i: what `divide` returned
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import sdy

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import Graph, TensorType, Value
from ..graph.sharding import Sharding, replicated
from .deserialize import deserialize
from .scope import ModuleState, Scope

Lying = tuple[TensorType, Sharding]


@dataclass(frozen=True)
class UserFunctions:
    """What the compiler calls.

    Attributes:
        inspect: takes the number of a function, and how the value lies that it asks for: None is whole on every device.
        divide: takes the name of a function of `custom_partitioning`, and what its operands and results are and how they lie.
            Returns what each device does, as a module, and how its operands and results have to lie. Raises LookupError if it does
            not know the function.
    """

    inspect: Callable[[int, Sharding | None], None]
    divide: Callable[[str, list[Lying], list[Lying]], tuple[bytes, list[Sharding], list[Sharding]]]


def divided_call(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the call of a function that says itself what each device does, in a program over several."""
    shardings = scope.module.shardings
    functions = scope.module.functions_of_the_user
    attributes: Any = op.attributes
    parent: Any = op.operation.parent
    while parent is not None:
        if parent.name == "sdy.manual_computation":
            raise UnsupportedOp(
                "a function with custom_partitioning in a computation that is manual along some axes only"
            )
        parent = parent.parent
    if shardings is None or functions is None or "backend_config" not in attributes:
        raise UnsupportedOp("a function with custom_partitioning in a program that is compiled without JAX")
    operands, types = scope.operands(op), scope.result_types(op)

    def lying(type: TensorType, attribute: Any) -> Lying:
        found = shardings.read(attribute) if attribute is not None else None
        fits = found is not None and found.mesh == shardings.mesh and not found.partial and found.is_even(type.shape)
        return type, found if found is not None and fits else replicated(shardings.mesh, type.rank)

    given = [lying(value.type, sharding_of(v)) for value, v in zip(operands, op.operands)]
    made = [lying(type, sharding_of(v)) for type, v in zip(types, op.results)]
    try:
        text, ins, outs = functions.divide(attributes["backend_config"].value, given, made)
    except LookupError:
        raise UnsupportedOp("a function with custom_partitioning that another process has lowered") from None
    for type, sharding in zip([v.type for v in operands] + types, ins + outs):
        if not sharding.is_even(type.shape):
            raise UnsupportedOp(f"custom_partitioning cuts {type} into unequal parts")
    body = _body(scope.module, deserialize(text))
    every_axis = tuple(range(len(shardings.mesh.sizes)))
    return scope.emit_op(ops.ManualComputation(operands, body, every_axis, tuple(ins), tuple(outs)), types)


def _body(outer: ModuleState, module: ir.Module) -> Graph:
    """Return the function of a module for one device."""
    state = ModuleState(outer.importers, outer.refused, outer.num_partitions, outer.num_replicas, outer.handlers)
    state.read(module)
    scope = Scope(state, Graph("manual"), {})
    scope.fill(state.functions["main"].regions[0].blocks[0])
    outer.unsupported += state.unsupported
    return scope.graph


def sharding_of(value: ir.Value) -> Any:
    """Return Shardy's attribute of an MLIR value, None if it says nothing."""
    owner: Any = value.owner
    if isinstance(owner, ir.Block):
        number: int = ir.BlockArgument(value).arg_number
        owner = owner.owner.operation
        if owner.name == "func.func":
            found = _entry(_entry(owner.attributes, "arg_attrs"), number)
            return _entry(found, "sdy.sharding")
        if owner.name != "stablehlo.while":  # whose results lie as what it carries
            return None
    else:
        number = ir.OpResult(value).result_number
    of_all = _entry(owner.attributes, "sdy.sharding")
    return None if of_all is None else _entry(sdy.TensorShardingPerValueAttr(of_all).shardings, number)


def _entry(found: Any, key: str | int) -> Any:
    """Return an entry of a list or of a dictionary of attributes, None without."""
    if found is None or (key not in found if isinstance(key, str) else key >= len(found)):
        return None
    return found[key]

"""From a StableHLO module to a Graph module.

Every function becomes a Graph once; calls stay Calls (the pass inline_calls decides). All ops that are not
accepted are collected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jaxlib.mlir import ir

from ..errors import ModuleFormatError, Refusal, UnsupportedOp, UnsupportedOpsError
from ..graph.graph import Graph, Value
from ..graph.module import Module
from ..graph.sharding import Sharding
from . import (
    collectives,
    control,
    dynamic,
    elementwise,
    indexing,
    irregular,
    lapack,
    legacy,
    linalg,
    normalization,
    reduction,
    shape,
)
from .scope import Importer, ModuleState, Scope
from .shardings import GSPMD, Shardings, propagate
from .user_functions import UserFunctions

_FAMILIES = (
    collectives,
    control,
    dynamic,
    elementwise,
    indexing,
    irregular,
    lapack,
    legacy,
    linalg,
    normalization,
    reduction,
    shape,
)
IMPORTERS: dict[str, Importer] = {name: run for family in _FAMILIES for name, run in family.IMPORTERS.items()}


def accepted_ops() -> frozenset[str]:
    """Return the names of the StableHLO (and sdy, func) ops the frontend imports."""
    return frozenset(IMPORTERS)


def module_name(module: ir.Module) -> str:
    """Return a module's name, which can be any text."""
    attributes: Any = module.operation.attributes
    return attributes["sym_name"].value if "sym_name" in attributes else "module"


def import_module(
    module: ir.Module,
    refused: list[Refusal] | None = None,
    handlers: Mapping[str, str] | None = None,
    functions: UserFunctions | None = None,
) -> Module:
    """Import a StableHLO module; the MLIR module is not needed afterwards.

    Ops that are not accepted are added to `refused`, with zeros for their results, so that passes can look for more;
    without a list they are raised as an UnsupportedOpsError. `handlers` are the registered targets of custom calls, each
    with the reason why it cannot be called, or "". `functions` take part in the compilation.
    """
    attributes: Any = module.operation.attributes
    name = module_name(module)
    counts = [
        int(attributes[key].value) if key in attributes else 1 for key in ("mhlo.num_partitions", "mhlo.num_replicas")
    ]
    state = ModuleState(IMPORTERS, control.REFUSED, counts[0], counts[1], handlers or {})
    state.functions_of_the_user = functions
    state.read(module)
    if counts[0] > 1:
        text = module.operation.get_asm(large_elements_limit=1, enable_debug_info=False)
        state.shardings = Shardings(state.meshes, counts[0], str(text))
    main = state.functions.get("main") or next(iter(state.functions.values()), None)
    if main is None:
        raise ModuleFormatError(f"[frontend, module {name}] has no function; expected a public function @main")
    scope = Scope(state, Graph("main"), {})
    scope.fill(main.regions[0].blocks[0])
    parameters, results = (_attribute_dicts(main, key) for key in ("arg_attrs", "res_attrs"))
    for role, values in (("parameter", parameters), ("result", results)):
        state.unsupported += [
            (f"{role} {number}", state.location(main), f"layout {layout}; expected default, auto or row-major")
            for number, attrs in enumerate(values)
            if not _is_row_major(
                layout := attrs["mhlo.layout_mode"].value if "mhlo.layout_mode" in attrs else "default"
            )
        ]
    mesh, result_shardings = None, list[Sharding | None]()
    if state.shardings is not None:
        mesh = state.shardings.mesh
        for argument, attrs in zip(scope.graph.arguments, parameters):
            argument.sharding = _exact(state, main, attrs, argument)
        result_shardings = [_exact(state, main, attrs, r) for attrs, r in zip(results, scope.graph.results)]
    if refused is not None:
        refused += state.unsupported
    elif state.unsupported:
        raise UnsupportedOpsError(name, state.unsupported)
    parameters += [{}] * (len(scope.graph.arguments) - len(parameters))
    results += [{}] * (len(scope.graph.results) - len(results))
    aliases: list[int | None] = [None] * len(scope.graph.results)
    donated: list[int] = []
    for number, attrs in enumerate(parameters):
        if "tf.aliasing_output" in attrs:
            aliases[int(attrs["tf.aliasing_output"].value)] = number
        if "tf.aliasing_output" in attrs or "jax.buffer_donor" in attrs:
            donated.append(number)
    memories = [
        [a["mhlo.memory_kind"].value if "mhlo.memory_kind" in a else "" for a in l] for l in (parameters, results)
    ]
    names = [
        [_NAMED.fullmatch(str(a.location)) for a in main.regions[0].blocks[0].arguments],
        [_NAMED.fullmatch(str(a.get("jax.result_info", ""))) for a in results],
    ]
    parameter_names, result_names = ([match[1] if match else "" for match in found] for found in names)
    result_shardings += [None] * (len(scope.graph.results) - len(result_shardings))
    return Module(
        *(name, scope.graph, aliases, donated, counts[0], counts[1], memories[0], memories[1]),
        parameter_names=parameter_names,
        result_names=result_names,
        mesh=mesh,
        result_shardings=result_shardings,
        inspected=state.inspected,
    )


def propagated(module: ir.Module) -> ir.Module:
    """Return a module over several partitions with shardings for all values; another one as it is.

    Raises ModuleFormatError if Shardy finds the module wrong.
    """
    attributes: Any = module.operation.attributes
    if "mhlo.num_partitions" not in attributes or int(attributes["mhlo.num_partitions"].value) == 1:
        return module
    try:
        return propagate(module, control.COMPOSITES)
    except ir.MLIRError as error:
        raise ModuleFormatError(
            f"[frontend, module {module_name(module)}] Shardy cannot propagate its shardings: {error}. Check its meshes "
            "and shardings."
        ) from error


def _exact(state: ModuleState, main: ir.OpView, attrs: dict[str, Any], value: Value) -> Sharding | None:
    """Return how a parameter or result lies; a token has no dimensions there, and one here."""
    if state.shardings is None or ("sdy.sharding" not in attrs and "mhlo.sharding" not in attrs):
        return None
    try:
        if "sdy.sharding" not in attrs:
            if attrs["mhlo.sharding"].value == "{replicated}":
                return None
            raise UnsupportedOp(GSPMD)
        found = state.shardings.read(attrs["sdy.sharding"], exact=True)
        return found if found and len(found.dims) == value.type.rank else None
    except UnsupportedOp as reason:
        state.unsupported.append(("func.func", state.location(main), str(reason)))
        return None


_NAMED = re.compile(r'(?:loc\()?"((?:[^"\\]|\\.)*)"\)?')


def _is_row_major(layout: str) -> bool:
    """Whether a layout that JAX asks for, minor dimensions first as in {1,0}, is the one that arrays have."""
    dimensions = layout.strip("{}").split(",")
    return layout in ("default", "auto", "{}") or dimensions == [str(d) for d in reversed(range(len(dimensions)))]


def _attribute_dicts(function: ir.OpView, key: str) -> list[dict[str, Any]]:
    attributes: Any = function.attributes
    return [{named.name: named.attr for named in a} for a in attributes[key]] if key in attributes else []

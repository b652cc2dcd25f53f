"""Importers of sort, random bits and custom calls, those of the host among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlib.mlir import ir

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import Value
from ..isa.dtypes import DType
from . import lapack
from .collectives import ragged_all_to_all
from .control import COMPOSITES
from .foreign import aliases_of, ffi_call
from .fourier import fft
from .log_gamma import log_gamma
from .scope import Importer, Scope
from .shape import pass_through
from .shardings import GSPMD
from .sorting import approximate_top_k, sort
from .user_functions import divided_call

_PASS_THROUGH_CALLS = {
    "Sharding",
    "SPMDFullToShardShape",
    "SPMDShardToFullShape",
    "annotate_device_placement",
    "xla.sdy.FuncResultSharding",
}


def rng_bit_generator(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a random bit generator."""
    algorithm = scope.keyword(op, "rng_algorithm")
    return scope.emit_op(ops.RngBitGenerator(scope.operands(op), algorithm), scope.result_types(op))


def lgamma(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the logarithm of the gamma function, narrow types through f32."""
    (x,) = scope.operands(op)
    wide = scope.convert(x, DType.f64 if x.dtype is DType.f64 else DType.f32)
    return [scope.convert(log_gamma(scope, wide), x.dtype)]


def _function(name: str) -> Importer:
    """Return the importer of a function that jax_ascend.function_rules keeps in one piece."""
    return lambda scope, op: [scope.unary(name, *scope.operands(op))]


def host_call(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the call of a Python function, whose number is its index (jax_ascend/callbacks.py); tokens are i1[0]."""
    attributes: Any = op.attributes
    if "mhlo.backend_config" not in attributes or "index" not in attributes["mhlo.backend_config"]:
        raise UnsupportedOp("it does not say which function it calls")
    number = int(attributes["mhlo.backend_config"]["index"].value)
    if not 0 <= number < 1 << 63:
        raise UnsupportedOp(f"no function has number {number}")
    effect = bool(scope.integer(op, "has_side_effect"))
    return scope.emit_op(ops.HostCall(scope.operands(op), number, effect, aliases_of(op)), scope.result_types(op))


def inspect_sharding(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Note how Shardy says that the operand lies, for a function to be told (jax.debug.inspect_array_sharding)."""
    attributes: Any = op.attributes
    number = str(attributes["backend_config"].value) if "backend_config" in attributes else ""
    if not number.isdecimal():
        raise UnsupportedOp("it does not say which function it calls")
    if scope.module.shardings is not None:
        known = scope.module.shardings.read_all(attributes["sdy.sharding"]) if "sdy.sharding" in attributes else [None]
        scope.module.inspected.append((int(number), known[0]))
    return pass_through(scope, op)


_CALLS: dict[str, Importer] = {
    **{f"ascend.{name}": _function(name) for name in ("cos", "erfc", "exp", "log", "log1p", "sin", "sqrt")},
    "ascend.inspect_sharding": inspect_sharding,
    "ascend.lgamma": lgamma,
    "ApproxTopK": approximate_top_k,
    "CustomSPMDPartitioning": divided_call,
    **COMPOSITES,  # of programs over several devices (shardings.py)
    **lapack.CALLS,
    "ragged_all_to_all": ragged_all_to_all,
    "xla_buffer_python_cpu_callback": host_call,
    "xla_ffi_partitioned_python_cpu_callback": host_call,
    "xla_ffi_python_cpu_callback": host_call,
}
"""Importers of custom call targets that say an op of the Graph."""

_REFUSED_ON_SEVERAL = {
    "InspectSharding": (
        "jax.debug.inspect_array_sharding in a program that was lowered for several platforms, which another partitioner "
        "calls; lower it for this one"
    ),
    "Sharding": GSPMD,
}
"""Targets that a program over one device does not have, or need, and why one over several is refused."""


def custom_call(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a custom call; sharding annotations give their operand."""
    attributes: Any = op.attributes
    target = attributes["call_target_name"].value
    operands, types = scope.operands(op), scope.result_types(op)
    if target in _REFUSED_ON_SEVERAL and scope.module.num_partitions > 1:
        raise UnsupportedOp(_REFUSED_ON_SEVERAL[target])
    if target in _PASS_THROUGH_CALLS and [v.type for v in operands] == types:
        return pass_through(scope, op)
    if target in _CALLS:
        return _CALLS[target](scope, op)
    results = lapack.custom_call(scope, op)
    if results is not None:
        return results
    return ffi_call(scope, op)


IMPORTERS: dict[str, Importer] = {
    "stablehlo.custom_call": custom_call,
    "stablehlo.fft": fft,
    "stablehlo.rng_bit_generator": rng_bit_generator,
    "stablehlo.sort": sort,
}

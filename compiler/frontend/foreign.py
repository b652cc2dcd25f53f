"""Importer of calls of handlers that the process has registered (`jax.ffi`), by XLA's typed foreign function interface."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import TensorType, Value
from ..isa.attributes import Attribute, Attributes, Numbers, in_order, text_of
from ..isa.dtypes import DType
from .constants import integers, literal, literal_of_text
from .scope import Scope

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TYPED = 4  # stablehlo's API_VERSION_TYPED_FFI


def ffi_call(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a call of a registered handler; operands and results lie in memory as the layouts say."""
    attributes: Any = op.attributes
    target = attributes["call_target_name"].value
    why_not = scope.module.handlers.get(target)
    if why_not is None:
        raise UnsupportedOp(
            f"no kernel for this target, and no handler of that name. Register one: "
            f'jax.ffi.register_ffi_target({target!r}, ..., platform="ascend")'
        )
    version = scope.integer(op, "api_version")
    if version != _TYPED and "mhlo.backend_config" not in attributes:  # which JAX gives typed calls instead
        why_not = why_not or f"api_version is {version}; expected {_TYPED}, the typed FFI"
    if why_not:
        raise UnsupportedOp(why_not)
    operands, results = scope.operands(op), scope.result_types(op)
    orders = [*_orders(op, "result_layouts", results), *_orders(op, "operand_layouts", [v.type for v in operands])]
    tokens = [str(v.type) == "!stablehlo.token" for v in (*op.results, *op.operands)]
    callee = ops.Foreign(
        target,
        (*results, *(v.type for v in operands)),
        tuple(orders),
        tuple(i for i, is_token in enumerate(tokens) if is_token),
        _configuration(op),
    )
    laid = [scope.transpose(v, order) for v, order in zip(operands, orders[len(results) :])]
    shapes = [TensorType(tuple(t.shape[d] for d in order), t.dtype) for t, order in zip(results, orders)]
    effect = bool(scope.integer(op, "has_side_effect"))
    outputs = scope.emit_op(ops.HostCall(laid, callee, effect, aliases_of(op)), shapes)
    return [scope.transpose(v, np.argsort(order).tolist()) for v, order in zip(outputs, orders)]


def aliases_of(op: ir.OpView) -> tuple[tuple[int, int], ...]:
    """Return the (result, operand) whose elements the result of a custom call starts with."""
    attributes: Any = op.attributes
    aliases: list[tuple[int, int]] = []
    if "output_operand_aliases" not in attributes:
        return ()
    for alias in attributes["output_operand_aliases"]:
        pair = stablehlo.OutputOperandAlias(alias)
        aliases.append(((*pair.output_tuple_indices, 0)[0], pair.operand_index))
    return tuple(aliases)


def _orders(op: ir.OpView, name: str, types: Sequence[TensorType]) -> list[tuple[int, ...]]:
    """Return for each type its dimensions from major to minor."""
    attributes: Any = op.attributes
    if name not in attributes:
        return [tuple(range(t.rank)) for t in types]
    layouts: Any = attributes[name]
    orders = [integers(layout)[::-1] for layout in layouts]
    # A token has no dimensions there, and one here.
    return [order if len(order) == t.rank else tuple(range(t.rank)) for order, t in zip(orders, types, strict=True)]


def _configuration(op: ir.OpView) -> Attributes:
    """Return the dictionary that a call passes; also if it is written as a string."""
    attributes: Any = op.attributes
    for name in ("mhlo.backend_config", "backend_config"):
        if name not in attributes:
            continue
        given = attributes[name]
        if isinstance(given, ir.StringAttr) and given.value_bytes:
            try:
                any_attribute: Any = ir.Attribute
                given = any_attribute.parse(text_of(given.value_bytes), op.context)
            except (ir.MLIRError, ValueError):
                raise UnsupportedOp("its backend_config is no dictionary of attributes") from None
        if isinstance(given, ir.DictAttr):
            if "complex<" in _STRING.sub("", str(given)):  # jaxlib ends the process when it is asked for one
                raise UnsupportedOp(
                    "an attribute is an array of complex numbers, which handlers on CPUs cannot have either"
                )
            return _dictionary(given)
    return ()


def _dictionary(attribute: Any) -> Attributes:
    return in_order({named.name: _attribute(named.name, named.attr) for named in attribute})


def _attribute(name: str, attribute: Any) -> Attribute:
    """Return an attribute as the handler is to see it; UnsupportedOp for kinds that the interface does not have."""
    if isinstance(attribute, ir.DictAttr):
        return _dictionary(attribute)
    if isinstance(attribute, ir.StringAttr):
        return text_of(attribute.value_bytes)
    if isinstance(attribute, (ir.BoolAttr, ir.IntegerAttr, ir.FloatAttr)):
        dtype = _dtype(name, "i1" if isinstance(attribute, ir.BoolAttr) else attribute.type)
        array = literal_of_text(f"dense<{str(attribute).split(' : ')[0]}>", TensorType((), dtype))
        return Numbers(dtype, np.ascontiguousarray(array).tobytes(), scalar=True)
    if isinstance(attribute, ir.DenseElementsAttr):
        kind: Any = attribute.type
        dtype = _dtype(name, kind.element_type)
        array = literal(attribute, TensorType(tuple(kind.shape), dtype))
        return Numbers(dtype, np.ascontiguousarray(array).tobytes(), scalar=False)
    raise UnsupportedOp(
        f"attribute {name!r} is {str(attribute)[:80]}; expected a number, a string, an array of one element type or a "
        "dictionary of these"
    )


def _dtype(name: str, element: object) -> DType:
    try:
        return DType.of_mlir(str(element))
    except KeyError:
        raise UnsupportedOp(f"attribute {name!r} has element type {element}") from None

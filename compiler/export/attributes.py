"""Attributes of the Graph's ops as StableHLO writes them in its generic form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..graph import ops
from ..graph.graph import Op, TensorType


def tensor(type: TensorType) -> str:
    """Return the spelling of a tensor type."""
    return f"tensor<{''.join(f'{n}x' for n in type.shape)}{type.dtype.value.mlir}>"


def array(values: Iterable[int]) -> str:
    """Return a list of i64."""
    listed = ", ".join(map(str, values))
    return f"array<i64: {listed}>" if listed else "array<i64>"


def literal(op: ops.Constant) -> str:
    """Return a constant's elements."""
    type = op.results[0].type
    if type.size == 0:
        return f"dense<> : {tensor(type)}"
    element = op.splat
    if type.dtype.kind == "b":
        values = np.asarray(op.value if element is None else element)
        text = str(values.tolist()).lower()
        return f"dense<{text}> : {tensor(type)}"
    if type.dtype.bits != type.dtype.bytes * 8:  # fewer bits than a byte: written as numbers
        values = np.asarray(op.value if element is None else element).astype(np.float64)
        text = str((values if type.dtype.is_float else values.astype(int)).tolist())
        return f"dense<{text}> : {tensor(type)}"
    data = np.ascontiguousarray(op.value if element is None else np.asarray(element, type.dtype.numpy)).tobytes()
    return f'dense<"0x{data.hex().upper()}"> : {tensor(type)}'


def groups(values: Sequence[Sequence[int]]) -> str:
    """Return groups of devices as a matrix; -1 fills short ones."""
    width = max(map(len, values))
    rows = [[*group, *[-1] * (width - len(group))] for group in values]
    return f"dense<{rows}> : tensor<{len(rows)}x{width}xi64>"


def _named(**attributes: str) -> dict[str, str]:
    return {name.rstrip("_"): value for name, value in attributes.items()}


def _integer(value: int) -> str:
    return f"{value} : i64"


def _boolean(value: bool) -> str:
    return str(bool(value)).lower()


def _spec(spec: tuple[int, ...], first: str, second: str) -> str:
    places = [""] * len(spec)
    places[spec[0]], places[spec[1]] = first, second
    for number, d in enumerate(spec[2:]):
        places[d] = str(number)
    return f"[{', '.join(places)}]"


def _convolution(op: ops.Convolution) -> dict[str, str]:
    numbers = f"{_spec(op.lhs_spec, 'b', 'f')}x{_spec(op.rhs_spec, 'o', 'i')}->{_spec(op.out_spec, 'b', 'f')}"
    n = len(op.stride)
    pads = f"dense<{[list(p) for p in zip(op.low, op.high)]}>" if n else "dense<>"
    return _named(
        dimension_numbers=f"#stablehlo.conv<{numbers}>",
        window_strides=array(op.stride),
        padding=f"{pads} : tensor<{n}x2xi64>",
        lhs_dilation=array(op.lhs_dilation),
        rhs_dilation=array(op.rhs_dilation),
        window_reversal=f"array<i1: {', '.join(map(_boolean, op.reversal))}>" if n else "array<i1>",
        feature_group_count=_integer(op.feature_groups),
        batch_group_count=_integer(op.batch_groups),
        precision_config=_precision(op.precision),
    )


def _precision(name: str) -> str:
    return f"[{', '.join([f'#stablehlo<precision {name}>'] * 2)}]"


def _dot(op: ops.Dot) -> dict[str, str]:
    numbers = ", ".join(
        f"{name} = {list(value)}"
        for name, value in (
            ("lhs_batching_dimensions", op.lhs_batch),
            ("rhs_batching_dimensions", op.rhs_batch),
            ("lhs_contracting_dimensions", op.lhs_contracting),
            ("rhs_contracting_dimensions", op.rhs_contracting),
        )
    )
    return _named(dot_dimension_numbers=f"#stablehlo.dot<{numbers}>", precision_config=_precision(op.precision))


def _gather(op: ops.Gather) -> dict[str, str]:
    names = ("offset_dims", "collapsed_slice_dims", "operand_batching_dims", "start_indices_batching_dims")
    numbers = ", ".join(f"{name} = {list(getattr(op, name))}" for name in (*names, "start_index_map"))
    return _named(
        dimension_numbers=f"#stablehlo.gather<{numbers}, index_vector_dim = {op.index_vector_dim}>",
        slice_sizes=array(op.slice_sizes),
        indices_are_sorted=_boolean(op.indices_are_sorted),
    )


def _scatter(op: ops.Scatter) -> dict[str, str]:
    names = ("update_window_dims", "inserted_window_dims", "input_batching_dims", "scatter_indices_batching_dims")
    numbers = ", ".join(f"{name} = {list(getattr(op, name))}" for name in (*names, "scatter_dims_to_operand_dims"))
    return _named(
        scatter_dimension_numbers=f"#stablehlo.scatter<{numbers}, index_vector_dim = {op.index_vector_dim}>",
        indices_are_sorted=_boolean(op.indices_are_sorted),
        unique_indices=_boolean(op.unique_indices),
    )


def _window(op: ops.ReduceWindow | ops.SelectAndScatter) -> dict[str, str]:
    n = len(op.window)
    pads = f"dense<{[list(p) for p in zip(op.low, op.high)]}>" if n else "dense<>"
    found = _named(
        window_dimensions=array(op.window), window_strides=array(op.stride), padding=f"{pads} : tensor<{n}x2xi64>"
    )
    if isinstance(op, ops.ReduceWindow):
        found |= _named(base_dilations=array(op.base_dilation), window_dilations=array(op.window_dilation))
    return found


def _compare(op: ops.Compare) -> dict[str, str]:
    kind = {"f": "TOTALORDER" if op.total_order else "FLOAT", "c": "FLOAT", "i": "SIGNED"}
    of = kind.get(op.operands[0].dtype.kind, "UNSIGNED")
    return _named(
        comparison_direction=f"#stablehlo<comparison_direction {op.direction}>",
        compare_type=f"#stablehlo<comparison_type {of}>",
    )


def _exchange(op: ops.Collective) -> dict[str, str]:
    return _named(replica_groups=groups(op.groups), channel_handle=CHANNEL)


CHANNEL = "#stablehlo.channel_handle<handle = 1, type = 1>"
ATTRIBUTES: dict[type[Op], Callable[[Any], dict[str, str]]] = {
    ops.AllGather: lambda op: {
        **_exchange(op),
        "all_gather_dim": _integer(op.dimension),
        "use_global_device_ids": "unit",
    },
    ops.AllReduce: lambda op: {**_exchange(op), "use_global_device_ids": "unit"},
    ops.AllToAll: lambda op: {
        **_exchange(op),
        "split_dimension": _integer(op.split),
        "concat_dimension": _integer(op.concat),
        "split_count": _integer(op.group_size),
    },
    ops.BroadcastInDim: lambda op: _named(broadcast_dimensions=array(op.dimensions)),
    ops.CollectiveBroadcast: _exchange,
    ops.CollectivePermute: lambda op: _named(source_target_pairs=groups(op.groups), channel_handle=CHANNEL),
    ops.Compare: _compare,
    ops.Concatenate: lambda op: _named(dimension=_integer(op.dimension)),
    ops.Constant: lambda op: _named(value=literal(op)),
    ops.Convolution: _convolution,
    ops.Dot: _dot,
    ops.DynamicSlice: lambda op: _named(slice_sizes=array(op.sizes)),
    ops.Gather: _gather,
    ops.GeneralReduce: lambda op: _named(dimensions=array(op.dimensions)),
    ops.GeneralSort: lambda op: _named(dimension=_integer(op.dimension), is_stable="true"),
    ops.Iota: lambda op: _named(iota_dimension=_integer(op.dimension)),
    ops.Pad: lambda op: _named(
        edge_padding_low=array(op.low), edge_padding_high=array(op.high), interior_padding=array(op.interior)
    ),
    ops.Reduce: lambda op: _named(dimensions=array(op.dimensions)),
    ops.ReducePrecision: lambda op: _named(
        exponent_bits=f"{op.exponent_bits} : i32", mantissa_bits=f"{op.mantissa_bits} : i32"
    ),
    ops.ReduceScatter: lambda op: {
        **_exchange(op),
        "scatter_dimension": _integer(op.dimension),
        "use_global_device_ids": "unit",
    },
    ops.ReduceWindow: _window,
    ops.Reverse: lambda op: _named(dimensions=array(op.dimensions)),
    ops.RngBitGenerator: lambda op: _named(rng_algorithm=f"#stablehlo<rng_algorithm {op.algorithm}>"),
    ops.Scatter: _scatter,
    ops.SelectAndScatter: _window,
    ops.Slice: lambda op: _named(
        start_indices=array(op.start), limit_indices=array(op.limit), strides=array(op.stride)
    ),
    ops.Sort: lambda op: _named(dimension=_integer(op.dimension), is_stable=_boolean(op.stable)),
    ops.Transpose: lambda op: _named(permutation=array(op.permutation)),
}
"""The attributes of an op, for the ops that have any."""

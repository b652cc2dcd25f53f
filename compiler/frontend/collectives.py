"""Importers of collectives and device numbers: groups of StableHLO's modes, channels and mesh axes as device numbers.

    cross_replica                 the listed replicas, once for every partition
    cross_partition               the listed partitions, once for every replica
    cross_replica_and_partition   the listed replicas with all of their partitions
    flattened_ids                 the listed device numbers

These are the names of StableHLO's specification, which says for each op when it means which.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import sdy, stablehlo

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import Graph, TensorType, Value
from ..graph.ops.collectives import Groups
from ..isa.dtypes import DType
from .elementwise import boolean_kind
from .patterns import reduction_kind
from .scope import Importer, Scope


def all_reduce(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import all_reduce; a group of one gives the operands."""
    groups = _groups(scope, op, _reducing_mode(scope, op))
    operands, types = scope.operands(op), scope.result_types(op)
    if _alone(groups):
        return operands if [v.type for v in operands] == types else _refuse_shape()
    kind, body = _reducer(scope, op)
    element = body.arguments[0].dtype  # XLA lets it be a wider type than the operands'
    wide = [scope.convert(v, element) for v in operands]
    results = scope.emit_op(
        ops.AllReduce(wide, groups, boolean_kind(kind, element), body if kind == "general" else None),
        [v.type for v in wide],
    )
    return [scope.convert(v, t.dtype) for v, t in zip(results, types)]


def reduce_scatter(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import reduce_scatter."""
    groups = _groups(scope, op, _reducing_mode(scope, op))
    (x,), type, dimension = scope.operands(op), scope.result_type(op), scope.integer(op, "scatter_dimension")
    if _alone(groups):
        return [x] if x.type == type else _refuse_shape()
    kind, body = _reducer(scope, op)
    element = body.arguments[0].dtype
    x = scope.convert(x, element)
    reducer = (boolean_kind(kind, element), body if kind == "general" else None)
    result = scope.emit(ops.ReduceScatter([x], groups, dimension, *reducer), TensorType(type.shape, element))
    return [scope.convert(result, type.dtype)]


def all_gather(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import all_gather."""
    groups = _groups(scope, op, _reducing_mode(scope, op))
    operands, types = scope.operands(op), scope.result_types(op)
    if _alone(groups):
        return operands if [v.type for v in operands] == types else _refuse_shape()
    return scope.emit_op(ops.AllGather(operands, groups, scope.integer(op, "all_gather_dim")), types)


def all_to_all(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import all_to_all."""
    groups = _groups(scope, op, _moving_mode(scope, op))
    operands, types = scope.operands(op), scope.result_types(op)
    if _alone(groups):
        return operands if [v.type for v in operands] == types else _refuse_shape()
    if scope.integer(op, "split_count") != len(groups[0]):
        raise UnsupportedOp(f"split_count differs from the size of a group, {len(groups[0])}")
    split, concat = scope.integer(op, "split_dimension"), scope.integer(op, "concat_dimension")
    return scope.emit_op(ops.AllToAll(operands, groups, split, concat), types)


def collective_broadcast(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import collective_broadcast."""
    groups = _groups(scope, op, _moving_mode(scope, op))
    operands = scope.operands(op)
    if _device_count(scope) == 1:
        return operands if groups else [scope.constant(0, v.type) for v in operands]
    if not groups:
        return [scope.constant(0, v.type) for v in operands]
    return scope.emit_op(ops.CollectiveBroadcast(operands, groups), scope.result_types(op))


def collective_permute(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import collective_permute; without pairs the result is zeros."""
    numbers = scope.integers(op, "source_target_pairs")
    pairs = tuple(zip(numbers[0::2], numbers[1::2]))
    (x,) = scope.operands(op)
    _check_range(pairs, _id_count(scope, _moving_mode(scope, op)), "source_target_pairs")
    resolved = _resolve(scope, pairs, _moving_mode(scope, op))
    if not resolved:
        return [scope.constant(0, x.type)]
    if _device_count(scope) == 1:
        return [x]
    return scope.emit_op(ops.CollectivePermute([x], resolved), [x.type])


def ragged_all_to_all(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the custom call that JAX makes of ragged_all_to_all."""
    attributes: Any = op.attributes
    config = next((attributes[k] for k in ("mhlo.backend_config", "backend_config") if k in attributes), None)
    named: dict[str, Any] = {a.name: a.attr for a in config} if isinstance(config, ir.DictAttr) else {}
    if "replica_groups" not in named:
        raise UnsupportedOp("ragged_all_to_all without replica_groups in its backend_config")
    mode = "cross_partition" if "channel_id" in named and int(named["channel_id"].value) > 0 else "cross_replica"
    groups = _resolved_groups(scope, named["replica_groups"], mode)
    return scope.emit_op(ops.RaggedAllToAll(scope.operands(op), groups), scope.result_types(op))


def device_number(kind: type[ops.PartitionId | ops.ReplicaId]) -> Importer:
    """Return the importer of partition_id or replica_id; 0 if there is one only."""

    def run(scope: Scope, op: ir.OpView) -> Sequence[Value]:
        of_replicas = kind is ops.ReplicaId
        count = scope.module.num_replicas if of_replicas else scope.module.num_partitions
        type = scope.result_type(op)
        return [scope.constant(0, type) if count == 1 else scope.emit(kind([]), TensorType((), DType.u32))]

    return run


def _device_count(scope: Scope) -> int:
    return scope.module.num_replicas * scope.module.num_partitions


def _alone(groups: Groups) -> bool:
    return all(len(g) == 1 for g in groups)


def _refuse_shape() -> Sequence[Value]:
    raise UnsupportedOp("each group has one device, but the result's type differs from the operand's")


def _reducer(scope: Scope, op: ir.OpView) -> tuple[str, Graph]:
    body = scope.region(op.regions[0], "reducer")
    scope.loc = scope.module.location(op)
    return reduction_kind(body) or "general", body


def _channel(scope: Scope, op: ir.OpView) -> int:
    attributes: Any = op.attributes
    if "channel_handle" not in attributes:
        return 0
    return int(stablehlo.ChannelHandle(attributes["channel_handle"]).handle)


def _reducing_mode(scope: Scope, op: ir.OpView) -> str:
    """Return the mode of all_gather, all_reduce and reduce_scatter."""
    channel = _channel(scope, op) > 0
    attributes: Any = op.attributes
    if "use_global_device_ids" in attributes:
        if not channel:
            raise UnsupportedOp("use_global_device_ids needs a channel")
        return "flattened_ids"
    return "cross_replica_and_partition" if channel else "cross_replica"


def _moving_mode(scope: Scope, op: ir.OpView) -> str:
    """Return the mode of all_to_all, collective_broadcast and collective_permute."""
    return "cross_partition" if _channel(scope, op) > 0 else "cross_replica"


def _groups(scope: Scope, op: ir.OpView, mode: str) -> Groups:
    attributes: Any = op.attributes
    return _resolved_groups(scope, attributes["replica_groups"], mode)


def _resolved_groups(scope: Scope, attribute: Any, mode: str) -> Groups:
    count = _id_count(scope, mode)
    if isinstance(attribute, ir.DenseElementsAttr):
        rows, columns = ir.RankedTensorType(attribute.type).shape
        numbers: Any = np.array(attribute).reshape(rows, columns)
        listed = tuple(tuple(int(n) for n in row if n != -1) for row in numbers)  # -1 fills short groups
        listed = tuple(group for group in listed if group) or (tuple(range(count)),)  # none listed: all together
    else:
        listed = mesh_groups(scope, attribute)
    _check_range(listed, count, "replica_groups")
    return _resolve(scope, listed, mode)


def _id_count(scope: Scope, mode: str) -> int:
    """Return how many numbers the groups of a mode choose from."""
    partitions, replicas = scope.module.num_partitions, scope.module.num_replicas
    return {"flattened_ids": partitions * replicas, "cross_partition": partitions}.get(mode, replicas)


def _check_range(groups: Groups, count: int, name: str) -> None:
    for number in (n for group in groups for n in group):
        if not 0 <= number < count:
            raise UnsupportedOp(
                f"{name} has {number}; expected a number from 0 to {count - 1} (the module says how many replicas and "
                "partitions there are)"
            )


def _resolve(scope: Scope, groups: Groups, mode: str) -> Groups:
    """Return groups of a mode's numbers as groups of device numbers."""
    partitions, replicas = scope.module.num_partitions, scope.module.num_replicas
    if mode == "flattened_ids":
        return groups
    if mode == "cross_partition":
        return tuple(tuple(r * partitions + p for p in group) for r in range(replicas) for group in groups)
    if mode == "cross_replica":
        return tuple(tuple(r * partitions + p for r in group) for group in groups for p in range(partitions))
    return tuple(tuple(r * partitions + p for p in range(partitions) for r in group) for group in groups)


def mesh_groups(scope: Scope, attribute: Any) -> Groups:
    """Return the groups of `#stablehlo.replica_group_mesh_axes`: devices that differ along the axes only, in their order."""
    given = stablehlo.ReplicaGroupMeshAxesAttr(attribute)
    mesh = given.mesh
    if isinstance(mesh, (ir.FlatSymbolRefAttr, ir.StringAttr)):
        if mesh.value not in scope.module.meshes:
            raise UnsupportedOp(f"replica_groups name a mesh that the module does not have, @{mesh.value}")
        mesh = scope.module.meshes[mesh.value]
    mesh = sdy.MeshAttr(mesh)
    sizes: list[tuple[str, int]] = [(axis.name, int(axis.size)) for axis in map(sdy.MeshAxisAttr, mesh.axes)]
    devices = [int(d) for d in mesh.device_ids] or list(range(prod(size for _, size in sizes)))
    chosen = [_axis_ref(axis) for axis in given.axes]
    return groups_along(sizes, devices, chosen)


def _axis_ref(attribute: Any) -> tuple[str, int, int]:
    """Return (name, pre-size, size) of a whole axis (size 0) or of a part of one."""
    axis = stablehlo.AxisRefAttr(attribute)
    part = axis.sub_axis_info
    if part is None:
        return axis.name, 1, 0
    part = stablehlo.SubAxisInfoAttr(part)
    return axis.name, part.pre_size, part.size


def groups_along(
    sizes: Sequence[tuple[str, int]], devices: Sequence[int], axes: Sequence[tuple[str, int, int]]
) -> Groups:
    """Return the groups along (parts of) axes of a mesh.

    Args:
        sizes: names and sizes of the mesh's axes, major first.
        devices: the device at each position of the mesh, by rows.
        axes: (name, product of the sizes before the part, its size) each, major first; size 0 means a whole axis.
    """
    order = {name: number for number, (name, _) in enumerate(sizes)}
    digits: list[list[tuple[int, int]]] = [[] for _ in sizes]  # of each axis the parts chosen, as (pre-size, size)
    for name, before, size in axes:
        axis = order.get(name)
        if axis is None:
            raise UnsupportedOp(f"replica_groups name an axis that the mesh does not have, {name!r}")
        digits[axis].append((before, size or sizes[axis][1]))
    shape: list[int] = []
    places: dict[tuple[int, int], int] = {}  # (axis, pre-size) of a chosen part -> its dimension in `shape`
    for axis, (name, total) in enumerate(sizes):
        done = 1
        for before, size in sorted(digits[axis]):
            if before < done or before % done or total % (before * size):
                raise UnsupportedOp(f"replica_groups name a part of axis {name!r} that does not divide it")
            shape.append(before // done)
            places[axis, before] = len(shape)
            shape.append(size)
            done = before * size
        shape.append(total // done)
    along = [places[order[name], before] for name, before, _ in axes]
    rest = [d for d in range(len(shape)) if d not in along]
    grid = np.asarray(devices).reshape(shape).transpose(rest + along)
    rows: list[list[int]] = grid.reshape(-1, prod(shape[d] for d in along)).tolist()
    return tuple(map(tuple, rows))


IMPORTERS: dict[str, Importer] = {
    "stablehlo.all_gather": all_gather,
    "stablehlo.all_reduce": all_reduce,
    "stablehlo.all_to_all": all_to_all,
    "stablehlo.collective_broadcast": collective_broadcast,
    "stablehlo.collective_permute": collective_permute,
    "stablehlo.partition_id": device_number(ops.PartitionId),
    "stablehlo.reduce_scatter": reduce_scatter,
    "stablehlo.replica_id": device_number(ops.ReplicaId),
}

"""Collectives in the Graph: replica groups of every mode and spelling as device numbers, and the rules of each op."""

import numpy as np
import pytest

from jax_ascend.compiler import frontend
from jax_ascend.compiler.errors import UnsupportedOpsError
from jax_ascend.compiler.frontend.collectives import groups_along
from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.graph.graph import Graph, GraphError, TensorType
from jax_ascend.compiler.graph.module import Module
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.passes.legalize_collectives import legalize_collectives

ADD = (
    "^bb0(%a: tensor<f32>, %b: tensor<f32>): %s = stablehlo.add %a, %b : tensor<f32> stablehlo.return %s : tensor<f32>"
)
HALF = ADD.replace("stablehlo.return %s", "%t = stablehlo.subtract %s, %b : tensor<f32> stablehlo.return %t")
CHANNEL = "channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>"
GLOBAL = f"use_global_device_ids, {CHANNEL}"


def import_text(body, *, partitions=1, replicas=1, meshes="", result="tensor<4xf32>"):
    text = f"""module attributes {{mhlo.num_partitions = {partitions} : i32, mhlo.num_replicas = {replicas} : i32}} {{
      {meshes}
      func.func public @main(%x: tensor<4xf32>, %n: tensor<4xi32>) -> {result} {{
        {body}
        return %0 : {result}
      }}
    }}"""
    module = frontend.import_module(frontend.deserialize(text))
    module.main.verify()
    assert (module.num_partitions, module.num_replicas) == (partitions, replicas)
    return module.main


def all_reduce(groups, more="", reducer=ADD):
    attributes = f"replica_groups = {groups}{', ' + more if more else ''}"
    return f'%0 = "stablehlo.all_reduce"(%x) <{{{attributes}}}> ({{ {reducer} }}) : (tensor<4xf32>) -> tensor<4xf32>'


def matrix(*rows):
    return f"dense<{[list(row) for row in rows]}> : tensor<{len(rows)}x{len(rows[0])}xi64>"


MODES = [
    ("flattened ids", GLOBAL, [(0, 2), (1, 3)], ((0, 2), (1, 3))),
    ("cross replica", "", [(1, 0)], ((2, 0), (3, 1))),
    ("replica and partition", CHANNEL, [(0,), (1,)], ((0, 1), (2, 3))),
    ("replica and partition together", CHANNEL, [(1, 0)], ((2, 0, 3, 1),)),
]


@pytest.mark.parametrize(("mode", "listed", "expected"), [m[1:] for m in MODES], ids=[m[0] for m in MODES])
def test_groups_are_device_numbers_in_every_mode_of_a_reduction(mode, listed, expected):
    (op,) = import_text(all_reduce(matrix(*listed), mode), partitions=2, replicas=2).ops
    assert isinstance(op, ops.AllReduce) and op.groups == expected and op.kind == "add"


@pytest.mark.parametrize(("channel", "expected"), [("", ((0, 3), (1, 4), (2, 5))), (CHANNEL, ((0, 1, 2), (3, 4, 5)))])
def test_groups_of_ops_that_move_choose_replicas_or_partitions(channel, expected):
    """They have no flattened mode: a channel says that the numbers are partitions."""
    groups = matrix((0, 1, 2)) if channel else matrix((0, 1))
    more = f", {channel}" if channel else ""
    text = f"""%0 = "stablehlo.collective_broadcast"(%x) <{{replica_groups = {groups}{more}}}>
        : (tensor<4xf32>) -> tensor<4xf32>"""
    (op,) = import_text(text, partitions=3, replicas=2).ops
    assert isinstance(op, ops.CollectiveBroadcast) and op.groups == expected


def test_no_group_means_everybody_and_short_ones_are_filled():
    (op,) = import_text(all_reduce("dense<> : tensor<0x0xi64>"), replicas=3).ops
    assert op.groups == ((0, 1, 2),)
    (op,) = import_text(all_reduce(matrix((2, 0), (1, -1)), GLOBAL), partitions=3).ops
    assert op.groups == ((2, 0), (1,))


def axes(*names):
    refs = []
    for name in names:
        axis, _, part = name.partition(":")
        inside = f", sub_axis_info = #stablehlo.sub_axis_info<pre_size = {part[1]}, size = {part[3:]}>" if part else ""
        refs.append(f'#stablehlo.axis_ref<name = "{axis}"{inside}>')
    return f"#stablehlo.replica_group_mesh_axes<mesh = @mesh, axes = [{', '.join(refs)}]>"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (["i"], ((0, 2, 4, 6), (1, 3, 5, 7))),
        (["j"], ((0, 1), (2, 3), (4, 5), (6, 7))),
        (["j", "i"], ((0, 2, 4, 6, 1, 3, 5, 7),)),
    ],
)
def test_axes_of_a_mesh(chosen, expected):
    mesh = 'sdy.mesh @mesh = <["i"=4, "j"=2]>'
    (op,) = import_text(all_reduce(axes(*chosen), GLOBAL), partitions=8, meshes=mesh).ops
    assert op.groups == expected


def test_a_mesh_may_list_its_devices():
    mesh = 'sdy.mesh @mesh = <["i"=2, "j"=2], device_ids=[3, 1, 0, 2]>'
    (op,) = import_text(all_reduce(axes("i"), GLOBAL), partitions=4, meshes=mesh).ops
    assert op.groups == ((3, 0), (1, 2))


def test_parts_of_axes():
    """Device 4 * i1 + 2 * i2 + j on a mesh whose axis i is 2 x 2."""
    sizes, devices = [("i", 4), ("j", 2)], range(8)
    assert groups_along(sizes, devices, [("i", 1, 2)]) == ((0, 4), (1, 5), (2, 6), (3, 7))
    assert groups_along(sizes, devices, [("i", 2, 2)]) == ((0, 2), (1, 3), (4, 6), (5, 7))
    assert groups_along(sizes, devices, [("i", 2, 2), ("i", 1, 2)]) == ((0, 4, 2, 6), (1, 5, 3, 7))
    for order in np.random.default_rng(0).permutation(3)[None].repeat(1, 0):
        chosen = [[("i", 1, 2), ("i", 2, 2), ("j", 1, 0)][k] for k in order]
        (group,) = groups_along(sizes, devices, chosen)
        assert sorted(group) == list(devices)


def test_one_device_needs_no_collective():
    for groups in (matrix((0,)), axes("i")):
        graph = import_text(all_reduce(groups, GLOBAL), meshes='sdy.mesh @mesh = <["i"=1]>')
        assert graph.results == graph.arguments[:1]
    (op,) = import_text("%0 = stablehlo.partition_id : tensor<ui32>", result="tensor<ui32>", replicas=2).ops
    assert isinstance(op, ops.Constant) and op.value == 0


def test_every_collective_is_imported():
    graph = import_text(
        f"""
        %g = "stablehlo.all_gather"(%x) <{{all_gather_dim = 0 : i64, replica_groups = {matrix((1, 0))}, {GLOBAL}}}>
            : (tensor<4xf32>) -> tensor<8xf32>
        %s = "stablehlo.reduce_scatter"(%g) <{{scatter_dimension = 0 : i64, replica_groups = {matrix((0, 1))}, {GLOBAL}}}>
            ({{ {HALF} }}) : (tensor<8xf32>) -> tensor<4xf32>
        %t = "stablehlo.all_to_all"(%s) <{{split_dimension = 0 : i64, concat_dimension = 0 : i64, split_count = 2 : i64,
            replica_groups = {matrix((0, 1))}, {CHANNEL}}}> : (tensor<4xf32>) -> tensor<4xf32>
        %p = "stablehlo.collective_permute"(%t) <{{source_target_pairs = {matrix((0, 1))}, {CHANNEL}}}>
            : (tensor<4xf32>) -> tensor<4xf32>
        %0 = stablehlo.custom_call @ragged_all_to_all(%p, %x, %n, %n, %n, %n) {{api_version = 4 : i32,
            backend_config = {{channel_id = 1 : i64, replica_groups = {matrix((0, 1))}}}}}
            : (tensor<4xf32>, tensor<4xf32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi32>) -> tensor<4xf32>
        %id = stablehlo.partition_id : tensor<ui32>""",
        partitions=2,
    )
    gather, scatter, to_all, permute, ragged, number = graph.ops
    assert isinstance(gather, ops.AllGather) and (gather.dimension, gather.groups) == (0, ((1, 0),))
    assert isinstance(scatter, ops.ReduceScatter) and scatter.kind == "general" and scatter.body is not None
    assert isinstance(to_all, ops.AllToAll) and (to_all.split, to_all.concat, to_all.group_size) == (0, 0, 2)
    assert isinstance(permute, ops.CollectivePermute) and permute.groups == ((0, 1),)
    assert isinstance(ragged, ops.RaggedAllToAll) and isinstance(number, ops.PartitionId)
    assert "all_gather(%arg0) groups=((1,0),) dimension=0" in str(graph)


def test_asynchronous_work():
    graph = import_text(
        f"""%f = "stablehlo.async_start"(%x) ({{
          ^bb0(%y: tensor<4xf32>):
            {all_reduce(matrix((0, 1)), GLOBAL).replace("%x", "%y").replace("%0", "%r")}
            stablehlo.return %r : tensor<4xf32>
        }}) : (tensor<4xf32>) -> !stablehlo.future<tensor<4xf32>>
        %0 = "stablehlo.async_done"(%f) : (!stablehlo.future<tensor<4xf32>>) -> tensor<4xf32>""",
        partitions=2,
    )
    assert [type(op) for op in graph.ops] == [ops.AllReduce]


@pytest.mark.parametrize(
    ("groups", "more", "reason"),
    [
        (matrix((0, 1, 2)), GLOBAL, "replica_groups has 2; expected a number from 0 to 1"),
        (matrix((0, 1)), "", "replica_groups has 1; expected a number from 0 to 0"),
        (axes("k"), GLOBAL, "an axis that the mesh does not have, 'k'"),
    ],
)
def test_groups_that_cannot_be(groups, more, reason):
    with pytest.raises(UnsupportedOpsError, match=reason):
        import_text(all_reduce(groups, more), partitions=2, meshes='sdy.mesh @mesh = <["i"=2]>')


def legalized(op, type, result):
    """Return the kinds of ops that a collective of one argument becomes, with the shapes of their results."""
    graph = Graph("main")
    op.operands = [graph.argument(type)]
    graph.results = [graph.add(op, result)]
    graph.verify()
    module = Module("m", graph, [None], [], 2)
    legalize_collectives(module, None)
    graph.verify()
    assert graph.results[0].type == result
    return [(o.name, *(f"{r.type}" for r in o.results)) for o in graph.ops]


def test_what_is_gathered_comes_to_the_front():
    matrix, wide = TensorType((4, 3), DType.i4), TensorType((4, 6), DType.i4)
    assert legalized(ops.AllGather([], ((0, 1),), 1), matrix, wide) == [
        ("reshape", "i4[1,4,3]"), ("all_gather", "i4[2,4,3]"), ("transpose", "i4[4,2,3]"), ("reshape", "i4[4,6]"),
    ]  # fmt: skip
    assert [name for name, _ in legalized(ops.AllToAll([], ((0, 1),), 0, 1), matrix, TensorType((2, 6), DType.i4))] == [
        "reshape", "all_to_all", "transpose", "reshape",
    ]  # fmt: skip


def test_small_types_are_combined_in_wide_ones():
    i4, f8 = TensorType((4,), DType.i4), TensorType((4,), DType.f8e4m3)
    for type, wide in ((i4, "i8"), (f8, "f32")):
        kinds = legalized(ops.AllReduce([], ((0, 1),), "add"), type, type)
        assert kinds == [("convert", f"{wide}[4]"), ("all_reduce", f"{wide}[4]"), ("convert", str(type))]


def test_what_devices_do_not_combine_is_gathered():
    c64 = TensorType((4,), DType.c64)
    names = [name for name, _ in legalized(ops.AllReduce([], ((0, 1),), "mul"), c64, c64)]
    assert names.count("all_gather") == names.count("binary") == 1 and "all_reduce" not in names
    assert [n for n, _ in legalized(ops.AllReduce([], ((0, 1),), "add"), c64, c64)] == ["all_reduce"]
    half = TensorType((2,), DType.c64)
    names = [name for name, _ in legalized(ops.ReduceScatter([], ((0, 1),), 0, "mul"), c64, half)]
    assert names.count("all_to_all") == 1 and "reduce_scatter" not in names


X = TensorType((4,), DType.f32)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda x: ops.AllReduce(x, ((0, 1), (1, 2)), "add"), "a device is in one group"),
        (lambda x: ops.AllReduce(x, ((0, 2),), "add"), "every device is in a group"),
        (lambda x: ops.AllReduce(x, ((0, 1),), "avg"), "unknown kind"),
        (lambda x: ops.AllReduce(x, ((0, 1),), "general"), "a body goes with kind general"),
        (lambda x: ops.AllGather(x, ((0, 1),), 0), "result type wrong"),
        (lambda x: ops.AllGather(x, ((0, 1), (2,)), 0), "groups must have one size"),
        (lambda x: ops.AllToAll(x, ((0, 1, 2),), 0, 0), "must divide"),
        (lambda x: ops.ReduceScatter(x, ((0, 1),), 1, "add"), "dimension out of range"),
        (lambda x: ops.CollectivePermute(x, ((0, 1), (2, 1))), "sends and receives once"),
        (lambda x: ops.CollectiveBroadcast(x, ()), "needs a group"),
        (lambda x: ops.PartitionId(x), "takes no operands"),
    ],
)
def test_rules(make, rule):
    graph = Graph("main")
    graph.results = [graph.add(make([graph.argument(X)]), X)]
    with pytest.raises(GraphError, match=rule):
        graph.verify()

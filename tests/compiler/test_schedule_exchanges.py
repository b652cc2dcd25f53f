"""The order of regions around exchanges between devices."""

import random
from dataclasses import replace

import pytest

from jax_ascend.compiler.graph import ops
from jax_ascend.compiler.graph.builder import Builder
from jax_ascend.compiler.graph.graph import Graph, TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.planning.schedule import Branches, Loop
from jax_ascend.compiler.planning.schedule_exchanges import schedule_exchanges
from jax_ascend.compiler.planning.schedule_regions import schedule_regions
from jax_ascend.compiler.targets import Target

TARGET = Target()
TYPE = TensorType((2048, 2048), DType.bf16)
GROUPS = (tuple(range(8)),)


def dot(b, x, y):
    op = ops.Dot([x, y], (), (), (1,), (0,))
    return b.emit(op, TYPE)


def all_reduce(b, x):
    return b.emit(ops.AllReduce([x], GROUPS, "add"), x.type)


def ordered(graph, target=TARGET):
    """Return the ops that regions end in, in the order of a schedule, after the rules have been checked."""
    schedule = schedule_regions(graph, target)
    before = list(schedule.items)
    schedule_exchanges(schedule, target)
    assert sorted(map(id, before)) == sorted(map(id, schedule.items)), "the same items"
    made = set(graph.arguments)
    names = []
    for item in schedule.items:
        control = isinstance(item, (Loop, Branches))
        for value in [*item.op.operands, *item.captured] if control else item.inputs:
            assert value in made or isinstance(value.producer, ops.Constant), "what is read is there"
        made.update(item.op.results if control else item.outputs)
        names.append(item.op.name if control else item.ops[-1].name)
    return schedule, names


def test_what_an_exchange_needs_comes_first_and_what_needs_it_last():
    graph = Graph("main")
    x, y, w = (graph.argument(TYPE) for _ in range(3))
    b = Builder(graph.ops)
    other = dot(b, x, y)
    total = all_reduce(b, dot(b, y, w))
    graph.results = [b.emit(ops.Unary([total], "tanh"), TYPE), other]
    schedule, names = ordered(graph)
    assert names == ["dot", "all_reduce", "dot", "unary"]
    assert schedule.items[2].outputs == [other]


def test_exchanges_start_before_what_does_not_need_them():
    """Weights that are gathered for the second product, and for a third."""
    graph = Graph("main")
    x = graph.argument(TYPE)
    parts = [graph.argument(TensorType((256, 2048), DType.bf16)) for _ in range(3)]
    b = Builder(graph.ops)
    for part in parts:
        x = dot(b, x, b.emit(ops.AllGather([part], GROUPS, 0), TYPE))
    graph.results = [x]
    assert ordered(graph)[1] == ["all_gather"] * 3 + ["dot"] * 3
    little = replace(TARGET, hbm_bytes=TYPE.bytes * 32)  # room for one result that nobody has read
    assert ordered(graph, little)[1] == ["all_gather", "dot"] * 3


def test_small_exchanges_stay_where_they_are():
    """Vector cores make them: nothing is beside them."""
    graph = Graph("main")
    x, y, w = (graph.argument(TensorType((16, 16), DType.f32)) for _ in range(3))
    b = Builder(graph.ops)
    small = TensorType((16, 16), DType.f32)
    other = b.emit(ops.Dot([x, y], (), (), (1,), (0,)), small)
    total = all_reduce(b, b.emit(ops.Dot([y, w], (), (), (1,), (0,)), small))
    graph.results = [b.emit(ops.Dot([total, x], (), (), (1,), (0,)), small), other]
    assert ordered(graph)[1] == ["dot", "dot", "all_reduce", "dot"]


def test_nothing_passes_what_has_an_effect_or_a_loop():
    graph = Graph("main")
    x, n = graph.argument(TYPE), graph.argument(TensorType((), DType.i32))
    b = Builder(graph.ops)
    y = dot(b, x, x)
    cond, body = Graph("cond"), Graph("body")
    for inner in (cond, body):
        inner.argument(TYPE), inner.argument(n.type)
    cond.results = [Builder(cond.ops).compare("LT", cond.arguments[1], cond.arguments[1])]
    inside = Builder(body.ops)
    other = dot(inside, body.arguments[0], body.arguments[0])
    summed = all_reduce(inside, dot(inside, other, body.arguments[0]))
    body.results = [inside.binary("add", summed, other), body.arguments[1]]
    loop = ops.While([y, n], cond, body)
    z, _ = b.emit_op(loop, [TYPE, n.type])
    graph.results = [all_reduce(b, dot(b, x, x)), z]
    schedule, names = ordered(graph)
    assert names == ["dot", "while", "dot", "all_reduce"]
    (nested,) = [item for item in schedule.items if isinstance(item, Loop)]
    assert [item.ops[-1].name for item in nested.body.items] == ["dot", "dot", "all_reduce", "binary"]


@pytest.mark.parametrize("seed", range(20))
def test_any_graph(seed):
    rng = random.Random(seed)
    graph = Graph("main")
    values = [graph.argument(TYPE) for _ in range(3)]
    b = Builder(graph.ops)
    for _ in range(rng.randrange(1, 200)):
        x, y = rng.choices(values[-20:], k=2)
        make = rng.choice(
            [lambda x, y: dot(b, x, y), lambda x, y: all_reduce(b, x), lambda x, y: b.binary("add", x, y)]
        )
        values.append(make(x, y))
    graph.results = rng.sample(values[3:], min(3, len(values) - 3))
    ordered(graph)

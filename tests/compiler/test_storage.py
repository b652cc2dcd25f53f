"""Storage of values: random programs with nested loops and branches give what direct evaluation gives.

Every op becomes a kernel of its own; some of these may overwrite their operands, the others do so to their harm.
"""

import numpy as np
import pytest
from compiled_function import plan_program

from jax_ascend.compiler.codegen.steps import Launch
from jax_ascend.compiler.graph.graph import Graph, TensorType, captured_values
from jax_ascend.compiler.graph.ops import Binary, Case, Compare, Constant, While
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.kernel_passes.allocate_tiles import allocate_tiles
from jax_ascend.compiler.planning.place_values import Placer
from jax_ascend.compiler.planning.schedule import Branches, Loop, Materialise, Schedule
from jax_ascend.compiler.planning.write_program import assign_offsets
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.targets import target

TARGET = target("ascend910b")
VECTOR, SCALAR, FLAG = TensorType((8,), DType.f32), TensorType((), DType.i32), TensorType((), DType.i1)


def launch(op):
    a, b = op.operands
    builder = KernelBuilder(op.name, "aiv", (1,))
    size, out = a.type.size, op.result
    arguments = [builder.argument(v.dtype, size, v is out) for v in (a, b, out)]
    tiles = [builder.tile(Loc.vec, v.dtype, 1, size) for v in (a, b, out)]
    overwrites = not isinstance(op, Compare) and op.kind in ("add", "max")
    if not overwrites:  # these destroy an operand that shares the result's buffer
        builder.texpands(tiles[2], 0)
        builder.tstore(builder.view(arguments[2], 0, (1, size), (size, 1)), tiles[2])
    for argument, tile in zip(arguments[:2], tiles):
        builder.tload(tile, builder.view(argument, 0, (1, size), (size, 1)))
    if isinstance(op, Compare):
        builder.tcmp(tiles[2], tiles[0], tiles[1], op.direction.lower())
    else:
        getattr(builder, f"t{op.kind}")(tiles[2], tiles[0], tiles[1])
    builder.tstore(builder.view(arguments[2], 0, (1, size), (size, 1)), tiles[2])
    allocate_tiles(builder.kernel, TARGET)
    may_alias = tuple((out, v) for v in dict.fromkeys(op.operands) if overwrites)
    return Launch(builder.kernel, [a, b, out], [out], may_alias)


def schedule(graph):
    result = Schedule(graph)
    for op in graph.ops:
        if isinstance(op, While):
            result.items.append(Loop(op, captured_values(graph)[op], schedule(op.cond), schedule(op.body)))
        elif isinstance(op, Case):
            result.items.append(Branches(op, captured_values(graph)[op], [schedule(b) for b in op.branches]))
        elif isinstance(op, Constant):
            result.items.append(Materialise(op))
        else:
            result.items.append(launch(op))
    return result


class Generator:
    """Random graphs over f32[8] values; `outer` values of surrounding graphs may be used anywhere."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def fill(self, graph, values, depth):
        for _ in range(self.rng.integers(1, 6)):
            kind = self.rng.random()
            if kind < 0.2 and depth:
                values = values + self.loop(graph, values, depth)
            elif kind < 0.35 and depth:
                values = values + self.branches(graph, values, depth)
            else:
                a, b = self.rng.choice(len(values), 2)
                op = Binary([values[a], values[b]], self.rng.choice(["add", "sub", "max", "min"]))
                values = [*values, graph.add(op, VECTOR)]
        return values

    def pick(self, values, count):
        recent = values[-6:]
        return [recent[i] for i in self.rng.choice(len(recent), count)]

    def constant(self, graph, value):
        return graph.add(Constant([], np.array(value, np.int32)), SCALAR)

    def loop(self, graph, values, depth):
        count = int(self.rng.integers(1, 4))
        zero, carried = self.constant(graph, 0), self.pick(values, count)
        cond, body = Graph("cond"), Graph("body")
        for inner in (cond, body):
            for type in (SCALAR, *[VECTOR] * count):
                inner.argument(type)
        limit = self.constant(cond, int(self.rng.integers(0, 5)))
        cond.results = [cond.add(Compare([cond.arguments[0], limit], "LT"), FLAG)]
        made = self.fill(body, values + body.arguments[1:], depth - 1)
        step = body.add(Binary([body.arguments[0], self.constant(body, 1)], "add"), SCALAR)
        body.results = [step, *self.pick([*body.arguments[1:], *made], count)]
        op = While([zero, *carried], cond, body)
        graph.add(op, SCALAR, *[VECTOR] * count)
        return op.results[1:]

    def branches(self, graph, values, depth):
        count = int(self.rng.integers(1, 3))
        index = self.constant(graph, int(self.rng.integers(-1, 3)))
        graphs = []
        for i in range(2):
            branch = Graph(f"branch{i}")
            branch.results = self.pick(self.fill(branch, values, depth - 1), count)
            graphs.append(branch)
        op = Case([index], graphs)
        graph.add(op, *[VECTOR] * count)
        return op.results


def evaluate(graph, env):
    env = dict(env)
    for op in graph.ops:
        if isinstance(op, Constant):
            env[op.result] = op.value
        elif isinstance(op, While):
            carried = [env[v] for v in op.operands]
            while evaluate(op.cond, env | dict(zip(op.cond.arguments, carried)))[0]:
                carried = evaluate(op.body, env | dict(zip(op.body.arguments, carried)))
            env |= dict(zip(op.results, carried))
        elif isinstance(op, Case):
            index = int(env[op.operands[0]])
            branch = op.branches[index if 0 <= index < len(op.branches) else -1]
            env |= dict(zip(op.results, evaluate(branch, env)))
        elif isinstance(op, Compare):
            env[op.result] = env[op.operands[0]] < env[op.operands[1]]
        else:
            functions = {"add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum}
            env[op.result] = functions[op.kind](*(env[v] for v in op.operands))
    return [env[v] for v in graph.results]


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_keep_their_values(seed):
    generator = Generator(seed)
    graph = Graph("main")
    inputs = [graph.argument(VECTOR) for _ in range(3)]
    made = generator.fill(graph, inputs, 2)
    graph.results = generator.pick([*inputs, *made], 3)
    graph.verify()
    aliases = [int(a) for a in generator.rng.permutation([0, 1, -1])]
    arrays = [generator.rng.integers(-4, 5, 8).astype(np.float32) for _ in inputs]
    program = plan_program("test", schedule(graph), aliases, TARGET)
    found = run_program(program, [a.copy() for a in arrays])
    for value, expected in zip(found, evaluate(graph, dict(zip(inputs, arrays)))):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("seed", range(20))
def test_live_buffers_do_not_overlap(seed):
    generator = Generator(seed)
    graph = Graph("main")
    inputs = [graph.argument(VECTOR) for _ in range(3)]
    graph.results = generator.pick(generator.fill(graph, inputs, 2), 2)
    storages = [s for s in Placer(schedule(graph), [-1, -1]).all if s.kind == "frame"]
    offsets, top = assign_offsets(storages)
    for i, a in enumerate(storages):
        assert offsets[a] + a.bytes <= top
        for b in storages[:i]:
            apart = a.last < b.first or b.last < a.first
            assert apart or offsets[a] + a.bytes <= offsets[b] or offsets[b] + b.bytes <= offsets[a]

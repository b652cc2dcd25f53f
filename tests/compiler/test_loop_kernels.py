"""Loops that become one kernel: random bodies against direct evaluation, without hazards, on reference and executor."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import run_back_passes
from graph_reference import run
from jax import lax

from jax_ascend import _plugin
from jax_ascend.compiler import frontend
from jax_ascend.compiler.codegen.steps import Launch
from jax_ascend.compiler.graph.graph import Graph, TensorType
from jax_ascend.compiler.graph.module import Module
from jax_ascend.compiler.graph.ops import (
    Binary,
    BroadcastInDim,
    Compare,
    Constant,
    Convert,
    DynamicSlice,
    DynamicUpdateSlice,
    Reduce,
    Reshape,
    Select,
    While,
)
from jax_ascend.compiler.graph.trip_count import trip_count
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.passes import run_graph_passes
from jax_ascend.compiler.planning.schedule import Loop
from jax_ascend.compiler.reference import run_program
from jax_ascend.compiler.targets import target

TARGET = target("ascend910b")
COUNTER = TensorType((), DType.i32)
SHAPES = [(), (9,), (5, 9)]
TYPES = [DType.f32, DType.bf16, DType.i32, DType.i8]
ROWS = 7


def splat(type, value):
    return Constant([], np.broadcast_to(np.asarray(value, type.dtype.numpy), type.shape))


class Body:
    """A random loop: values of several shapes and types, rows read and written by the counter, a captured value."""

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.main, self.cond, self.body = Graph("main"), Graph("cond"), Graph("body")
        self.trips = int(rng.integers(1, ROWS + 1))
        self.dtype = TYPES[rng.integers(len(TYPES))]
        shapes = [SHAPES[i] for i in rng.integers(0, 3, rng.integers(1, 5))]
        self.types = [TensorType(s, self.dtype) for s in shapes]
        self.types += [TensorType((9,), DType.i1)] * int(rng.integers(0, 2))
        self.rows = TensorType((ROWS, 9), self.dtype)
        captured, xs = self.main.argument(TensorType((9,), self.dtype)), self.main.argument(self.rows)
        start = [self.main.argument(t) for t in (*self.types, self.rows)]
        if rng.random() < 0.5:
            start[0] = self.main.add(splat(self.types[0], 3), self.types[0])
        zero = self.main.add(Constant([], np.array(0, np.int32)), COUNTER)
        for graph in (self.cond, self.body):
            for type in (COUNTER, *self.types, self.rows):
                graph.argument(type)
        limit = self.cond.add(Constant([], np.array(self.trips, np.int32)), COUNTER)
        test = Compare([self.cond.arguments[0], limit], "LT")
        self.cond.results = [self.cond.add(test, TensorType((), DType.i1))]
        self.fill(captured, xs)
        op = While([zero, *start], self.cond, self.body)
        self.main.add(op, COUNTER, *self.types, self.rows)
        self.main.results = op.results
        self.main.verify()

    def fill(self, captured, xs):
        body, rng = self.body, self.rng
        counter, *carried, ys = body.arguments
        values = [*carried, captured]
        zero = body.add(Constant([], np.array(0, np.int32)), COUNTER)
        row = TensorType((1, 9), self.dtype)
        if rng.random() < 0.7:
            part = body.add(DynamicSlice([xs, counter, zero], (1, 9)), row)
            values.append(body.add(Reshape([part]), TensorType((9,), self.dtype)))
        if rng.random() < 0.5:
            values.append(body.add(Convert([counter]), TensorType((), self.dtype)))
        for _ in range(rng.integers(1, 7)):
            self.step(values)
        if rng.random() < 0.7:
            part = body.add(Reshape([self.of(values, (9,), self.dtype)]), row)
            ys = body.add(DynamicUpdateSlice([ys, part, counter, zero]), self.rows)
        one = body.add(Constant([], np.array(1, np.int32)), COUNTER)
        counter = body.add(Binary([counter, one], "add"), COUNTER)
        body.results = [counter, *(self.of(values, t.shape, t.dtype) for t in self.types), ys]

    def of(self, values, shape, dtype):
        """Return one of the latest values of this type; there is one, or one is made."""
        found = [v for v in values if v.shape == shape and v.dtype is dtype][-4:]
        return found[self.rng.integers(len(found))] if found else self.body.add(
            splat(TensorType(shape, dtype), 1), TensorType(shape, dtype)
        )  # fmt: skip

    def step(self, values):
        body, rng = self.body, self.rng
        x = values[rng.integers(len(values))]
        y = self.of(values, x.shape, x.dtype)
        choice = rng.random()
        if x.dtype is DType.i1:
            values.append(body.add(Binary([x, y], "xor"), x.type))
        elif choice < 0.5:
            kind = str(rng.choice(["max", "min"] if x.dtype is DType.bf16 else ["add", "sub", "max", "min"]))
            values.append(body.add(Binary([x, y], kind), x.type))
        elif choice < 0.7 and x.type.rank:
            shape = x.shape[1:]
            values.append(body.add(Reduce([x], "max", (0,)), TensorType(shape, x.dtype)))
        elif choice < 0.9 and x.shape != (5, 9):
            shape = SHAPES[SHAPES.index(x.shape) + 1]
            dims = tuple(range(1, len(shape)))
            values.append(body.add(BroadcastInDim([x], dims), TensorType(shape, x.dtype)))
        elif x.shape == (9,):
            mask = body.add(Compare([x, y], "LT"), TensorType((9,), DType.i1))
            values += [mask, body.add(Select([self.of(values, (9,), DType.i1), x, y]), x.type)]

    def arguments(self):
        return [
            self.rng.integers(-4, 5, v.shape).astype(v.dtype.numpy)
            if v.dtype is not DType.i1
            else self.rng.integers(0, 2, v.shape).astype(bool)
            for v in self.main.arguments
        ]


def iterate(body, arguments):
    """Evaluate the loop itself; the graph around it holds nothing but constants."""
    known = dict(zip(body.main.arguments, arguments))
    for op in body.main.ops[:-1]:
        known[op.result] = op.value
    (loop,) = body.main.ops[-1:]
    carried = [known[v] for v in loop.operands]
    for _ in range(body.trips):
        inner = Graph("body", [*body.body.arguments, *body.main.arguments], body.body.ops, body.body.results)
        carried = run(inner, [*carried, *arguments])
    return carried


def compiled(graph):
    """Return whether the graph's loop became a kernel, and the program."""
    _, compilation = run_back_passes(Module("test", graph, [None] * len(graph.results), []))
    schedule = compilation.schedule
    names = [item.kernel.name for item in schedule.items if isinstance(item, Launch)]
    found = "loop" in names or "chain" in names  # a small loop is a kernel with the small ops around it
    assert found != any(isinstance(item, Loop) for item in schedule.items)
    return found, compilation.program


@pytest.mark.parametrize("seed", range(150))
def test_random_loops_keep_their_values(seed):
    body = Body(seed)
    found, program = compiled(body.main)
    assert found
    assert _plugin.find_hazards(program.encode()) == []
    arguments = body.arguments()
    expected = iterate(body, arguments)
    runner = _plugin.ProgramRunner(program.encode())
    for i, value in enumerate(arguments):
        runner.write(i, np.ascontiguousarray(value).tobytes())
    runner.run(1)
    for i, (got, want) in enumerate(zip(run_program(program, [a.copy() for a in arguments]), expected, strict=True)):
        np.testing.assert_array_equal(got, want)
        device = np.frombuffer(runner.read(i), want.dtype).reshape(want.shape)
        np.testing.assert_array_equal(device, want)


def lowered(function, *arguments):
    module: Module = frontend.import_module(frontend.deserialize(jax.jit(function).lower(*arguments).as_text()))
    run_graph_passes(module, TARGET)
    return compiled(module.main)


def falling(x):
    return lax.scan(lambda c, row: (c * 0.5 + row, c), x[0], x, reverse=True)


def large(x):
    return lax.fori_loop(0, 10, lambda i, c: jnp.sin(c) + i, x)


def softmax(x):
    return lax.fori_loop(0, 3, lambda i, c: jax.nn.softmax(c, axis=-1), x)


def swapped(x):
    return lax.fori_loop(0, 7, lambda i, c: (c[1], c[0] + i), (x, x * 2))


def halves(x):
    return lax.fori_loop(0, 5, lambda i, c: c * 1.5, x.astype(jnp.bfloat16))  # rounded in each iteration


@pytest.mark.parametrize("function", [falling, large, softmax, swapped, halves])
@pytest.mark.parametrize("shape", [(3, 5), (64, 700)])
def test_loop_is_one_kernel(function, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found, program = lowered(function, x)
    assert found
    assert _plugin.find_hazards(program.encode()) == []
    for got, want in zip(run_program(program, [x.copy()]), jax.tree.leaves(jax.jit(function)(x)), strict=True):
        want = np.asarray(want)
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=2e-5, atol=2e-5)


def data_decides(x):
    return lax.while_loop(lambda c: c.sum() < 10, lambda c: c + 1, x)


def reads_elsewhere(x):
    return lax.fori_loop(0, 3, lambda i, c: c + c[::-1], x)


def multiplies(x):
    return lax.fori_loop(0, 2, lambda i, c: c @ c.T @ c, x)


def never(x):
    return lax.while_loop(lambda c: c[0] < 0, lambda c: (c[0] + 1, c[1] + 1), (0, x))


def moves_small_floats(x):
    return lax.fori_loop(0, 3, lambda i, c: (c[1], c[0]), (x.astype(jnp.float8_e5m2), x.astype(jnp.float8_e5m2) + 1))


@pytest.mark.parametrize("function", [data_decides, reads_elsewhere, multiplies, never])
def test_loop_is_one_kernel_on_one_core(function):
    x = np.ones((3, 5), np.float32)
    found, program = lowered(function, x)
    assert found
    assert _plugin.find_hazards(program.encode()) == []
    for got, want in zip(run_program(program, [x.copy()]), jax.tree.leaves(jax.jit(function)(x)), strict=True):
        np.testing.assert_array_equal(got, want)


def sorts(x):
    return lax.fori_loop(0, 2, lambda i, c: jnp.sort(c, axis=0) + i, x)


@pytest.mark.parametrize("function", [sorts, moves_small_floats])
def test_other_loops_stay_in_the_stream(function):
    x = np.ones((3, 5), np.float32)
    found, program = lowered(function, x)
    assert not found
    for got, want in zip(run_program(program, [x.copy()]), jax.tree.leaves(jax.jit(function)(x)), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("start,bound,step,count", [(0, 5, 2, 3), (-3, 3, 1, 6), (7, 7, 1, 0), (0, 127, 1, 127)])
def test_trip_count(start, bound, step, count):
    assert trip_count(counting(start, bound, step)) == count


def test_a_counter_that_wraps_does_not_count():
    assert trip_count(counting(0, 127, 2)) is None


def counting(start, bound, step):
    type = TensorType((), DType.i8)
    main, cond, body = Graph("main"), Graph("cond"), Graph("body")
    number = lambda graph, n: graph.add(Constant([], np.array(n, np.int8)), type)  # noqa: E731
    for graph in (cond, body):
        graph.argument(type)
    cond.results = [cond.add(Compare([cond.arguments[0], number(cond, bound)], "LT"), TensorType((), DType.i1))]
    body.results = [body.add(Binary([body.arguments[0], number(body, step)], "add"), type)]
    return While([number(main, start)], cond, body)

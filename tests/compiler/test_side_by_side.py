"""Small kernels that do not need each other run as one: values, flags, and whose buffer a result may take over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import TARGET, check_results, compile_graph, normal

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.steps import Launch
from jax_ascend.compiler.pipeline import compile_program
from jax_ascend.compiler.planning.side_by_side import merged_name
from jax_ascend.compiler.program.kernel import Kernel

SIZES = [1, 3, 17, 64, 300, 1000, 2049]


def momentum(parameters, gradients, state):
    state = [0.9 * m + g for m, g in zip(state, gradients, strict=True)]
    return [p - 0.1 * m / (1 + jnp.abs(m).max()) for p, m in zip(parameters, state, strict=True)], state


def arrays(times):
    return [[normal(n) for n in SIZES * times] for _ in range(3)]


def launches(schedule):
    return [item for item in schedule.items if isinstance(item, Launch)]


@pytest.mark.parametrize("times", [1, 8])
def test_updates_of_many_parameters(times):
    flat = [x for group in arrays(times) for x in group]
    count = len(SIZES) * times

    def function(*flat):
        return momentum(flat[:count], flat[count : 2 * count], flat[2 * count :])

    _, schedule, program = compile_graph(function, flat)
    assert len(launches(schedule)) <= 2 * times + 1
    names = [launch.kernel.name for launch in launches(schedule)]
    assert any("_and_" in name and name.rpartition("_x")[2].isdecimal() for name in names)
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, flat, 1e-6)


def test_state_that_is_given_away_is_updated_in_place():
    parameters, gradients, state = arrays(2)
    lowered = jax.jit(momentum, donate_argnums=(0, 2)).trace(parameters, gradients, state)
    program = compile_program(str(lowered.lower(lowering_platforms=("ascend",)).compiler_ir("stablehlo")), TARGET)
    assert not [c for c in program.functions[0].commands if c.spec.name == "copy"]


def test_what_another_part_reads_is_not_overwritten():
    def function(x, y):
        return x * 2, jnp.cumsum(y) + x[0], jnp.tanh(y)[::-1] * x.max()

    x, y = normal(700), normal(700)
    _, schedule, program = compile_graph(function, [x, y])
    for launch in launches(schedule):
        inputs = [v for v in launch.arguments if v not in launch.outputs]
        assert all(inputs.count(i) == 1 for _, i in launch.may_alias)
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, [x, y], 1e-5)


def test_kernels_that_need_each_other_stay_apart():
    def function(x, y):
        a = jnp.sort(x) * 2  # a kernel of its own before
        b = jnp.flip(jnp.cumsum(a))
        return jnp.dot(b, b) + y, b * y[0]

    x, y = normal(50), normal(50)
    _, _, program = compile_graph(function, [x, y])
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, [x, y], 1e-4)


def test_in_a_loop_and_with_large_kernels_between():
    def function(x, large):
        def body(i, s):
            a, b, large = s
            return a + 1, b * 0.5 + i, jnp.sort(large) * 1.01

        a, b, large = jax.lax.fori_loop(0, 3, body, (x, x, large))
        return a, b, large.sum(), jnp.exp(a), jnp.exp(b)

    x, large = normal(33), normal(4000)
    _, _, program = compile_graph(function, [x, large])
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, [x, large], np.float32(2e-5))


def test_products_that_do_not_need_each_other():
    """What is one group's is not the other's, though blocks of both run on one core after the other."""
    shapes = [(33, 70, 50), (1, 257, 129), (128, 64, 300), (200, 200, 200), (5, 16, 1)]
    operands = [(m, k) for m, k, _ in shapes] + [(k, n) for _, k, n in shapes]
    flat = [np.round(4 * normal(*shape)) for shape in operands]  # whole numbers: every sum is exact, in any order

    def function(*flat):
        return [x @ w for x, w in zip(flat[: len(shapes)], flat[len(shapes) :], strict=True)]

    _, schedule, program = compile_graph(function, flat)
    assert [launch.kernel.core for launch in launches(schedule)].count("aic") == 1
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, flat, 0)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([("add", 2), ("add", 1)], "add_x2"),
        ([("add", 1), ("reduce", 40), ("exp", 3), ("add", 1)], "reduce_and_exp_x4"),
        ([("multiply_add_multiply_add_long", 4), ("exp", 1)], "multiply_add_multiply_and_exp_x2"),
    ],
)
def test_name_says_what_is_in_it(parts, expected):
    assert merged_name([Kernel(name, "aiv", (blocks,)) for name, blocks in parts]) == expected

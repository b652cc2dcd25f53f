"""Gathers within the kernels that read what is gathered or compute where from, by the reference interpreter; no hazards."""

import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import TARGET, check_results, compile_graph, normal

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.steps import Launch

draw = np.random.default_rng(0)


def places(n, *shape):
    return draw.integers(-n, n, shape).astype(np.int32)


def launches(schedule):
    return [item for item in schedule.items if isinstance(item, Launch)]


def instructions(schedule):
    return {i.spec.name for launch in launches(schedule) for i in launch.kernel.body}


def cross_entropy(x, label, weight):
    known = label != 3
    at = jnp.where(known, label, 0)
    w = jnp.where(known, weight[at], 0)
    return -jnp.take_along_axis(x, at[:, None], 1)[:, 0] * w


ONE_KERNEL = {
    "rows": (lambda x, i: x[i] * 2 + 1, [normal(50, 70), places(50, 33)]),
    "rows of rows": (lambda x, i: x[i] + 1, [normal(9, 4, 65), places(9, 20)]),
    "wide rows": (lambda x, i: jnp.tanh(x[i]), [normal(3, 9001), places(3, 2)]),
    "elements": (lambda x, i: x[i] * x[i[::-1]], [normal(20_000), places(20_000, 100)]),
    "elements of a table": (lambda x, i: x[i] + jnp.exp(x[i]), [normal(100), places(100, 3000)]),
    "elements of rows": (lambda x, i, j: x[i, j] * 2, [normal(30, 300), places(30, 500), places(300, 500)]),
    "computed places": (lambda x, i: x.at[3 * i + 1].get(mode="clip"), [normal(40, 24), places(40, 50)]),
    "narrow rows": (lambda x, i: x[i] * 2, [normal(40, 3), places(40, 500)]),
    "beside others": (lambda x, i, y: x[i] * y + i[:, None], [normal(40, 24), places(40, 50), normal(50, 24)]),
    "summed": (lambda x, i, w: (x[i] * w[..., None]).sum(1), [normal(90, 40), places(90, 12, 4), normal(12, 4)]),
    "out of range": (lambda x, i: x.at[3 * i].get(mode="fill", fill_value=7) * 2, [normal(40, 8), places(40, 30)]),
    "transposed": (lambda x, i: x[i].T * 2, [normal(60, 48), places(60, 100)]),
    "cross entropy": (cross_entropy, [normal(40, 9000), np.abs(places(9000, 40)), normal(9000)]),
    "bf16": (lambda x, i: x[i] * 2, [normal(50, 70).astype(jnp.bfloat16), places(50, 33)]),
    "i8": (lambda x, i: x[i] + x[i], [places(50, 50, 33).astype(np.int8), places(50, 64)]),
}


@pytest.mark.parametrize("name", ONE_KERNEL)
def test_one_kernel_and_right(name):
    function, arguments = ONE_KERNEL[name]
    _, schedule, program = compile_graph(function, arguments)
    assert len(launches(schedule)) == 1
    assert instructions(schedule) & {"mgather", "tgather"}
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, arguments, 1e-5)


def test_a_small_table_is_loaded_whole():
    _, schedule, _ = compile_graph(*ONE_KERNEL["elements of a table"])
    assert "mgather" not in instructions(schedule)


def test_what_a_product_takes_stays_its_own():
    """A bias that is gathered must not keep the elementwise work after a product out of the product's kernel."""

    def function(a, b, table, i):
        return jnp.tanh(a @ b + table[i])

    arguments = [normal(32, 64), normal(64, 48), normal(100, 48), places(100, 32)]
    _, schedule, program = compile_graph(function, arguments)
    assert launches(schedule)[-1].kernel.core != "aiv"
    check_results(program, function, arguments, 1e-4)


def test_sums_of_one_value_share_its_loads():
    def function(g, x, mean, inverse):
        normalised = (x - mean[:, None]) * inverse[:, None]
        return g.sum((0, 2)), (g * normalised).sum((0, 2)), g * inverse[:, None]

    channels = 2 * TARGET.vector_cores
    arguments = [normal(3, channels, 20), normal(3, channels, 20), normal(channels), normal(channels)]
    _, schedule, program = compile_graph(function, arguments)
    assert len(launches(schedule)) == 1
    check_results(program, function, arguments, 1e-4)


@pytest.mark.parametrize("rows, columns", [(3, 70_001), (2, 40_000), (1, 131_072)])
def test_rows_that_do_not_fit_are_added_up_by_element(rows, columns):
    def function(x):
        return (x * x).sum(1), jnp.abs(x).max(1)

    x = normal(rows, columns)
    _, schedule, program = compile_graph(function, [x])
    for launch in (item for item in launches(schedule) if item.kernel.arguments[0].size == x.size):
        names = [i.spec.name for i in launch.kernel.body]
        last = len(names) - names[::-1].index("tload")
        assert "trowsum" in names[last:] or "trowmax" in names[last:]
        assert not {"trowsum", "trowmax"} & {*names[:last]}
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, [x], 1e-5 * columns**0.5)

"""Products whose tiles the vector cores finish: one mixed kernel each, free of hazards, and right."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import TARGET, check_results, compile_graph, integers, normal, plan_program

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.cube.emit_epilogue import choose_rows
from jax_ascend.compiler.codegen.cube.groups import Dim
from jax_ascend.compiler.codegen.lower_region import lower_region
from jax_ascend.compiler.codegen.steps import Launch

BF16 = jnp.bfloat16


def heads(x, n=4):
    return x.reshape(*x.shape[:-1], n, -1)


def dropout(y, keep):
    return jnp.where(keep, y / 0.9, 0)


def masked_scores(x):
    scores = jnp.einsum("bqhd,bkhd->bhqk", heads(x), heads(x))
    causal = jnp.arange(x.shape[1])[:, None] >= jnp.arange(x.shape[1])
    return jnp.where(causal, scores * 0.125, -1e9)


def loop_of_rows(w, rows):
    return jax.lax.fori_loop(0, 3, lambda i, h: jnp.tanh(h @ w + rows[i]), rows[0])


# name: (function, arguments, tolerance); each has one product
CASES = {
    "gelu": (lambda x, w, b: jax.nn.gelu(x @ w + b), [normal(70, 33), normal(33, 90), normal(90)], 1e-5),
    "gelu of bf16": (
        lambda x, w, b: jax.nn.gelu(x @ w + b),
        [a.astype(BF16) for a in (normal(70, 33), normal(33, 90), normal(90))],
        3e-2,
    ),
    "many tiles": (lambda x, w: jnp.tanh(x @ w), [normal(700, 16), normal(16, 700)], 1e-5),
    "tiles in two parts": (
        lambda x, w: jnp.tanh(x @ w),
        [normal(1000, 700).astype(BF16), (normal(700, 1000) / 30).astype(BF16)],
        2e-2,
    ),
    "relu of a product that is wanted too": (
        lambda x, w: (x @ w, jax.nn.relu(x @ w)),
        [normal(40, 8), normal(8, 24)],
        1e-5,
    ),
    "three results": (
        lambda x, w: (lambda h: (h, jnp.tanh(h), jnp.tanh(h) > 0.5))(x @ w),
        [normal(40, 8), normal(8, 24)],
        1e-5,
    ),
    "residual, row and column": (
        lambda x, w, r, b, c: r + jnp.tanh(x @ w) * b + c[:, None],
        [normal(50, 20), normal(20, 60), normal(50, 60), normal(60), normal(50)],
        1e-5,
    ),
    "dropout": (
        lambda x, w, k: dropout(jax.nn.silu(x @ w), k),
        [normal(50, 20), normal(20, 60), normal(50, 60) > 0],
        1e-5,
    ),
    "the operand again": (lambda x, w: x + jnp.tanh(x @ w), [normal(48, 48), normal(48, 48)], 1e-5),
    "gate": (lambda x, w, g: jax.nn.silu(x @ w) * g, [normal(3, 20, 16), normal(16, 40), normal(3, 20, 40)], 1e-5),
    "scores with a mask of positions": (masked_scores, [normal(2, 20, 32)], 1e-5),
    "transposed result": (lambda x, w: jnp.tanh(x @ w).T, [normal(40, 8), normal(8, 24)], 1e-5),
    "heads of the result": (
        lambda x, w: jnp.tanh(heads(x @ w)).transpose(0, 2, 1, 3),
        [normal(2, 20, 16), normal(16, 32)],
        1e-5,
    ),
    "a slice of a larger operand": (
        lambda x, w, r: jnp.tanh(x @ w) + r[3:43, 1:25],
        [normal(40, 8), normal(8, 24), normal(50, 30)],
        1e-5,
    ),
    "rows chosen by data": (
        lambda x, w, r, i: jnp.tanh(x @ w) + jax.lax.dynamic_index_in_dim(r, i, keepdims=False),
        [normal(40, 8), normal(8, 24), normal(5, 24), np.int32(3)],
        1e-5,
    ),
    "integers": (
        lambda x, w: (x @ w) * 3 + 1,
        [integers(9, 30, 20).astype(np.int8), integers(9, 20, 40).astype(np.int8)],
        0,
    ),
    "columns fewer than a fractal": (lambda x, w: jnp.exp(-(x @ w)), [normal(40, 8), normal(8, 3) / 9], 1e-5),
    "positions of the inner of two dimensions of rows": (
        lambda x, w: jnp.tanh(x @ w) * jnp.arange(6)[:, None],
        [normal(30, 6, 16), normal(16, 24)],
        1e-5,
    ),
    "positions of the inner of two dimensions of columns": (
        lambda x, w: jnp.tanh(jnp.einsum("ab,bcd->acd", x, w)) * jnp.arange(6),
        [normal(30, 16), normal(16, 5, 6)],
        1e-5,
    ),
    "two rows": (lambda x, w: jnp.tanh(x @ w), [normal(2, 8), normal(8, 600)], 1e-5),
}


UNEVEN = "positions of the inner of two dimensions of columns"  # no instruction counts so: two kernels


@pytest.mark.parametrize("name", CASES)
def test_one_mixed_kernel_and_right(name):
    function, arguments, tolerance = CASES[name]
    _, schedule, program = compile_graph(function, arguments)
    launches = [item.kernel.core for item in schedule.items if isinstance(item, Launch)]
    assert (launches.count("mix") == 1 and "aic" not in launches) or name == UNEVEN
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, arguments, tolerance)


@pytest.mark.parametrize("name", ["residual, row and column", "gate", "the operand again"])
def test_right_in_place(name):
    """The result takes over the storage of an argument of its type."""
    function, arguments, tolerance = CASES[name]
    _, schedule, _ = compile_graph(function, arguments)
    (result,) = schedule.graph.results
    alias = next(i for i, v in enumerate(schedule.graph.arguments) if v.type == result.type)
    check_results(plan_program("test", schedule, [alias], TARGET), function, arguments, tolerance)


def test_a_residual_may_be_overwritten_but_not_an_operand():
    _, residual, _ = compile_graph(*CASES["residual, row and column"][:2])
    _, operand, _ = compile_graph(*CASES["the operand again"][:2])
    assert [len(s.items[0].may_alias) for s in (residual, operand)] == [1, 0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: jax.nn.softmax(x @ w),  # a reduction needs loops of its own
        lambda x, w: jnp.tanh(x @ w)[:, ::-1] + x @ w,  # two places of the product at once
        lambda x, w: jnp.stack([jnp.tanh(x @ w)] * 2).sum(0),
    ],
)
def test_what_is_not_element_by_element_stays_outside(function):
    arguments = [normal(40, 24), normal(24, 24)]
    _, _, program = compile_graph(function, arguments)
    check_results(program, function, arguments, 1e-5)


def test_a_loop_reads_its_row():
    arguments = [np.tile(normal(16, 16), (10, 10)) * 0.02, np.tile(normal(3, 8, 16), (1, 10, 10))]
    _, _, program = compile_graph(loop_of_rows, arguments)
    assert program.launches()["mixed"] == 1
    check_results(program, loop_of_rows, arguments, 1e-5)


def test_an_epilogue_that_does_not_fit_becomes_a_kernel_of_its_own():
    def function(x, w):  # sixty values wait for the last one
        h = x @ w
        kept = [jnp.sin(h * (i + 1)) for i in range(60)]
        total = kept[0] * kept[-1]
        for i in range(1, 60):
            total = total + kept[i] * kept[59 - i]
        return total

    arguments = [normal(64, 8) / 8, normal(8, 256)]  # small sums: sixty times an error of one is within the tolerance
    regions, _, program = compile_graph(function, arguments)
    small = replace(TARGET, ub_bytes=16 * 1024)
    (region,) = regions
    assert [step.kernel.core for step in lower_region(region, small)][:2] == ["aic", "aiv"]
    check_results(program, function, arguments, 1e-3)


def test_chunks_of_rows():
    rows = choose_rows((Dim(64, (), 0),), 16)
    assert (rows.level, rows.size, rows.most_trips) == (0, 16, 4)
    rows = choose_rows((Dim(3, (), 0), Dim(20, (), 1)), 16)  # a whole inner dimension is too much
    assert (rows.level, rows.size, rows.most_trips) == (1, 10, 6)
    rows = choose_rows((Dim(30, (), 0), Dim(4, (), 1)), 16)
    assert (rows.level, rows.size, rows.most_trips) == (0, 4, 8)

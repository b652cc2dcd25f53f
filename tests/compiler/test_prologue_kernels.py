"""Weights that are widened and scaled in the kernel of their product: one mixed kernel each, free of hazards, and right."""

import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import check_results, compile_graph, integers, normal

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.steps import Launch

BF16, F16 = jnp.bfloat16, jnp.float16


def weights(*shape):
    return (integers(255, *shape) - 127).astype(np.int8)


def scaled(x, w, s):
    return x @ (w.astype(x.dtype) * s)


def with_offset(x, w, s, o):
    return x @ ((w.astype(x.dtype) + o) * s)


def by_groups(x, w, s):
    groups = w.reshape(s.shape[0], -1, w.shape[1]).astype(x.dtype)
    return x @ (groups * s[:, None]).reshape(w.shape)


def by_columns(x, w, s):
    return jnp.einsum("bk,nk->bn", x, w.astype(x.dtype) * s[:, None])


def on_the_left(x, w, s):
    return jnp.einsum("nk,bk->nb", w.astype(x.dtype) * s[:, None], x)


# name: (function, arguments, tolerance)
CASES = {
    "a row of scales": (scaled, [normal(5, 333), weights(333, 130), normal(130) / 99], 1e-5),
    "scales and offsets": (
        with_offset,
        [normal(16, 700), weights(700, 300), normal(300) / 99, normal(300)],
        1e-4,
    ),
    "f16": (scaled, [normal(9, 200).astype(F16), weights(200, 70), (normal(70) / 999).astype(F16)], 1e-2),
    "bf16": (scaled, [normal(9, 200).astype(BF16), weights(200, 70), (normal(70) / 999).astype(BF16)], 3e-2),
    "many tiles of columns": (scaled, [normal(4, 40), weights(40, 9000), normal(9000) / 99], 1e-5),
    "deep": (scaled, [normal(3, 3000), weights(3000, 40), normal(40) / 999], 1e-4),
    "scales of groups": (by_groups, [normal(16, 256), weights(256, 300), normal(8, 300) / 99], 1e-5),
    "scales of rows": (by_columns, [normal(9, 100), weights(70, 100), normal(70) / 99], 1e-5),
    "weights on the left": (on_the_left, [normal(33, 300), weights(500, 300), normal(500) / 99], 1e-4),
    "a bias": (
        lambda x, w, s, b: scaled(x, w, s) + b,
        [normal(5, 64), weights(64, 90), normal(90) / 99, normal(90)],
        1e-5,
    ),
    "batches of rows": (
        lambda x, w, s: jnp.einsum("abk,kn->abn", x, w.astype(x.dtype) * s),
        [normal(3, 5, 64), weights(64, 90), normal(90) / 99],
        1e-5,
    ),
    "a transposed result": (lambda x, w, s: scaled(x, w, s).T, [normal(5, 64), weights(64, 90), normal(90) / 99], 1e-5),
    "positions": (
        lambda x, w: x @ jnp.where(jnp.arange(w.shape[0])[:, None] > 9, w, 0).astype(x.dtype),
        [normal(5, 64), weights(64, 90)],
        1e-4,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_mixed_kernel_and_right(name):
    function, arguments, tolerance = CASES[name]
    _, schedule, program = compile_graph(function, arguments)
    assert [item.kernel.core for item in schedule.items if isinstance(item, Launch)] == ["mix"]
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, arguments, tolerance)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (scaled, [normal(600, 64), weights(64, 90), normal(90) / 99]),  # made anew for every tile of rows
        (lambda x, w, s: (scaled(x, w, s), w * s), [normal(5, 64), weights(64, 90), normal(90) / 99]),  # wanted
        (lambda x, w, s: x @ jnp.cumsum(w * s, 0), [normal(5, 64), weights(64, 90), normal(90) / 99]),
        (lambda x, w, s: x @ (w * s / (w * s).sum(0)), [normal(5, 64), weights(64, 90), normal(90) / 99]),
        (lambda x, w, s: x @ (w * s), [normal(5, 64), normal(64, 90), normal(90)]),  # as large as it was
    ],
)
def test_what_is_not_worth_it_or_not_element_by_element_stays_outside(function, arguments):
    _, schedule, program = compile_graph(function, arguments)
    assert "mix" not in [item.kernel.core for item in schedule.items if isinstance(item, Launch)]
    check_results(program, function, arguments, 1e-4)

"""Two products and the softmax between them: one mixed kernel each, free of hazards, and right; near misses stay right."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from attention_cases import BF16, CASES, F16, causal, masked, operands, plain, scores, values
from compiled_function import TARGET, check_results, compile_graph, normal

from jax_ascend import _plugin, estimate
from jax_ascend.compiler.codegen.attention.problem import read_attention
from jax_ascend.compiler.codegen.attention.tiles import AttentionTiles, tile_choices
from jax_ascend.compiler.codegen.lower_region import lower_region
from jax_ascend.compiler.codegen.steps import Launch


@pytest.mark.parametrize("name", CASES)
def test_one_mixed_kernel_and_right(name):
    function, arguments, tolerance = CASES[name]
    regions, schedule, program = compile_graph(function, arguments)
    assert sum(region.kind == "attention" for region in regions) == 1
    launches = [item.kernel.core for item in schedule.items if isinstance(item, Launch)]
    assert launches.count("mix") == 1 and "aic" not in launches
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, arguments, tolerance)


@pytest.mark.parametrize("name", [name for name in CASES if "part" in name])
def test_parts_are_read_where_they_lie(name):
    _, schedule, _ = compile_graph(*CASES[name][:2])
    assert [item.kernel.core for item in schedule.items if isinstance(item, Launch)] == ["mix"]


def test_parts_that_somebody_else_wants_are_put_together():
    def both(q, r, k, s, v):
        k = jnp.concatenate([k, s], -1)
        return plain(jnp.concatenate([q, r], -1), k, v), k

    function, arguments, tolerance = both, *CASES["two parts"][1:]
    _, schedule, program = compile_graph(function, arguments)
    assert [item.kernel.core for item in schedule.items if isinstance(item, Launch)] == ["aiv", "mix"]
    check_results(program, function, arguments, tolerance)


def test_values_in_parts_are_put_together():
    def function(q, k, v, w):
        return plain(q, k, jnp.concatenate([v, w], -1))

    arguments = [*operands(), normal(2, 40, 2, 8)]
    regions, _, program = compile_graph(function, arguments)
    assert sum(region.kind == "attention" for region in regions) == 1
    check_results(program, function, arguments, 1e-5)


def unshifted(q, k, v):
    e = jnp.exp(scores(q, k))
    return values(e / e.sum(-1, keepdims=True), v)


def shifted_by_another_row(q, k, v):
    s = scores(q, k)
    e = jnp.exp(s - s.max(-1, keepdims=True)[:, :, ::-1])
    return values(e / e.sum(-1, keepdims=True), v)


def squared(q, k, v):
    return values(jax.nn.softmax(scores(q, k)) ** 2, v)


def half_of_the_total(q, k, v):
    s = scores(q, k)
    e = jnp.exp(s - s.max(-1, keepdims=True))
    return values(e / (e.sum(-1, keepdims=True) + 1), v)


def maximum_used_twice(q, k, v):
    s = scores(q, k)
    m = s.max(-1, keepdims=True)
    e = jnp.exp(s - m)
    return values(e / e.sum(-1, keepdims=True) * m, v)


def along_queries(q, k, v):
    return values(jax.nn.softmax(scores(q, k), axis=-2), v)


def weights_too(q, k, v):
    w = jax.nn.softmax(scores(q, k))
    return values(w, v), w


def scores_too(q, k, v):
    s = scores(q, k)
    return values(jax.nn.softmax(s), v), s.sum(-1)


def weights_on_both_sides(q, k, v):
    w = jax.nn.softmax(scores(q, k))
    return jnp.einsum("bhqk,bhqk->bhq", w, w)


NEAR_MISSES = [
    unshifted,
    shifted_by_another_row,
    squared,
    half_of_the_total,
    maximum_used_twice,
    along_queries,
    weights_too,
    scores_too,
    weights_on_both_sides,
]


@pytest.mark.parametrize("function", NEAR_MISSES, ids=lambda f: f.__name__)
def test_a_near_miss_stays_right(function):
    arguments = [a / 2 for a in operands()]
    regions, _, program = compile_graph(function, arguments)
    assert not any(region.kind == "attention" for region in regions)
    check_results(program, function, arguments, 1e-5)


def attention_of(function, arguments):
    regions, _, _ = compile_graph(function, arguments)
    (region,) = [r for r in regions if r.kind == "attention"]
    return region


def test_what_does_not_fit_becomes_three_kernels():
    function, arguments, _ = CASES["causal"]
    region = attention_of(function, arguments)
    steps = lower_region(region, replace(TARGET, ub_bytes=2 * 1024))
    assert next(step.kernel.core for step in steps if isinstance(step, Launch)) == "aic"
    steps = lower_region(region, replace(TARGET, l0c_bytes=16 * 1024))
    assert [step.kernel.core for step in steps if isinstance(step, Launch)] == ["mix"]
    steps = lower_region(attention_of(*CASES["two parts"][:2]), replace(TARGET, ub_bytes=2 * 1024))
    cores = [step.kernel.core for step in steps if isinstance(step, Launch)]
    assert cores[:3] == ["aiv", "aiv", "aic"] and cores[-1] == "aic"


def test_bounds_of_masks():
    seen = read_attention(attention_of(*CASES["window"][:2])).visibility
    assert len(seen.first) == len(seen.last) == 1 and seen.unmasked is None
    seen = read_attention(attention_of(*CASES["causal"][:2])).visibility
    assert [b.constant for b in seen.last] == [0] and seen.unmasked is not None
    for name in ("plain", "padding and causal", "rows that see nothing, by a finite mask", "soft cap"):
        assert read_attention(attention_of(*CASES[name][:2])).visibility is None, name


def test_hidden_blocks_cost_nothing():
    """A third of the blocks of this causal attention are never computed; those at the diagonal cost more."""
    arguments = [jax.ShapeDtypeStruct((1, 4096, 6, 64), F16)] * 3
    whole, half = (estimate(f, *arguments).cycles for f in (plain, masked(causal, -jnp.inf)))
    assert half < 0.85 * whole


def test_tiles_are_legal_for_any_size():
    for queries, keys, depth, width in ((1, 2, 1, 1), (1, 5000, 512, 512), (17, 33, 576, 512), (4096, 4096, 128, 128)):
        shapes = [(1, queries, 1, depth), (1, keys, 1, depth), (1, keys, 1, width)]
        problem = read_attention(attention_of(plain, [jnp.zeros(s, BF16) for s in shapes]))
        choices = list(tile_choices(problem, TARGET))
        assert choices and all(isinstance(t, AttentionTiles) and t.rows % 16 == 0 for t in choices)

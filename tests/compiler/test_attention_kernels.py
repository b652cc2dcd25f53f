"""Two products and the softmax between them: one mixed kernel each, free of hazards, and right; near misses stay right."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import TARGET, check_results, compile_graph, normal

from jax_ascend import _plugin, estimate
from jax_ascend.compiler.codegen.attention.problem import read_attention
from jax_ascend.compiler.codegen.attention.tiles import AttentionTiles, tile_choices
from jax_ascend.compiler.codegen.lower_region import lower_region
from jax_ascend.compiler.codegen.steps import Launch

BF16, F16 = jnp.bfloat16, jnp.float16
LOWEST = float(np.finfo(np.float32).min)


def scores(q, k):
    return jnp.einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5


def values(w, v):
    return jnp.einsum("bhqk,bkhd->bqhd", w.astype(v.dtype), v)


def plain(q, k, v):
    return values(jax.nn.softmax(scores(q, k)), v)


def positions(q, k):
    return jnp.arange(q.shape[1])[:, None], jnp.arange(k.shape[1])


def masked(seen, fill):
    def attend(q, k, v):
        return values(jax.nn.softmax(jnp.where(seen(*positions(q, k)), scores(q, k), fill)), v)

    return attend


def causal(i, j):
    return j <= i


def padded(q, k, v):
    lengths = jnp.asarray([k.shape[1] // 3, k.shape[1]])
    i, j = positions(q, k)
    seen = (j < lengths[:, None, None, None]) & (j <= i + 9)
    return values(jax.nn.softmax(jnp.where(seen, scores(q, k), -1e9)), v)


def grouped(q, k, v):
    b, s, n, d = q.shape
    q = q.reshape(b, s, k.shape[2], -1, d)
    w = jax.nn.softmax(jnp.einsum("bskgd,btkd->bkgst", q, k).astype(jnp.float32) / 8)
    return jnp.einsum("bkgst,btkd->bskgd", w.astype(v.dtype), v).reshape(b, s, n, -1)


def biased(q, k, v, bias):
    return values(jax.nn.softmax(scores(q, k) + bias), v)


def capped(q, k, v):
    return values(jax.nn.softmax(5 * jnp.tanh(scores(q, k) / 5)), v)


def dropped(q, k, v, keep):
    return values(jnp.where(keep, jax.nn.softmax(scores(q, k)) / 0.9, 0), v)


def by_reciprocal(q, k, v):
    s = scores(q, k)
    e = jnp.exp(s - s.max(-1, keepdims=True))
    return values(e * (1 / e.sum(-1, keepdims=True)), v)


def where_softmax(q, k, v):
    return values(jax.nn.softmax(scores(q, k), where=positions(q, k)[1] % 3 != 1), v)


def cached(q, k, v, length):
    seen = positions(q, k)[1] < length
    return values(jax.nn.softmax(jnp.where(seen, scores(q, k), -jnp.inf)), v)


def of(dtype, *arguments):
    return [a.astype(dtype) if a.ndim == 4 else a for a in arguments]


def operands(queries=40, keys=40, heads=2, depth=16, width=16):
    return [normal(2, queries, heads, depth), normal(2, keys, heads, depth), normal(2, keys, heads, width)]


# name: (function, arguments, tolerance)
CASES = {
    "plain": (plain, operands(), 1e-5),
    "many tiles and blocks of keys": (plain, [normal(1, 300, 1, 16), *(normal(1, 1300, 1, 16),) * 2], 1e-5),
    "bf16": (plain, of(BF16, *operands(70, 150, 1, 24)), 2e-2),
    "f16": (plain, of(F16, *operands(70, 150, 1, 24)), 3e-3),
    "f32 softmax over bf16": (
        lambda q, k, v: values(jax.nn.softmax(scores(q, k).astype(jnp.float32)), v),
        of(BF16, *operands(33, 150)),
        2e-2,
    ),
    "values wider than keys": (plain, operands(20, 600, 1, 8, 144), 1e-5),
    "one query": (plain, operands(1, 300), 1e-5),
    "two keys": (plain, operands(30, 2), 1e-5),
    "causal": (masked(causal, -jnp.inf), [normal(1, 300, 1, 8)] * 3, 1e-5),
    "causal by a finite mask": (masked(causal, LOWEST), [normal(1, 300, 1, 8)] * 3, 1e-5),
    "window": (masked(lambda i, j: (j <= i) & (j > i - 50), -jnp.inf), [normal(1, 300, 1, 8)] * 3, 1e-5),
    "rows that see nothing": (masked(lambda i, j: j + 5 <= i, -jnp.inf), operands(200, 200, 1), 1e-5),
    "rows that see nothing, by a finite mask": (masked(lambda i, j: j + 5 <= i, LOWEST), operands(200, 200, 1), 1e-5),
    "tiles that see nothing": (masked(lambda i, j: j + 150 <= i, -jnp.inf), [normal(1, 300, 1, 8)] * 3, 1e-5),
    "later keys only": (masked(lambda i, j: j >= i + 3, -jnp.inf), [normal(1, 300, 1, 8)] * 3, 1e-5),
    "padding and causal": (padded, operands(130, 130), 1e-5),
    "grouped heads": (grouped, [normal(2, 40, 6, 16), normal(2, 50, 2, 16), normal(2, 50, 2, 16)], 1e-5),
    "one head of keys": (grouped, [normal(2, 40, 6, 16), normal(2, 50, 1, 16), normal(2, 50, 1, 16)], 1e-5),
    "bias": (biased, [*operands(), normal(2, 40, 40)], 1e-5),
    "bias of a row": (biased, [*operands(), normal(1, 40)], 1e-5),
    "soft cap": (capped, operands(), 1e-5),
    "dropout": (dropped, [*operands(), normal(2, 2, 40, 40) > -1], 1e-5),
    "times the reciprocal": (by_reciprocal, operands(), 1e-5),
    "softmax where": (where_softmax, operands(), 1e-5),
    "a cache of a length that is data": (cached, [*operands(1, 300), np.int32(77)], 1e-5),
    "dot_product_attention": (jax.nn.dot_product_attention, operands(), 1e-5),
    "dot_product_attention, causal": (
        lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True),
        operands(200, 200, 1),
        1e-5,
    ),
    "dot_product_attention, window": (
        lambda q, k, v: jax.nn.dot_product_attention(q, k, v, local_window_size=(20, 10)),
        operands(200, 200, 1),
        1e-5,
    ),
    "two dimensions without batch": (
        lambda q, k, v: jax.nn.softmax(q @ k.T) @ v,
        [normal(50, 8), normal(90, 8), normal(90, 24)],
        1e-5,
    ),
    "keys and values transposed": (
        lambda q, k, v: (v @ jax.nn.softmax(q @ k).T).T,
        [normal(50, 8), normal(8, 90), normal(24, 90)],
        1e-5,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_mixed_kernel_and_right(name):
    function, arguments, tolerance = CASES[name]
    regions, schedule, program = compile_graph(function, arguments)
    assert sum(region.kind == "attention" for region in regions) == 1
    launches = [item.kernel.core for item in schedule.items if isinstance(item, Launch)]
    assert launches.count("mix") == 1 and "aic" not in launches
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, arguments, tolerance)


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
    jax.grad(lambda q, k, v: plain(q, k, v).sum(), (0, 1, 2)),
]


@pytest.mark.parametrize("function", NEAR_MISSES, ids=lambda f: getattr(f, "__name__", "gradient"))
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

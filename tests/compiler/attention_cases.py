"""Attention as people write it, with arguments: what tests of its kernels share."""

import jax
import jax.numpy as jnp
import numpy as np

BF16, F16 = jnp.bfloat16, jnp.float16
_DRAW = np.random.default_rng(0)  # of these cases alone: what they are depends on no other test
LOWEST = float(np.finfo(np.float32).min)


def normal(*shape):
    return _DRAW.standard_normal(shape).astype(np.float32)


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


def joined(*parts):
    """Queries and keys each put together of as many parts, along the depth."""
    q, k = (jnp.concatenate(x, -1) for x in (parts[: len(parts) // 2], parts[len(parts) // 2 : -1]))
    return plain(q, k, parts[-1])


def joined_heads_first(*parts):
    return joined(*(x.transpose(0, 2, 1, 3) for x in parts)).transpose(0, 2, 1, 3)


def joined_for_one_head(q, r, k, s, v):
    return grouped(jnp.concatenate([q, r], -1), jnp.concatenate([k, s], -1), v)


def joined_keys(q, k, s, v):
    return plain(q, jnp.concatenate([k, s], -1), v)


def of(dtype, *arguments):
    return [a.astype(dtype) if a.ndim == 4 else a for a in arguments]


def operands(queries=40, keys=40, heads=2, depth=16, width=16):
    return [normal(2, queries, heads, depth), normal(2, keys, heads, depth), normal(2, keys, heads, width)]


def parts(queries, keys, *depths):
    """Queries, keys and values of two heads, the first two in parts of these depths."""
    made = [normal(2, n, 2, depth) for n, sizes in zip((queries, keys), depths) for depth in sizes]
    return [*made, normal(2, keys, 2, 24)]


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
    "causal, tiles to and fro": (masked(causal, -jnp.inf), [normal(1, 300, 26, 8)] * 3, 1e-5),
    "two parts": (joined, parts(40, 150, (128, 16), (128, 16)), 1e-5),
    "two odd parts": (joined, parts(33, 70, (7, 70), (7, 70)), 1e-5),
    "two parts, bf16": (joined, of(BF16, *parts(70, 150, (96, 24), (96, 24))), 2e-2),
    "two parts, f16": (joined, of(F16, *parts(20, 300, (40, 100), (40, 100))), 3e-3),
    "three parts": (joined, parts(20, 40, (8, 3, 16), (8, 3, 16)), 1e-5),
    "parts of keys that end elsewhere": (joined, parts(20, 40, (8, 16), (16, 8)), 1e-5),
    "whole queries, keys in parts": (joined_keys, [normal(2, 40, 2, 24), *parts(1, 70, (1,), (16, 8))[1:]], 1e-5),
    "two parts, heads first": (
        joined_heads_first,
        [x.transpose(0, 2, 1, 3) for x in parts(40, 70, (24, 8), (24, 8))],
        1e-5,
    ),
    "two parts, one head of keys": (
        joined_for_one_head,
        [normal(2, 9, 6, 40), normal(2, 9, 6, 8), normal(2, 50, 1, 40), normal(2, 50, 1, 8), normal(2, 50, 1, 24)],
        1e-5,
    ),
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

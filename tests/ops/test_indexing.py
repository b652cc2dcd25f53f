"""Reading and writing by index: gather, scatter, dynamic slices, one-hot, embedding gradients."""

import jax
import jax.numpy as jnp
import pytest
from case import FLOATS, INTS, WIDE, case, checks, verify
from jax import lax

EVERY = f"{FLOATS} {INTS} {WIDE} bool"


def taken_along(x, i, d):
    """Every rule for what is outside."""
    return [jnp.take_along_axis(x, i, d, mode=mode) for mode in ("fill", "clip")]


def takes(x, i):
    return x[i], x[:, i % 5], jnp.take(x, i, axis=1, mode="clip"), x[i[:3], i[1:4] % 5], x[i[0]], x[i[:2]][:, None]


def along(x, i):
    return jnp.take_along_axis(x, i % 5, axis=1), jnp.take_along_axis(x, jnp.argsort(x, 0), axis=0)


def normalized_member(x, i):
    """A row is too long to stay in UB: the member is read twice, in two loops."""
    x = lax.dynamic_index_in_dim(x, i, 0, False)
    return x * lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)


def out_of_range(x, i):
    i = i * 3
    return x.at[i].get(mode="fill", fill_value=7), x.at[i].get(mode="clip"), x.at[i].set(1, mode="drop")


def scatters(x, i, y):
    return (
        x.at[i].set(y[0, 0]),
        x.at[i].add(y),
        x.at[:, i % 5].add(1),
        x.at[i, i % 5].add(y[:, 0]),
        x.at[2:4].set(y[:2]),
        x.at[1, 2].set(3),
        x.at[::2, 1:].multiply(2),
    )


def extremes(x, i, y):
    return x.at[i].max(y), x.at[i].min(y), x.at[i].multiply(y)


def bodies(x, i):
    both = x + 1j * x[:, ::-1]
    return (
        x.at[i].apply(lambda v: v * 3 + 1),
        x.at[i[:4] // 9 + jnp.arange(4)].apply(jnp.square, unique_indices=True),
        x.at[2].apply(jnp.abs),
        x.at[:].apply(jnp.abs),
        both.at[i].multiply(1 - 1j),
        both.at[1:3, ::2].multiply(2),
    )


def unique_set(x, y):
    order = jnp.array([3, 0, 5, 2])
    return x.at[order].set(y, unique_indices=True), x.at[:, order[:2]].set(0)


def dynamic(x, y, i):
    i, j = i[0], i[1]
    return (
        lax.dynamic_slice(x, (i, j), (3, 4)),
        lax.dynamic_update_slice(x, y, (i, j)),
        lax.dynamic_index_in_dim(x, i, 0),
        lax.dynamic_update_index_in_dim(x, x[0], j, 0),
        lax.dynamic_slice(x, (i + 100, j - 100), (3, 4)),
        lax.dynamic_update_slice(x, y, (i - 100, j + 100)),
    )


def embedding_loss(table, i):
    return jnp.tanh(table[i]).sum(-1), table[i] @ table.T


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def one_hots(i):
    return jax.nn.one_hot(i, 9), jax.nn.one_hot(i, 9, axis=0, dtype=jnp.bfloat16), jax.nn.one_hot(i, 5)


def in_loop(cache, row):
    return lax.fori_loop(0, 9, lambda i, c: lax.dynamic_update_slice(c, (row + i)[None], (i, 0)), cache)


def update_ends(x):
    y = lax.dynamic_update_slice(x, jnp.ones(1), (0,))
    return lax.dynamic_update_slice(y, jnp.ones(1), (len(x) - 1,))


CASES = [
    case("update both ends", update_ends, "f32[9]"),
    case("take", takes, "T[9,5]", "i32[6] 0..8", types=EVERY, grad=True),
    case("take by other types", lambda x, *i: [x[j] for j in i], "f32[9,3]", "u8[4] 0..8", "i8[4] 0..8", "u32[4] 0..8"),
    case("negative index", lambda x, i: x[i], "f32[9,5]", "i32[6] -9..-1", grad=True),
    case("take along axis", along, "T[7,5]", "i32[7,3] 0..4", types="f32 bf16 i32", grad=True),
    case(
        "three dimensions", lambda x, i: (x[:, i], x[i % 3, :, i], x[i % 3, i]), "T[3,8,5]", "i32[2,2] 0..4", grad=True
    ),
    case("out of range", out_of_range, "T[9,5]", "i32[6] 0..8", types="f32 i32"),
    case("wide rows", lambda x, i: x[i], "T[40,513]", "i32[3,7] 0..39", types="f32 bf16 i8", grad=True),
    case("mask", lambda x, m: x[jnp.nonzero(m, size=4)], "f32[9,2]", "bool[9]"),
    case("scatter", scatters, "T[9,5]", "i32[6] 0..8", "T[6,5]", types=f"{FLOATS} {INTS} {WIDE}", grad=True),
    case("scatter extremes", extremes, "T[9,5]", "i32[6] 0..8", "T[6,5]", types=f"{FLOATS} {INTS}"),
    case("scatter by a body", bodies, "T[9,5]", "i32[6] 0..11", types="f32 i32"),
    case("scatter unique", unique_set, "T[9,5]", "T[4,5]", types=EVERY, grad=True),
    case(
        "scatter scalars",
        lambda x, i: (x.at[i].add(1), jnp.bincount(i, length=9)),
        "T[9]",
        "i32[40] 0..8",
        types=f"f32 {INTS}",
    ),
    case("segment sum", lambda x, i: jax.ops.segment_sum(x, i, 9), "T[40,3]", "i32[40] 0..8", types=FLOATS, grad=True),
    case("histogram", lambda x: jnp.histogram(x, bins=7)[0], "f32[99]"),
    case("dynamic", dynamic, "T[9,8]", "T[2,3]", "i32[2] 0..9", types=EVERY, grad=True),
    case(
        "dynamic large",
        lambda x, i: lax.dynamic_slice(x, (i[0], 0), (64, 300)) + 1,
        "f32[200,300]",
        "i32[1] 0..100",
        grad=True,
    ),
    case("in a loop", in_loop, "T[9,33]", "T[33]", types="f32 bf16", eager=False),
    case(
        "vmap of dynamic slice",
        jax.vmap(lambda x, i: lax.dynamic_slice(x, (i,), (4,))),
        "T[5,9]",
        "i32[5] 0..9",
        grad=True,
    ),
    case(
        "vmap of update",
        jax.vmap(lambda x, y, i: lax.dynamic_update_slice(x, y, (i,))),
        "f32[5,9]",
        "f32[5,2]",
        "i32[5] 0..9",
        grad=True,
    ),
    case("embedding", embedding_loss, "T[33,16]", "i32[4,9] 0..32", types="f32 bf16", grad=True),
    case("cross entropy", cross_entropy, "T[33,65]", "i32[33] 0..64", types="f32 bf16", grad=True),
    case("one hot", one_hots, "T[7] 0..8", types="i32 u8"),
    case("one hot product", lambda i, w: jax.nn.one_hot(i, 9) @ w, "i32[20] 0..8", "f32[9,17]", grad=True),
    *(
        case(f"take along {d}", lambda x, i, d=d: taken_along(x, i, d), "T[5,70,6]", shape, types="f32 bf16 i64 bool")
        for d, shape in ((0, "i32[9,70,6] -7..7"), (1, "i32[5,40,6] -80..80"), (2, "i32[5,70,11] -7..7"))
    ),
    case(
        "gradient of take along", lambda x, i: jnp.take_along_axis(x, i, 1), "f32[5,70]", "i32[5,30] 0..69", grad=True
    ),
    case("searchsorted", lambda a, v: jnp.searchsorted(jnp.sort(a), v), "f32[50]", "f32[20]"),
    case("interp", lambda x: jnp.interp(x, jnp.arange(5.0), jnp.arange(5.0) ** 2), "f32[20] 0..4", grad=True),
    case("long rows of a member", normalized_member, "f32[3,2,40000]", "i32[] 0..2"),
    case("empty indices", lambda x, i: (x[i], x.at[i].add(1)), "f32[9,5]", "i32[0]"),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_indexing(check):
    verify(check)

"""Programs that divide themselves along some axes or all: shard_map, nested, with scans, gradients and every collective."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sharded
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

MESH = sharded.mesh_of(4, 2)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 8)).astype(np.float32)
RING = [(i, (i + 1) % 4) for i in range(4)]


def manual(f, ins, outs, **options):
    return jax.shard_map(f, mesh=MESH, in_specs=ins, out_specs=outs, check_vma=False, **options)


def collectives(x):
    def f(x):
        rows = lax.all_gather(x, "a", axis=0, tiled=True)
        return (
            x * lax.axis_index("a") + lax.axis_index("b"),
            lax.ppermute(x, "a", RING),
            lax.psum_scatter(rows, "a", scatter_dimension=0, tiled=True),
            lax.all_to_all(x, "b", 0, 1, tiled=True),
            lax.pmax(x, ("a", "b")),
            lax.psum(x, "a", axis_index_groups=[[0, 2], [1, 3]]),
        )

    return manual(f, P("a", "b"), (*(P("a", "b"),) * 4, P(), P("a", "b")))(x)


def collectives_expected(x):
    blocks = x.reshape(4, 2, 2, 4).transpose(0, 2, 1, 3)  # a, b, rows, columns

    def whole(blocks):
        a, b, rows, columns = blocks.shape
        return blocks.transpose(0, 2, 1, 3).reshape(a * rows, b * columns)

    number = np.arange(4).reshape(4, 1, 1, 1), np.arange(2).reshape(1, 2, 1, 1)
    exchanged = np.stack([np.concatenate([blocks[:, 0, i : i + 1], blocks[:, 1, i : i + 1]], 2) for i in range(2)], 1)
    pairs = blocks + np.roll(blocks, 2, 0)
    return (
        whole(blocks * number[0] + number[1]),
        whole(np.roll(blocks, 1, 0)),
        4 * x,
        whole(exchanged),
        blocks.max((0, 1)),
        whole(pairs),
    )


def partly(x):
    x = lax.with_sharding_constraint(x, NamedSharding(MESH, P(None, "b")))
    return manual(lambda x: lax.psum(jnp.sin(x), "a") @ jnp.ones((8, 3)), P("a"), P(), axis_names={"a"})(x)


def partly_expected(x):
    return np.sin(x).reshape(4, 2, 8).sum(0) @ np.ones((8, 3))


def nested(x):
    def inner(x):
        return lax.psum(x, "b") * (1 + lax.axis_index("b"))

    def outer(x):
        within = jax.shard_map(inner, in_specs=P(None, "b"), out_specs=P(None, "b"), axis_names={"b"}, check_vma=False)
        return within(x) + lax.psum(x, "a")

    return manual(outer, P("a"), P("a"), axis_names={"a"})(x)


def nested_expected(x):
    halves = x[:, :4] + x[:, 4:]
    return np.concatenate([halves, 2 * halves], 1) + np.tile(x.reshape(4, 2, 8).sum(0), (4, 1))


def in_a_scan(x):
    def f(x):
        return lax.scan(lambda c, _: (lax.ppermute(c, "a", RING) + 1, lax.psum(c.sum(), ("a", "b"))), x, None, length=3)

    return manual(f, P("a", "b"), (P("a", "b"), P()))(x)


def in_a_scan_expected(x):
    rolled = np.roll(x.reshape(4, 2, 8), 3, 0).reshape(8, 8)
    return rolled + 3, np.array([x.sum() + 64 * i for i in range(3)])


def gradient(x):
    f = jax.shard_map(
        lambda x: lax.psum((jnp.tanh(x) ** 2).sum(), ("a", "b")), mesh=MESH, in_specs=P("a", "b"), out_specs=P()
    )
    return jax.grad(f)(x)


def gradient_expected(x):
    return 2 * np.tanh(x) * (1 - np.tanh(x) ** 2)


def branches(x):
    def f(x):
        return lax.cond(lax.axis_index("a") > 1, lambda x: lax.psum(x, "b"), lambda x: 2 * x, x)

    return manual(f, P("a", "b"), P("a", "b"))(x)


def branches_expected(x):
    both = np.tile(x[:, :4] + x[:, 4:], (1, 2))
    return np.concatenate([2 * x[:4], both[4:]])


def constrained_reducer(x):
    def f(x):
        row = jax.vmap(lambda r: lax.psum(r, "b"), spmd_axis_name="a")(x)
        return row * 2

    return manual(f, P(None, "b"), P(), axis_names={"b"})(x)


def constrained_reducer_expected(x):
    return 2 * (x[:, :4] + x[:, 4:])


@pytest.mark.parametrize("function", [collectives, partly, nested, in_a_scan, gradient, branches, constrained_reducer])
def test_manual(function):
    everywhere = NamedSharding(MESH, P())
    text = (
        jax.jit(function, in_shardings=everywhere)
        .trace(X)
        .lower(lowering_platforms=("ascend",))
        .as_text(debug_info=True)
    )
    got, _ = sharded.run_text(text, [X])
    expected = jax.tree.leaves(globals()[f"{function.__name__}_expected"](X))
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-4, atol=1e-4)

"""Programs over eight devices. A process may have all of them, or some: the bits of the results are the same.

Each is a function of a mesh that returns arrays; `digests` tells what the parts on the process's devices hold.
"""

import hashlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

sys.path.append(str(Path(__file__).parents[1] / "many_devices"))
from meshes import numbers

CUT = P("i")
GROUPS = [[0, 5, 2, 7], [3, 1, 6, 4]]
TYPES = ["bool", "int8", "uint16", "int32", "float16", "bfloat16", "float32", "complex64", "int4"]


def place(x, mesh, spec=CUT):
    return jax.make_array_from_callback(x.shape, NamedSharding(mesh, spec), lambda index: x[index])


def mapped(function, mesh, *arrays, spec=CUT):
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))(
        *(place(x, mesh, spec) for x in arrays)
    )


def moves(mesh):
    def body(x):
        wide = jnp.concatenate([x] * 8, 1)
        return (
            lax.ppermute(x, "i", [(d, (d + 3) % 8) for d in range(8)]),
            lax.ppermute(x, "i", [(0, 1), (1, 6), (6, 0), (7, 7)]),
            lax.all_gather(x, "i"),
            lax.all_gather(x, "i", axis_index_groups=GROUPS),
            lax.all_to_all(wide, "i", 1, 0, tiled=True),
            lax.all_to_all(wide[:, :4], "i", 1, 2, axis_index_groups=GROUPS),
            lax.pbroadcast(x, "i", 5),
        )

    return [mapped(body, mesh, numbers((16, 3, 2), t)) for t in TYPES]


def sums(mesh):
    def body(x):
        return (
            lax.psum(x, "i"),
            lax.psum(x, "i", axis_index_groups=GROUPS),
            lax.psum_scatter(jnp.concatenate([x] * 8), "i", tiled=True),
            lax.psum_scatter(jnp.stack([x] * 4, 1), "i", scatter_dimension=1, axis_index_groups=GROUPS),
            lax.pmax(x.real, "i"),
            lax.pmin(x.real, "i", axis_index_groups=GROUPS),
        )

    return [mapped(body, mesh, numbers((16, 3), t)) for t in TYPES[1:-1]]


def sizes(mesh):
    """Nothing, one element, odd sizes, and sums large enough to be shared by the processes."""
    body = lambda x, y: (lax.psum((x, y), "i"), lax.all_gather(x, "i"), lax.psum(y, "i", axis_index_groups=GROUPS))  # noqa: E731
    shapes = (0,), (1,), (7, 11), (4099,), (3, 40001)
    return [mapped(body, mesh, numbers((8, *s)), numbers((8, *s), "bfloat16", 1)) for s in shapes]


def ragged(mesh):
    rng = np.random.default_rng(3)
    sent = rng.integers(0, 3, (8, 8)).astype(np.int32)  # [from, to]
    starts = np.cumsum(sent, 1, dtype=np.int32) - sent
    there = np.cumsum(sent, 0, dtype=np.int32) - sent

    def body(x, out, starts, sizes, there, received):
        return lax.ragged_all_to_all(x[0], out[0], starts[0], sizes[0], there[0], received[0], axis_name="i")[None]

    return mapped(
        body, mesh, numbers((8, 24, 3)), numbers((8, 24, 3), seed=1), starts, sent, there, np.ascontiguousarray(sent.T)
    )


def control(mesh):
    """Exchanges in loops, whose trips data decide, and in branches, which groups take apart from each other."""

    def body(x):
        y = lax.fori_loop(0, 20, lambda i, x: lax.ppermute(x, "i", [(d, (d + 1) % 8) for d in range(8)]) * 0.9 + 1, x)
        z = lax.while_loop(lambda x: lax.pmax(jnp.abs(x).max(), "i") < 50, lambda x: x + lax.psum(jnp.abs(x), "i"), x)
        pairs = [[0, 4], [1, 5], [2, 6], [3, 7]]
        rounds = lax.axis_index("i") % 4
        w = lax.fori_loop(0, rounds, lambda i, x: lax.psum(x, "i", axis_index_groups=pairs) / 2, x)
        v = lax.cond(rounds == 1, lambda x: lax.psum(x, "i", axis_index_groups=pairs), lambda x: -x, x)
        return y, z, w, v

    return mapped(body, mesh, numbers((8, 5)))


def order(mesh):
    """The devices in another order, which takes them to and fro between processes."""
    other = Mesh(mesh.devices[np.array([7, 0, 6, 1, 5, 2, 4, 3])], ("i",))
    return moves(other)[-3:], sums(other)[-2:]


def divided(mesh):
    """A step of training over a mesh of two axes, which Shardy divides; RNG; sorts along a dimension that is cut."""
    grid = Mesh(mesh.devices.reshape(4, 2), ("a", "b"))
    at = lambda *axes: NamedSharding(grid, P(*axes))  # noqa: E731

    def loss(p, x):
        hidden = jnp.tanh(x @ p["w"])
        keep = jax.random.bernoulli(jax.random.key(1), 0.9, hidden.shape)
        return jnp.mean((jnp.where(keep, hidden, 0) @ p["v"] - x) ** 2)

    def step(p, x):
        value, gradient = jax.value_and_grad(loss)(p, x)
        return jax.tree.map(lambda a, b: a - 0.1 * b, p, gradient), value

    params = {
        "w": place(numbers((12, 32)), grid, P(None, "b")),
        "v": place(numbers((32, 12), seed=1), grid, P("b")),
    }
    x = place(numbers((32, 12), seed=2), grid, P("a"))
    step = jax.jit(step, donate_argnums=0)
    for _ in range(3):
        params, value = step(params, x)
    sort = jax.jit(lambda x: jnp.sort(x, axis=0), out_shardings=at("b", "a"))
    again = jax.jit(lambda x: x * 2, out_shardings=at("b", "a"))
    return params, value, sort(place(numbers((32, 12)), grid, P("a"))), again(place(numbers((32, 12)), grid, P("a")))


def apart(mesh):
    """No exchange leaves a process: the groups are neighbours."""
    pairs = [[d, d + 1] for d in range(0, 8, 2)]
    return mapped(lambda x: lax.psum(x, "i", axis_index_groups=pairs), mesh, numbers((8, 5)))


def replicas(mesh):
    f = jax.pmap(lambda x: lax.psum(x, "i") + lax.axis_index("i"), axis_name="i", devices=list(mesh.devices.flat))
    count = jax.local_device_count() if jax.process_count() > 1 else 8
    first = jax.process_index() * count
    return f(numbers((8, 3))[first : first + count])


def parts_of_the_mesh(mesh):
    """Programs of some devices in turn with those of all, launched ahead of what has run."""
    half = [Mesh(mesh.devices[list(g)], ("i",)) for g in (GROUPS[0], GROUPS[1])]
    total = [jax.jit(jax.shard_map(lambda x: lax.psum(x, "i") / 2 + x, mesh=m, in_specs=P("i"), out_specs=P("i")))
             for m in (mesh, *half)]  # fmt: skip
    values = [place(numbers((8, 100)), mesh), *(place(numbers((4, 100), seed=s), m) for s, m in enumerate(half))]
    for i in range(60):
        for k in (0, 1, 2) if i % 3 else (0,):
            values[k] = total[k](values[k]) / 4
    return values


ALL = [moves, sums, sizes, ragged, control, order, divided, apart, replicas, parts_of_the_mesh]


def digests(program, mesh):
    """Return {"leaf, index": digest} of what a program leaves on this process's devices."""
    found = {}
    for number, leaf in enumerate(jax.tree.leaves(program(mesh))):
        for shard in leaf.addressable_shards:
            data = np.ascontiguousarray(np.asarray(shard.data))
            key = f"{number} on {list(mesh.devices.flat).index(shard.device)}"
            found[key] = f"{data.dtype}{data.shape} {hashlib.sha256(data.tobytes()).hexdigest()[:16]}"
    return found

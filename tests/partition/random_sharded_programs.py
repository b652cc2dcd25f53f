"""Random programs over many devices: the mesh, where arguments lie, the ops and the constraints between them are drawn.

    python tests/partition/random_sharded_programs.py FIRST LAST [--devices] [--count 8]

runs seeds FIRST to LAST - 1 on a mesh of `--count` devices and prints those that differ: the program divided and run in lockstep,
or with `--devices` by jax.jit on the platform that TEST_PLATFORM names, against the same Graph in one piece, or XLA:CPU on one device.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

MESHES = {3: [(3,)], 5: [(5,)], 6: [(6,), (3, 2), (2, 3)], 7: [(7,)], 8: [(8,), (4, 2), (2, 4), (2, 2, 2)]}
SIZES = {n: (0, 1, 2, 3, n - 1, n, n, n, n + 1, 2 * n, 2 * n) for n in MESHES} | {
    8: (0, 1, 2, 3, 4, 4, 6, 8, 8, 8, 16, 16)
}
TYPES = ("float32", "float32", "float32", "int32", "bool", "bfloat16")


class ShardedProgram:
    """The program of a seed on so many devices: `mesh_sizes`, `arguments`, where they lie (`specs`), and `function` of them on a mesh."""

    def __init__(self, seed, count=8):
        self.seed = seed
        draw = np.random.default_rng(seed)
        self.mesh_sizes = MESHES[count][int(draw.integers(len(MESHES[count])))]
        self.names = tuple("abc"[: len(self.mesh_sizes)])
        arguments = int(draw.integers(2, 5))
        self.arguments = []
        for _ in range(arguments):
            shape = tuple(int(draw.choice(SIZES[count])) for _ in range(int(draw.integers(1, 4))))
            self.arguments.append(values(draw, str(draw.choice(TYPES)), shape))
        self.specs = [self.spec(draw, a.shape, even=True) for a in self.arguments]
        self.length = int(draw.integers(4, 20))

    def spec(self, draw, shape, even):
        """Draw a spec for an array; `even` if JAX takes equal parts only."""
        dims = [()] * len(shape)
        for axis in draw.permutation(len(self.names)):
            if shape and draw.random() < 0.7:
                d = int(draw.integers(len(shape)))
                sizes = [self.mesh_sizes[self.names.index(a)] for a in dims[d]]
                if not even or shape[d] % int(np.prod([*sizes, self.mesh_sizes[axis]])) == 0:
                    dims[d] += (self.names[axis],)
        return P(*dims)

    def function(self, mesh):
        """Return the program on a mesh; without one, the same without anything that says how values lie."""

        def run(*arguments):
            draw, made = np.random.default_rng(self.seed + 1), list(arguments)
            for _ in range(self.length):
                x = made[-1 - min(int(draw.geometric(0.4)) - 1, len(made) - 1)]
                y = step(draw, x, made)
                if draw.random() < 0.35:
                    spec = self.spec(draw, y.shape, even=False)
                    if mesh is not None:
                        y = lax.with_sharding_constraint(y, NamedSharding(mesh, spec))
                made.append(y)
            return made[len(arguments) :][-4:]

        return run


def values(draw, kind, shape):
    """Return random values, small."""
    if kind == "bool":
        return draw.integers(0, 2, shape).astype(bool)
    if kind == "int32":
        return draw.integers(-20, 20, shape).astype(np.int32)
    return np.asarray(jnp.asarray(draw.standard_normal(shape), kind))


def step(draw, x, made):
    """Return the next value: an op on x, perhaps with another value."""
    name = str(draw.choice(list(STEPS)))
    y = STEPS[name](draw, x, made)
    if y.dtype != bool and jnp.issubdtype(y.dtype, jnp.floating):
        y = jnp.tanh(y)  # keeps errors small
    return y if y.size < 40_000 else y.reshape(-1)[:64]


def dim(draw, x):
    return int(draw.integers(x.ndim)) if x.ndim else None


def number(x):
    """Return x as numbers that can be summed."""
    return x.astype(jnp.float32) if x.dtype != jnp.int32 else x


def along(f):
    """Return a step that works along a dimension; scalars stay."""

    def run(draw, x, made):
        d = dim(draw, x)
        return x if d is None or x.shape[d] == 0 else f(draw, x, d)

    return run


def partner(draw, x, made):
    """Return a value that broadcasts with x: another one of its shape, or one made from x."""
    same = [m for m in made if m.shape == x.shape]
    return same[int(draw.integers(len(same)))].astype(x.dtype)


def matmul(draw, x, made):
    x = number(x).astype(jnp.float32)
    x = x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1]) if x.ndim else x.reshape(1, 1)
    fitting = [m for m in made if m.ndim and x.shape[-1] == m.shape[0]]
    w = number(fitting[int(draw.integers(len(fitting)))]) if fitting else jnp.ones((x.shape[-1], 8))
    return x @ w.astype(jnp.float32).reshape(w.shape[0], int(np.prod(w.shape[1:]))) / max(x.shape[-1], 1)


def gather(draw, x, d):
    indices = jnp.asarray(draw.integers(-x.shape[d], x.shape[d], (int(draw.choice(SIZES[8])),)), jnp.int32)
    return jnp.take(x, indices, axis=d)


def scatter(draw, x, d):
    indices = jnp.asarray(draw.integers(-2, x.shape[d] + 2, (4,)), jnp.int32)
    rows = jnp.moveaxis(number(x), d, 0)
    new = jnp.broadcast_to(rows[:1] + 1, (4, *rows.shape[1:]))
    update = rows.at[indices]
    return jnp.moveaxis(getattr(update, str(draw.choice(["add", "max", "multiply"])))(new), 0, d)


def update(draw, x, d):
    size = int(draw.integers(1, x.shape[d] + 1))
    piece = lax.slice_in_dim(x, 0, size, axis=d)
    return lax.dynamic_update_slice_in_dim(
        x, ~piece if x.dtype == bool else -piece, int(draw.integers(x.shape[d])), axis=d
    )


def loop(draw, x, d):
    rows = jnp.moveaxis(number(x), d, 0)
    last, sums = lax.scan(lambda c, r: (c + r, (c * r).sum()), jnp.zeros(rows.shape[1:], rows.dtype), rows)
    return last if draw.random() < 0.5 else sums


def branch(draw, x, made):
    return lax.cond(number(x).sum() > 0, lambda x: x, lambda x: jnp.flip(x), x)


def reshape(draw, x, made):
    sizes = [n for n in (2, 3, 4, 8) if x.size % n == 0 and x.size]
    n = int(draw.choice(sizes)) if sizes else 1
    return x.reshape(n, -1) if x.size and draw.random() < 0.7 else x.reshape(-1)


def convolution(draw, x, made):
    x = number(x).astype(jnp.float32).reshape(-1)[:64]
    if x.size < 16:
        return x
    image = jnp.pad(x, (0, 64 - x.size)).reshape(4, 2, 8)
    return lax.conv_general_dilated(image, jnp.ones((4, 2, 3)) * 0.1, (1,), "SAME")


STEPS = {
    "negative": lambda draw, x, made: ~x if x.dtype == bool else -x,
    "sine": lambda draw, x, made: jnp.sin(number(x).astype(jnp.float32)),
    "add": lambda draw, x, made: x + partner(draw, x, made),
    "multiply": lambda draw, x, made: x * partner(draw, x, made),
    "where": lambda draw, x, made: jnp.where(x > partner(draw, x, made), x, partner(draw, x, made)),
    "matmul": matmul,
    "softmax": along(lambda draw, x, d: jax.nn.softmax(number(x).astype(jnp.float32), axis=d)),
    "sum": along(lambda draw, x, d: number(x).sum(d, keepdims=draw.random() < 0.5)),
    "max": along(lambda draw, x, d: x.max(d, keepdims=draw.random() < 0.5)),
    "mean": lambda draw, x, made: number(x).astype(jnp.float32).sum() / max(x.size, 1) + jnp.zeros((8, 4)),
    "argmax": along(lambda draw, x, d: jnp.argmax(x, axis=d)),
    "transpose": lambda draw, x, made: x.transpose(draw.permutation(x.ndim)),
    "reshape": reshape,
    "concatenate": along(lambda draw, x, d: jnp.concatenate([x, x], d)),
    "slice": along(lambda draw, x, d: lax.slice_in_dim(x, int(draw.integers(x.shape[d])), x.shape[d], axis=d)),
    "stride": along(lambda draw, x, d: lax.slice_in_dim(x, 0, x.shape[d], 2, axis=d)),
    "pad": along(lambda draw, x, d: jnp.pad(x, [(1, 2) if k == d else (0, 0) for k in range(x.ndim)])),
    "flip": along(lambda draw, x, d: jnp.flip(x, d)),
    "cumsum": along(lambda draw, x, d: jnp.cumsum(number(x).astype(jnp.float32), axis=d) / x.shape[d]),
    "sort": along(lambda draw, x, d: jnp.sort(x, axis=d)),
    "top_k": along(lambda draw, x, d: lax.top_k(jnp.moveaxis(number(x), d, -1), min(2, x.shape[d]))[0]),
    "gather": along(gather),
    "scatter": along(scatter),
    "update": along(update),
    "element": along(lambda draw, x, d: lax.dynamic_index_in_dim(x, int(draw.integers(x.shape[d])), d)),
    "expand": lambda draw, x, made: jnp.broadcast_to(x[None], (int(draw.choice((2, 3, 8))), *x.shape)),
    "count": along(lambda draw, x, d: number(x) + lax.broadcasted_iota(jnp.int32, x.shape, d)),
    "scan": along(loop),
    "cond": branch,
    "convolution": convolution,
}


def lockstep_difference(seed, count=8):
    """Run a program in lockstep; raises AssertionError if it differs from the one in one piece."""
    import sharded

    program = ShardedProgram(seed, count)
    mesh = sharded.mesh_of(*program.mesh_sizes)
    places = tuple(NamedSharding(mesh, s) for s in program.specs)
    traced = jax.jit(program.function(mesh), in_shardings=places, keep_unused=True).trace(*program.arguments)
    text = traced.lower(lowering_platforms=("ascend",)).as_text(debug_info=True)
    if seed % 5 == 4:
        text = sharded.permuted(text, np.random.default_rng(seed))
    sharded.check(text, program.arguments, 0.05 if any(a.dtype.itemsize == 2 for a in program.arguments) else 1e-4)


def device_difference(seed, platform, count=8):
    """Run a program on devices of a platform; raises AssertionError if it differs from XLA:CPU on one."""
    program = ShardedProgram(seed, count)
    devices = np.array(jax.devices(platform)[:count])
    if seed % 5 == 4:
        devices = np.random.default_rng(seed).permutation(devices)
    mesh = jax.sharding.Mesh(devices.reshape(program.mesh_sizes), program.names)
    with jax.default_device(jax.devices("cpu")[0]):
        expected = jax.jit(program.function(None))(*program.arguments)
    placed = [jax.device_put(a, NamedSharding(mesh, s)) for a, s in zip(program.arguments, program.specs)]
    got = jax.jit(program.function(mesh))(*placed)
    tolerance = 0.05 if any(a.dtype.itemsize == 2 for a in program.arguments) else 1e-4
    for number_, (g, e) in enumerate(zip(got, expected, strict=True)):
        g, e = (np.asarray(v, np.float64) for v in (g, e))
        np.testing.assert_allclose(g, e, tolerance, tolerance, err_msg=f"result {number_}")


def main(first, last, platform, count):
    wrong = 0
    for seed in range(first, last):
        try:
            device_difference(seed, platform, count) if platform else lockstep_difference(seed, count)
        except Exception as error:
            wrong += 1
            print(f"{seed}: {type(error).__name__}: {str(error).strip()[:400]}", flush=True)
    print(f"{wrong} of {last - first} programs differ")


if __name__ == "__main__":
    import argparse
    import os

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compiler"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--devices", action="store_true", help="run on devices, not in lockstep")
    parser.add_argument("--count", type=int, choices=MESHES, default=8, help="devices")
    given = parser.parse_args()
    on = os.environ.get("TEST_PLATFORM", "ascend") if given.devices else None
    main(given.first, given.last, on, given.count)

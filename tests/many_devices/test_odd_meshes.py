"""Meshes of 3, 5, 6 and 7 devices, fewer rows than devices, and wide types: against XLA:CPU on as many."""

import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import NamedSharding
from meshes import P, assert_same, mesh_on, numbers, on_both

MESHES = [((3,), "i"), ((5,), "i"), ((7,), "i"), ((3, 2), "ij"), ((2, 3), "ij")]


def collectives(x):
    n = lax.axis_size("i")
    wide = jnp.concatenate([x] * n, 1)
    return (
        lax.psum(x, "i"),
        lax.pmax(x, "i"),
        lax.all_gather(x, "i"),
        lax.psum_scatter(wide, "i", scatter_dimension=1, tiled=True),
        lax.all_to_all(wide, "i", 1, 0, tiled=True),
        lax.ppermute(x, "i", [(d, (d + 1) % n) for d in range(n)]),
    )


@pytest.mark.parametrize("dtype", ["int32", "float32", "bfloat16"])
@pytest.mark.parametrize("shape, names", MESHES, ids=str)
def test_collectives(shape, names, dtype):
    n, tolerance = int(np.prod(shape)), {"bfloat16": 4e-2, "float32": 1e-5}.get(dtype, 0)
    spec = P(tuple(names))
    assert_same(*on_both(collectives, [numbers((2 * n, 3), dtype)], (spec,), spec, shape, names), tolerance)


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex128", "uint64"])
def test_wide_types(dtype):
    moves = lambda x: collectives(x)[:1] + collectives(x)[2:] if dtype == "complex128" else collectives(x)  # noqa: E731
    with jax.enable_x64(True):
        assert_same(*on_both(moves, [numbers((16, 3), dtype)], (P("i"),), P("i")), 1e-12)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 8, 9])
@pytest.mark.parametrize("shape, names", [((3,), "i"), ((8,), "i"), ((3, 2), "ij")], ids=str)
def test_fewer_rows_than_devices(shape, names, rows):
    """Parts of unequal size, some of nothing: JAX cuts arguments evenly, and constraints as it likes."""
    mesh = mesh_on("ascend", shape, names)
    x = numbers((rows, 5))

    def f(x, cut):
        y = cut(jnp.sin(x) * 2)
        z = cut(jnp.concatenate([y, y[::-1]]))
        return y, y.sum(0), z @ jnp.ones((5, 3)), jnp.sort(z, 0), z.cumsum(0), cut(z[1:]), jnp.pad(z, ((1, 2), (0, 0)))

    cut = lambda y: lax.with_sharding_constraint(y, NamedSharding(mesh, P(tuple(names))))  # noqa: E731
    got = jax.jit(lambda x: f(x, cut))(jax.device_put(x, NamedSharding(mesh, P())))
    with jax.default_device(jax.devices("cpu")[0]):
        expected = jax.jit(lambda x: f(x, lambda y: y))(x)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), 1e-5, 1e-5)


def test_donated_parts_are_gone_on_every_device():
    mesh = mesh_on("ascend", (3, 2), "ij")
    x = jax.device_put(numbers((6, 4)), NamedSharding(mesh, P("i", "j")))
    kept = np.asarray(x)
    y = jax.jit(lambda x: x[::-1] + x, donate_argnums=0)(x)
    assert x.is_deleted()
    np.testing.assert_array_equal(np.asarray(y), kept[::-1] + kept)


def test_a_function_that_fails_for_one_device():
    mesh = mesh_on("ascend", (5,), "i")

    def fail(number):
        if number == 3:
            raise ValueError("device three fails")
        return number

    def f(x):
        number = lax.axis_index("i")
        return lax.psum(x, "i") + jax.pure_callback(fail, jax.ShapeDtypeStruct((), np.int32), number)

    divided = jax.jit(jax.shard_map(f, mesh=mesh, in_specs=P("i"), out_specs=P("i"), check_vma=False))
    x = jax.device_put(np.ones((5, 2), np.float32), NamedSharding(mesh, P("i")))
    with pytest.raises(jax.errors.JaxRuntimeError, match="device three fails"):
        jax.block_until_ready(divided(x))
    np.testing.assert_array_equal(np.asarray(jax.jit(lambda x: x + 1)(x)), 2)


@pytest.mark.parametrize("count", ["0", "-1", "abc", "8.5", "4097", "", "300", "1000"])
def test_how_many_devices(count):
    code = """
import jax
devices = jax.devices("ascend")
assert float(jax.device_put(1.0, devices[-1]) + 1) == 2
print(len(devices))
"""
    environment = {**os.environ, "JAX_PLATFORMS": "ascend,cpu", "JAX_ASCEND_DEVICES": count}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, timeout=100
    )
    if count in ("", "300", "1000"):
        assert done.stdout == f"{count or 1}\n", done.stderr[-2000:]
    else:
        where = "option 'devices'; expected.*1 to 4096" if count == "4097" else f"JAX_ASCEND_DEVICES.*got '{count}'"
        assert re.search(where, done.stderr)

"""The same function over a mesh of the emulated devices and one of XLA:CPU's, and whether both give the same."""

import jax
import ml_dtypes  # noqa: F401 (NumPy knows its types)
import numpy as np
from jax._src.lib import xla_client
from jax.sharding import Mesh, NamedSharding, PartitionSpec

P = PartitionSpec


def mesh_on(platform, shape=(8,), names="i", order=None):
    """Return a mesh of the first devices of a platform, or of those that `order` lists."""
    count = int(np.prod(shape))
    devices = np.array(jax.devices(platform))[list(range(count) if order is None else order)]
    return Mesh(devices.reshape(shape), tuple(names))


def sharded(function, mesh, ins, outs):
    """Return the jitted shard_map of a function."""
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=ins, out_specs=outs, check_vma=False))


def place(mesh, specs, arrays):
    return [jax.device_put(a, NamedSharding(mesh, s)) for a, s in zip(arrays, specs, strict=True)]


def numbers(shape, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu" or "int" in dtype.name:
        return rng.integers(0, 3, shape).astype(dtype)
    if dtype.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def on_both(function, arrays, ins, outs, shape=(8,), names="i", order=None):
    """Return the leaves of what a shard_map gives here and on XLA:CPU."""
    found = []
    for platform in ("ascend", "cpu"):
        mesh = mesh_on(platform, shape, names, order)
        found.append(jax.tree.leaves(sharded(function, mesh, ins, outs)(*place(mesh, ins, arrays))))
    return found


def assert_same(found, expected, tolerance=0.0):
    for a, b in zip(found, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if tolerance and a.dtype.kind not in "biu":
            wide = np.complex128 if a.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(a.astype(wide), b.astype(wide), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def run_module(text, arrays, replicas=1):
    """Run a StableHLO module over 8 devices, whose parameters and results are cut along their first dimension."""
    mesh = mesh_on("ascend")
    devices = list(mesh.devices.flat)
    options = xla_client.CompileOptions()
    options.num_replicas, options.num_partitions = replicas, 8 // replicas
    options.device_assignment = xla_client.DeviceAssignment.create(np.arange(8).reshape(replicas, -1))
    program = devices[0].client.compile_and_load(text.encode(), xla_client.DeviceList(tuple(devices)), options)
    results = program.execute_sharded(place(mesh, [P("i")] * len(arrays), arrays))
    return [
        np.concatenate([np.asarray(s) for s in shards]) for shards in results.disassemble_into_single_device_arrays()
    ]

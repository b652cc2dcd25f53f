"""Eight devices in one process: each with memory, queue and name of its own; arrays go from one to another."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from meshes import P, mesh_on, numbers


def test_devices_differ():
    devices = jax.devices("ascend")
    assert len(devices) == 8
    assert [d.id for d in devices] == [d.local_hardware_id for d in devices] == list(range(8))
    assert [str(d) for d in devices] == [f"ascend:{i}" for i in range(8)]
    assert len({d.default_memory() for d in devices}) == 8
    assert all(d.memory("device").addressable_by_devices() == [d] for d in devices)


def test_each_has_memory_of_its_own():
    devices = jax.devices("ascend")
    gc.collect()
    before = [d.memory_stats()["bytes_in_use"] for d in devices]
    x = jax.device_put(np.zeros(1 << 22, np.uint8), devices[3])
    after = [d.memory_stats()["bytes_in_use"] for d in devices]
    assert [b - a for a, b in zip(before, after)] == [0, 0, 0, x.nbytes, 0, 0, 0, 0]


def test_out_of_memory_names_the_device_and_leaves_all_usable():
    devices = jax.devices("ascend")
    limit = devices[5].memory_stats()["bytes_limit"]
    mesh = mesh_on("ascend")
    x = jax.device_put(np.ones((8, 4), np.float32), NamedSharding(mesh, P("i")))
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"(?s)RESOURCE_EXHAUSTED.*ascend:5"):
        jax.block_until_ready(
            jax.jit(lambda: jnp.zeros(limit, jnp.uint8), out_shardings=jax.sharding.SingleDeviceSharding(devices[5]))()
        )
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"(?s)RESOURCE_EXHAUSTED.*ascend:\d"):
        each = NamedSharding(mesh, P("i"))
        jax.block_until_ready(jax.jit(lambda: jnp.zeros((8, limit), jnp.uint8), out_shardings=each)())
    np.testing.assert_array_equal(jax.jit(lambda x: x.sum(0))(x), np.full(4, 8))
    for device in devices:
        np.testing.assert_array_equal(jax.device_put(x, device) + 1, np.full((8, 4), 2))


@pytest.mark.parametrize("dtype", ["bool", "int4", "bfloat16", "float32", "complex64"])
def test_from_device_to_device(dtype):
    devices = jax.devices("ascend")
    x = numbers((3, 5), dtype)
    y = jax.device_put(x, devices[0])
    for device in [*devices[1:], devices[0]]:
        y = jax.device_put(y, device)
        assert y.devices() == {device}
    np.testing.assert_array_equal(np.asarray(y), x)


SPECS = [P(), P("a"), P("b"), P(("a", "b")), P(("b", "a")), P("a", "b"), P(None, "b"), P("b", "a")]


@pytest.mark.parametrize("into", SPECS, ids=str)
@pytest.mark.parametrize("start", SPECS, ids=str)
def test_from_sharding_to_sharding(start, into):
    mesh = mesh_on("ascend", (4, 2), "ab", [7, 0, 6, 1, 5, 2, 4, 3])
    x = numbers((8, 16), "float32")
    y = jax.device_put(jax.device_put(x, NamedSharding(mesh, start)), NamedSharding(mesh, into))
    np.testing.assert_array_equal(np.asarray(y), x)
    z = jax.jit(lambda v: v + 1, out_shardings=NamedSharding(mesh, into))(jax.device_put(x, NamedSharding(mesh, start)))
    assert z.sharding.is_equivalent_to(NamedSharding(mesh, into), 2)
    np.testing.assert_array_equal(np.asarray(z), x + 1)


def test_between_platforms_and_meshes():
    x = numbers((8, 4), "float32")
    here, there = NamedSharding(mesh_on("ascend"), P("i")), NamedSharding(mesh_on("cpu", (2, 4), "ab"), P("b", "a"))
    half = NamedSharding(mesh_on("ascend", (4,), "i", [3, 2, 1, 0]), P("i"))
    y = jax.device_put(jax.device_put(jax.device_put(jax.device_put(x, here), there), half), here)
    np.testing.assert_array_equal(np.asarray(y), x)


def test_arrays_made_of_parts():
    mesh = mesh_on("ascend", (4, 2), "ab")
    sharding = NamedSharding(mesh, P("a", "b"))
    x = numbers((8, 6), "float32")
    made = jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
    parts = [jax.device_put(x[index], d) for d, index in sharding.addressable_devices_indices_map(x.shape).items()]
    joined = jax.make_array_from_single_device_arrays(x.shape, sharding, parts)
    local = jax.make_array_from_process_local_data(sharding, x)
    for y in (made, joined, local):
        assert y.sharding == sharding
        np.testing.assert_array_equal(np.asarray(y), x)
        np.testing.assert_array_equal(np.asarray(jnp.sort(y, axis=1)), np.sort(x, 1))


def test_memory_kinds_over_devices():
    mesh = mesh_on("ascend")
    host = NamedSharding(mesh, P("i"), memory_kind="pinned_host")
    x = jax.device_put(np.arange(16.0, dtype=np.float32), host)
    assert x.sharding.memory_kind == "pinned_host"
    y = jax.jit(lambda v: jax.device_put(v * 2, host), out_shardings=host)(
        jax.device_put(x, NamedSharding(mesh, P("i")))
    )
    assert y.sharding.memory_kind == "pinned_host"
    np.testing.assert_array_equal(np.asarray(y), np.arange(16) * 2)

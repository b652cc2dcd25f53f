"""Device memory: accounting, reuse, and what happens when it is full."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def in_use(device):
    gc.collect()  # arrays of earlier tests may be freed at any time
    return device.memory_stats()["bytes_in_use"]


def test_accounting(device):
    before = in_use(device)
    x = jax.device_put(np.zeros(1 << 20, np.float32), device)
    assert in_use(device) - before == 4 << 20
    assert device.memory_stats()["peak_bytes_in_use"] >= before + (4 << 20)
    x.delete()
    assert in_use(device) == before


@pytest.mark.parametrize("elements", [10, 5_000, 3 << 20])
def test_memory_is_given_out_again(device, elements):
    x = jax.device_put(np.zeros(elements, np.float32), device)
    pointer = x.unsafe_buffer_pointer()
    x.delete()
    y = jax.device_put(np.zeros(elements, np.float32), device)
    assert y.unsafe_buffer_pointer() == pointer


def test_freed_neighbours_merge(device):
    """Two freed arrays of 40 MB leave room for one of 80 MB at the same place."""
    arrays = [jax.device_put(np.zeros(10 << 20, np.float32), device) for _ in range(3)]
    first = min(a.unsafe_buffer_pointer() for a in arrays[:2])
    adjacent = abs(arrays[0].unsafe_buffer_pointer() - arrays[1].unsafe_buffer_pointer()) == 40 << 20
    for a in arrays[:2]:
        a.delete()
    both = jax.device_put(np.zeros(20 << 20, np.float32), device)
    assert not adjacent or both.unsafe_buffer_pointer() == first


def test_a_transfer_beyond_the_capacity(device):
    keep = jax.device_put(np.arange(8, dtype=np.float32), device)
    limit = device.memory_stats()["bytes_limit"]
    assert limit == 64 * 10**9
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (limit // 2,), (0,))
    with pytest.raises(jax.errors.JaxRuntimeError, match=rf"RESOURCE_EXHAUSTED.*{limit // 2 * 4} bytes.*free"):
        jax.device_put(huge, device).block_until_ready()
    assert np.asarray(keep).sum() == 28


def test_a_result_beyond_the_capacity(device):
    keep = jax.device_put(np.arange(8, dtype=np.float32), device)
    with (
        pytest.raises(jax.errors.JaxRuntimeError, match=r"RESOURCE_EXHAUSTED.*requested \d+ bytes.*free"),
        jax.default_device(device),
    ):
        jnp.zeros((1 << 35,), jnp.float32).block_until_ready()
    assert np.asarray(jax.jit(lambda x: x + 1)(keep)).sum() == 36

"""Exchanges on the clock: in estimates, and in profiles of what really ran."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from meshes import P, mesh_on

import jax_ascend


def loop(x):
    """All devices add up, three times."""
    return jax.lax.fori_loop(0, 3, lambda i, s: jnp.tanh(s) + x.sum(), x)


def array():
    return jax.device_put(np.ones((16, 8), np.float32), NamedSharding(mesh_on("ascend"), P("i")))


def test_an_estimate_names_exchanges_and_what_bounds_them():
    found = jax_ascend.estimate(jax.jit(loop).lower(array()))
    (row,) = [row for row in found.kernels if row.core == "links"]
    assert row.name == "all_reduce" and row.launches == 3 and "links" in row.bound and row.seconds > 0
    assert "test_time.py" in str(row.line)


def test_a_profile_has_what_every_device_did(tmp_path):
    x, f = array(), jax.jit(loop)
    jax.block_until_ready(f(x))
    with jax_ascend.profile(tmp_path) as profile:
        jax.block_until_ready(f(x))
    (row,) = [row for row in profile.rows() if row.row.core == "links"]
    assert row.row.name == "all_reduce" and row.row.launches == 3 * 8
    assert "8 devices" in str(profile)

"""Programs on several devices at once: from many threads, with donation, functions of the host, failures, Ctrl-C."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import serialize_executable
from jax.sharding import NamedSharding
from meshes import P, mesh_on, numbers, place, run_module, sharded

import jax_ascend._plugin as plugin


def total(mesh):
    return sharded(lambda x: lax.psum(x, "i") + lax.axis_index("i"), mesh, (P("i"),), P("i"))


def test_many_threads_on_meshes_in_other_orders():
    """Each thread has programs on meshes that overlap others', in another order: what XLA warns of, as it may deadlock."""
    orders = [list(np.random.default_rng(i).permutation(8)) for i in range(4)]
    failures = []

    def work(number):
        try:
            meshes = [mesh_on("ascend", (n,), "i", orders[number][:n]) for n in (8, 4, 2)]
            programs = [(total(m), m) for m in meshes]
            for _ in range(30):
                for f, mesh in programs:
                    count = mesh.devices.size
                    x = np.full((count, 300), number + 1, np.float32)
                    expected = np.full((count, 300), count * (number + 1)) + np.arange(count)[:, None]
                    (y,) = place(mesh, (P("i"),), [x])
                    for _ in range(2):
                        result = f(y)
                    np.testing.assert_array_equal(np.asarray(result), expected)
        except BaseException as error:
            failures.append(error)

    plugin.set_delays(3, 100)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        [t.start() for t in threads]
        [t.join(300) for t in threads]
    finally:
        plugin.set_delays(0, 0)
    assert not failures and not any(t.is_alive() for t in threads)


def test_launches_of_one_and_of_all_devices_in_turn():
    mesh = mesh_on("ascend")
    f, g = total(mesh), jax.jit(lambda x: x * 2)
    x = jax.device_put(np.ones((8, 1 << 14), np.float32), NamedSharding(mesh, P("i")))
    for _ in range(10):
        x = f(x)
        parts = [g(s.data) for s in x.addressable_shards]
        x = jax.make_array_from_single_device_arrays(x.shape, x.sharding, parts) / 16
    expected = np.ones(8)
    for _ in range(10):
        expected = (expected.sum() + np.arange(8)) * 2 / 16
    np.testing.assert_allclose(np.asarray(x)[:, 0], expected, rtol=1e-5)


def test_donation_over_devices():
    mesh = mesh_on("ascend")
    sharding = NamedSharding(mesh, P("i"))
    step = jax.jit(lambda x: x + lax.with_sharding_constraint(x.sum(), NamedSharding(mesh, P())), donate_argnums=0)
    x = jax.device_put(np.ones((8, 1000), np.float32), sharding)
    before = [d.memory_stats()["bytes_in_use"] for d in mesh.devices]
    y = jax.block_until_ready(step(x))
    assert x.is_deleted() and not y.is_deleted()
    assert [d.memory_stats()["bytes_in_use"] for d in mesh.devices] == before
    np.testing.assert_array_equal(np.asarray(y), np.full((8, 1000), 8001))


def test_functions_of_the_host():
    mesh = mesh_on("ascend")
    seen = []

    def with_callbacks(x):
        jax.debug.callback(lambda i, v: seen.append((int(i), float(v))), lax.axis_index("i"), x[0])
        y = jax.pure_callback(lambda v: np.asarray(v) * 2, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
        return lax.psum(y, "i")

    x = np.arange(16.0, dtype=np.float32)
    found = sharded(with_callbacks, mesh, (P("i"),), P("i"))(*place(mesh, (P("i"),), [x]))
    jax.effects_barrier()
    assert sorted(seen) == [(d, 2.0 * d) for d in range(8)]
    np.testing.assert_array_equal(np.asarray(found), np.tile(x.reshape(8, 2).sum(0) * 2, 8))


def test_a_function_of_the_host_that_uses_the_devices():
    mesh = mesh_on("ascend")
    f = total(mesh)

    def inner(v):
        return np.asarray(
            f(jax.device_put(np.full((8, 1), float(np.sum(v)), np.float32), NamedSharding(mesh, P("i"))))
        )[:1, 0]

    def outer(x):
        return lax.psum(jax.pure_callback(inner, jax.ShapeDtypeStruct((1,), x.dtype), x), "i")

    found = sharded(outer, mesh, (P("i"),), P("i"))(*place(mesh, (P("i"),), [np.arange(8.0, dtype=np.float32)]))
    np.testing.assert_array_equal(np.asarray(found), np.full(8, 8 * 28))


def test_what_fails_on_one_device_fails_on_all_at_once():
    mesh = mesh_on("ascend")

    def refuse(i, v):
        if i == 3:
            raise ValueError("not on this one")
        return v

    def function(x):
        y = jax.pure_callback(refuse, jax.ShapeDtypeStruct(x.shape, x.dtype), lax.axis_index("i"), x)
        return lax.psum(y, "i")

    f = sharded(function, mesh, (P("i"),), P("i"))
    (x,) = place(mesh, (P("i"),), [np.ones(8, np.float32)])
    with pytest.raises(
        jax.errors.JaxRuntimeError, match=r"(?s)not on this one.*on device 3, and with it that on all 8"
    ):
        jax.block_until_ready(f(x))
    np.testing.assert_array_equal(np.asarray(total(mesh)(x)), 8 + np.arange(8.0))


def test_a_function_of_the_host_does_not_see_the_callers_mesh():
    """What it gets is on the CPU; JAX refuses arithmetic on it within a mesh of other devices."""
    mesh = mesh_on("ascend")

    def inner(v):
        assert jax.sharding.get_abstract_mesh().empty
        return jnp.asarray(v, device=jax.devices("cpu")[0]) + 1

    with jax.set_mesh(mesh):
        x = jax.device_put(np.zeros(8, np.float32), NamedSharding(mesh, P("i")))
        f = jax.jit(lambda x: jax.pure_callback(inner, jax.ShapeDtypeStruct(x.shape, x.dtype), x))
        np.testing.assert_array_equal(f(x), np.ones(8))
        assert not jax.sharding.get_abstract_mesh().empty


def test_a_failure_reaches_what_depends_on_it():
    mesh = mesh_on("ascend")
    bad = jax.jit(lambda x: jax.pure_callback(lambda v: 1 / 0, jax.ShapeDtypeStruct(x.shape, x.dtype), x))
    with pytest.raises(jax.errors.JaxRuntimeError, match="division by zero"):
        jax.block_until_ready(bad(jax.device_put(np.ones(1, np.float32), mesh.devices[2])))


def test_devices_that_wait_for_each_other_for_ever():
    mesh = mesh_on("ascend")

    def divided(x):
        return lax.cond(lax.axis_index("i") == 5, lambda v: v, lambda v: lax.psum(v, "i"), x)

    f = sharded(divided, mesh, (P("i"),), P("i"))
    (x,) = place(mesh, (P("i"),), [np.ones(8, np.float32)])
    with pytest.raises(
        jax.errors.JaxRuntimeError, match=r"(?s)wait for each other for ever.*device 5 \(ascend:5\) has ended"
    ):
        jax.block_until_ready(f(x))
    np.testing.assert_array_equal(np.asarray(total(mesh)(x)), 8 + np.arange(8.0))


def test_serialised_with_its_devices():
    mesh = mesh_on("ascend", (8,), "i", [3, 1, 4, 0, 5, 7, 2, 6])
    f = total(mesh)
    (x,) = place(mesh, (P("i"),), [numbers((8, 5), "float32")])
    compiled = f.lower(x).compile()
    again = serialize_executable.deserialize_and_load(
        *serialize_executable.serialize(compiled), backend="ascend", execution_devices=list(mesh.devices.flat)
    )
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(compiled(x)))
    assert again(x).sharding == compiled(x).sharding


def test_pmap_as_jax_users_write_it():
    x = numbers((8, 6, 4), "float32")
    devices = jax.devices("ascend")
    step = jax.pmap(lambda v: v / lax.psum(v, "d") + lax.axis_index("d"), axis_name="d", devices=devices)
    np.testing.assert_allclose(np.asarray(step(x)), x / x.sum(0) + np.arange(8)[:, None, None], rtol=1e-5)
    same = jax.pmap(lambda v: lax.pmean(v, "d"), axis_name="d", devices=devices[4:])(x[:4])
    np.testing.assert_allclose(np.asarray(same), np.tile(x[:4].mean(0), (4, 1, 1)), rtol=1e-5)


def test_replicas_of_a_module():
    """num_replicas counts devices too, as pmap of older versions had it."""
    text = """module attributes {mhlo.num_replicas = 8 : i32} {
      func.func public @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<1xui32>) {
        %0 = "stablehlo.all_reduce"(%x) <{replica_groups = dense<[[0, 1, 2, 3], [4, 5, 6, 7]]> : tensor<2x4xi64>}> ({
        ^bb0(%a: tensor<f32>, %b: tensor<f32>):
          %s = stablehlo.add %a, %b : tensor<f32>
          stablehlo.return %s : tensor<f32>
        }) : (tensor<2xf32>) -> tensor<2xf32>
        %n = stablehlo.replica_id : tensor<ui32>
        %1 = stablehlo.reshape %n : (tensor<ui32>) -> tensor<1xui32>
        return %0, %1 : tensor<2xf32>, tensor<1xui32>
      }
    }"""
    x = np.arange(16.0, dtype=np.float32)
    sums, ids = run_module(text, [x], replicas=8)
    halves = x.reshape(2, 4, 2).sum(1)
    np.testing.assert_array_equal(sums, np.repeat(halves, 4, 0).reshape(-1))
    np.testing.assert_array_equal(ids, np.arange(8))


INTERRUPTED = """
import os, signal, threading, time
from functools import partial
import jax, numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec as P

mesh = Mesh(np.array(jax.devices("ascend")), ("i",))
@jax.jit
@partial(jax.shard_map, mesh=mesh, in_specs=P("i"), out_specs=P("i"), check_vma=False)
def long(x):
    return lax.while_loop(lambda v: v[0] < 1e30, lambda v: lax.pmax(v, "i") + 0, x)
@jax.jit
@partial(jax.shard_map, mesh=mesh, in_specs=P("i"), out_specs=P("i"), check_vma=False)
def short(x):
    return x + lax.psum(x, "i")
x = np.ones(8, np.float32)
print(np.asarray(short(x)).sum())
threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    jax.block_until_ready(long(x))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_while_devices_exchange():
    variables = {k: v for k, v in os.environ.items() if not k.startswith("JAX")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(INTERRUPTED)], env=variables | {"JAX_ASCEND_DEVICES": "8"},
        capture_output=True, text=True, timeout=120, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "72.0\ninterrupted\n"), done.stderr[-2000:]


def test_random_keys_over_devices():
    mesh = mesh_on("ascend")
    with jax.threefry_partitionable(True):
        draw = jax.jit(lambda k: jax.random.normal(k, (16, 4)), out_shardings=NamedSharding(mesh, P("i")))
        np.testing.assert_array_equal(
            np.asarray(draw(jax.random.key(0))), np.asarray(jax.random.normal(jax.random.key(0), (16, 4)))
        )
    assert jnp.isfinite(draw(jax.random.key(1))).all()

"""What users of several processes do; each function is a habit, and prints nothing unless it fails."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from joining import join

process, count = join()
from shared_programs import P, numbers, place  # noqa: E402

devices = jax.devices("ascend")
own = len(devices) // count
mesh = Mesh(np.array(devices), ("i",))
cut, whole = NamedSharding(mesh, P("i")), NamedSharding(mesh, P())


def check(condition, *what):
    assert condition, what


def raises(kind, text, function, *arguments):
    try:
        jax.block_until_ready(function(*arguments))
    except kind as error:
        assert text in str(error), str(error)
    else:
        raise AssertionError(f"no {kind.__name__}")


def lists_of_devices():
    check(jax.process_count() == count and jax.process_index() == process)
    check([d.id for d in devices] == list(range(own * count)))
    check([d.process_index for d in devices] == [d // own for d in range(own * count)])
    check(jax.local_devices() == devices[own * process : own * (process + 1)], jax.local_devices())
    check([d.local_hardware_id for d in jax.local_devices()] == list(range(own)))
    check(jax.device_count() == own * count and jax.local_device_count() == own)
    check(all(d.memory_stats()["bytes_in_use"] >= 0 for d in jax.local_devices()))
    check(set(mesh.local_devices) == set(jax.local_devices()))


def data_of_each_process():
    x = numbers((8, 6))
    rows = x[8 // count * process : 8 // count * (process + 1)]
    y = jax.make_array_from_process_local_data(cut, rows)
    check(y.shape == (8, 6) and not y.is_fully_addressable and len(y.addressable_shards) == own)
    for shard in y.addressable_shards:
        np.testing.assert_array_equal(shard.data, x[shard.index])
    raises(RuntimeError, "non-addressable", np.asarray, y)
    z = jax.jit(lambda y: y.T @ y, out_shardings=whole)(y)
    check(z.is_fully_replicated)
    np.testing.assert_allclose(np.asarray(z), x.T @ x, rtol=1e-5)
    np.testing.assert_array_equal(multihost_utils.process_allgather(y, tiled=True), x)


def utilities_for_hosts():
    np.testing.assert_array_equal(multihost_utils.broadcast_one_to_all(np.arange(3) + process), np.arange(3))
    np.testing.assert_array_equal(
        multihost_utils.broadcast_one_to_all(np.float32(process), is_source=process == 1), np.float32(1)
    )
    gathered = multihost_utils.process_allgather({"a": np.full(2, process), "b": np.float32(process)})
    np.testing.assert_array_equal(gathered["a"], np.repeat(np.arange(count)[:, None], 2, 1))
    multihost_utils.sync_global_devices("together")
    multihost_utils.assert_equal({"same": np.ones(3)})
    raises(AssertionError, "differ", multihost_utils.assert_equal, np.full(3, process), "they differ")
    x = multihost_utils.host_local_array_to_global_array(np.full((own, 2), process), mesh, P("i"))
    check(x.shape == (own * count, 2))
    np.testing.assert_array_equal(
        multihost_utils.global_array_to_host_local_array(x, mesh, P("i")), np.full((own, 2), process)
    )


def programs_of_one_process():
    """They have nothing to do with the others, and run however often each likes."""
    mine = Mesh(np.array(jax.local_devices()), ("i",))
    total = jax.jit(jax.shard_map(lambda x: lax.psum(x, "i"), mesh=mine, in_specs=P("i"), out_specs=P()))
    for i in range(1 + 5 * process):
        x = jax.device_put(np.full((own, 3), i, np.float32), NamedSharding(mine, P("i")))
        np.testing.assert_array_equal(np.asarray(total(x)), np.full((1, 3), own * i))
    y = jnp.sin(jnp.arange(4.0))
    check(y.devices() == {jax.local_devices()[0]})


def devices_of_others():
    """As XLA:CPU has it: what the host has goes where its process is, and nothing goes from one to another."""
    given = jax.device_put(np.ones(3), devices[0])
    check(len(given.addressable_shards) == (process == 0))
    raises(jax.errors.JaxRuntimeError, "Cross-host transfers are not supported", jax.device_put, given, devices[own])
    x = place(numbers((8,)), mesh)
    turned = NamedSharding(Mesh(np.array(devices[::-1]), ("i",)), P("i"))
    for shard in [*jax.device_put(x, whole).addressable_shards, *jax.device_put(x, turned).addressable_shards]:
        np.testing.assert_array_equal(shard.data, numbers((8,))[shard.index])
    program = jax.jit(lambda x: x + 1)
    apart = Mesh(np.array(devices[:own]), ("i",))
    x = jax.make_array_from_callback((own,), NamedSharding(apart, P("i")), lambda i: np.ones(own)[i], dtype=np.float32)
    if process == 0:
        np.testing.assert_array_equal(np.asarray(program(x)), np.full(own, 2))
    else:
        check(not x.addressable_shards)
    np.testing.assert_array_equal(np.asarray(program(np.ones(3))), np.full(3, 2))


def callbacks():
    seen = []

    def body(x):
        jax.debug.callback(lambda i: seen.append(int(i)), lax.axis_index("i"))
        return lax.psum(jax.pure_callback(lambda x: np.asarray(x) * 2, x, x), "i")

    f = jax.jit(jax.shard_map(body, mesh=mesh, in_specs=P("i"), out_specs=P(), check_vma=False))
    x = place(np.ones((own * count, 3), np.float32), mesh)
    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(f(x)), np.full((1, 3), 2 * own * count))
    jax.effects_barrier()
    check(sorted(seen) == sorted(3 * list(range(own * process, own * (process + 1)))), seen)


def many_launches_ahead():
    """More than the processes may be apart, with programs of one process in between."""
    step = jax.jit(lambda x: x + lax.with_sharding_constraint(x.mean(), whole), donate_argnums=0)
    x, local = place(np.ones((own * count, 1000), np.float32), mesh), jnp.ones(10)
    for i in range(200):
        x = step(x) / 2
        if i % 7 == process:
            local = local * 1.01
    check(all(np.allclose(s.data, 1) for s in x.addressable_shards) and np.isfinite(local).all())


def threads():
    """Two threads of each process launch on devices that they do not share."""
    halves = [Mesh(np.array(devices)[k::2], ("i",)) for k in (0, 1)] if own > 1 else [mesh]
    failures = []

    def work(half):
        try:
            size = half.devices.size
            f = jax.jit(jax.shard_map(lambda x: lax.psum(x, "i"), mesh=half, in_specs=P("i"), out_specs=P("i")))
            x = place(np.ones((size, 50), np.float32), half)
            for _ in range(50):
                x = f(x) / size
            check(all((np.asarray(s.data) == 1).all() for s in x.addressable_shards))
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=work, args=(half,)) for half in halves]
    [t.start() for t in running]
    [t.join(60) for t in running]
    check(not failures and not any(t.is_alive() for t in running), failures)


def compiled_programs():
    f = jax.jit(lambda x: x.sum(0), in_shardings=cut, out_shardings=whole)
    compiled = f.lower(jax.ShapeDtypeStruct((8, 4), np.float32)).compile()
    check("all-reduce" in compiled.as_text(), compiled.as_text())
    np.testing.assert_allclose(np.asarray(compiled(place(numbers((8, 4)), mesh))), numbers((8, 4)).sum(0), 1e-5, 1e-6)


HABITS = [
    lists_of_devices,
    data_of_each_process,
    utilities_for_hosts,
    programs_of_one_process,
    devices_of_others,
    callbacks,
    many_launches_ahead,
    threads,
    compiled_programs,
]
for habit in HABITS:
    habit()
    print("FINE", habit.__name__, flush=True)

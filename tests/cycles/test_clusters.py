"""Estimates of programs for more devices than there are: one device's time, exchanges beside computing, memory."""

import resource
from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractMesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jax_ascend import estimate, estimate_program, program_clock
from jax_ascend.compiler.exchange_time import exchange_time
from jax_ascend.compiler.graph.graph import TensorType
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.machine import Loc
from jax_ascend.compiler.program.kernel import KernelBuilder
from jax_ascend.compiler.program.program import Function, Program, Slot, command
from jax_ascend.compiler.targets import Target

TARGET = replace(Target(), server_devices=2)
ARRAY = TensorType((1 << 22,), DType.f32)
DISPATCH = TARGET.launch_dispatch
TIME = exchange_time("all_reduce", ARRAY.bytes, [range(4)], TARGET)
EXCHANGE = TIME.seconds + DISPATCH


def copies(chunks=48, blocks=48):
    """A kernel that copies an array once."""
    b = KernelBuilder("copies", "aiv", (blocks,))
    size = ARRAY.shape[0]
    x, y = (b.argument(DType.f32, size, writes=w) for w in (False, True))
    tile = b.tile(Loc.vec, DType.f32, 1, 1024, address=0)
    with b.loop(0, chunks) as i:
        place = b.blocks[0] * (chunks * 1024) + i * 1024
        b.tload(tile, b.view(x, place, (1, 1024), (0, 1)))
        b.set_flag("MTE2", "MTE3", 0)
        b.wait_flag("MTE2", "MTE3", 0)
        b.tstore(b.view(y, place, (1, 1024), (0, 1)), tile)
        b.set_flag("MTE3", "MTE2", 0)
        b.wait_flag("MTE3", "MTE2", 0)
    return b.kernel


def program(*commands):
    """A program of four devices, two to a server; slot 0 is x, 1 the result, 2 to 5 pieces of the frame."""
    slots = [Slot("parameter", 0, ARRAY.bytes), Slot("result", 0, ARRAY.bytes)]
    slots += [Slot("frame", i * ARRAY.bytes, ARRAY.bytes) for i in range(4)]
    main = Function("main", slots, list(commands), 4 * ARRAY.bytes)
    return Program("p", TARGET, [ARRAY], [ARRAY], [-1], [main], [copies()], partitions=4)


def launch(source, result):
    return command("launch", 0, [source, result])


def exchange(source, result):
    return command("collective", "all_reduce", [result, source], [ARRAY], [ARRAY], "add", [[0, 1, 2, 3]])


def events(found, kind):
    return [e for e in found.events if e.kind == kind]


def test_an_exchange_is_beside_what_does_not_need_it():
    found = estimate_program(program(exchange(0, 2), launch(0, 3), launch(3, 4), launch(2, 1)))
    first, second, third = events(found, "launch")
    (wait,) = events(found, "wait")
    (links,) = events(found, "collective")
    assert first.start == links.start == 0 and second.start == first.end
    assert links.end == pytest.approx(EXCHANGE)
    assert wait.start == second.end and wait.end == third.start == links.end
    assert found.seconds == pytest.approx(EXCHANGE + third.end - third.start)
    assert found.communication == pytest.approx(EXCHANGE)
    assert found.exposed == pytest.approx(EXCHANGE - second.end)
    assert sum(r.exposed for r in found.kernels) == pytest.approx(found.seconds)
    assert sum(r.share for r in found.kernels) == pytest.approx(1)


@pytest.mark.parametrize("follower", [launch(2, 3), launch(3, 2), launch(3, 4), exchange(2, 3)])
def test_what_needs_or_overwrites_an_exchanges_arrays_waits(follower):
    """The reader of the result, its writer, the writer of the operand, and another exchange."""
    found = estimate_program(program(exchange(4, 2), follower))
    (*_, last) = [e for e in found.events if e.kind != "wait"]
    assert last.start == pytest.approx(EXCHANGE)


def test_exchanges_follow_each_other():
    """The second one starts while the first is on the links."""
    found = estimate_program(program(exchange(0, 2), exchange(0, 3), launch(0, 4)))
    both = 2 * EXCHANGE - TIME.start - DISPATCH
    assert found.communication == pytest.approx(both)
    assert found.seconds == pytest.approx(both), "the program ends when its exchanges have"
    (start,) = [e.start for e in events(found, "launch")]
    assert start == 0


@pytest.mark.parametrize("trips", [1, 2, 10])
def test_a_trip_ends_when_its_exchanges_have(trips):
    loop = command("loop", 5, [], [], [launch(0, 3), exchange(0, 2), launch(0, 4)], trips)
    found = estimate_program(program(loop))
    assert found.communication == pytest.approx(trips * EXCHANGE)
    ends = [e.start + (e.end - e.start) for e in events(found, "collective")]
    assert found.seconds == pytest.approx(ends[-1])
    assert found.seconds - found.exposed == pytest.approx(sum(e.end - e.start for e in events(found, "launch")))


def test_small_exchanges_take_the_vector_cores():
    small = TensorType((1024,), DType.f32)
    quick = command("collective", "all_reduce", [2, 0], [small], [small], "add", [[0, 1], [2, 3]])
    found = estimate_program(program(quick, launch(0, 3)))
    (links,), (kernel,) = events(found, "collective"), events(found, "launch")
    assert kernel.start == links.end and found.exposed == found.communication > 0


MESH = AbstractMesh((32, 8), ("data", "model"))


def abstract(shape, *spec, mesh=MESH, dtype=jnp.bfloat16):
    return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, P(*spec)))


def layers(x, w, v):
    def layer(x, p):
        return x + jnp.tanh(x @ p[0]) @ p[1], None

    return jax.lax.scan(layer, x, (w, v))[0]


def test_a_mesh_of_devices_that_do_not_exist():
    found = estimate(
        jax.jit(layers),
        abstract((4096, 4096), "data", None),
        abstract((80, 4096, 8192), None, None, "model"),
        abstract((80, 8192, 4096), None, "model", None),
    )
    assert found.devices == 256 and found.fits
    (row,) = [r for r in found.kernels if r.core == "links"]
    assert row.name == "all_reduce" and row.launches == 80, "every trip of the loop over layers counts"
    once = exchange_time("all_reduce", 128 * 4096 * 2, [range(8)], found.target).seconds + found.target.launch_dispatch
    assert row.exposed == pytest.approx(row.seconds), "nothing is beside them"
    assert row.seconds == pytest.approx(80 * once)
    weights = 2 * 80 * 4096 * 8192 * 2 // 8
    assert weights < found.memory.allocated < 1.1 * weights
    text = str(found)
    assert "each of 256 devices" in text and "exposed communication" in text
    assert found.to_dict()["devices"] == 256


@pytest.mark.parametrize("way", ["in_shardings", "set_mesh", "shard_map", "topology"])
def test_ways_to_say_where_arrays_lie(way):
    mesh = AbstractMesh((512,), ("x",))
    shape = jax.ShapeDtypeStruct((1024, 256), jnp.float32)

    def total(x):
        return jnp.sin(x).sum()

    if way == "in_shardings":
        found = estimate(jax.jit(total, in_shardings=NamedSharding(mesh, P("x"))), shape)
    elif way == "set_mesh":
        with jax.sharding.use_abstract_mesh(mesh):
            found = estimate(jax.jit(lambda x: total(jax.lax.with_sharding_constraint(x, P("x")))), shape)
    elif way == "shard_map":
        mapped = jax.shard_map(lambda x: jax.lax.psum(total(x), "x"), mesh=mesh, in_specs=P("x"), out_specs=P())
        found = estimate(jax.jit(mapped), shape)
    else:
        from jax.experimental import topologies

        devices = topologies.get_topology_desc("ascend910b 512", "ascend").devices
        given = NamedSharding(jax.sharding.Mesh(devices, ("x",)), P("x"))
        found = estimate(jax.jit(total, in_shardings=given).lower(shape))
    assert found.devices == 512
    assert [r.name for r in found.kernels if r.core == "links"] == ["all_reduce"]


def test_what_does_not_fit_is_said():
    parameters = abstract((80, 1 << 18, 1 << 12), None, dtype=jnp.float32)
    found = estimate(jax.jit(lambda p: p[0] + 1), parameters)
    assert not found.fits and "does not fit: 34" in str(found) and not found.to_dict()["fits"]
    assert "does not fit" in found._repr_html_()


def test_no_array_of_the_real_size_is_made():
    """A constant of 8 GB, parameters of 100: the process stays below what one of them takes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = estimate(
        jax.jit(lambda x: x + jnp.ones(x.shape)),
        abstract((1 << 20, 25_000), "data", dtype=jnp.float32),
    )
    assert found.memory.allocated > 5e9
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


def test_large_kernels_take_the_same_time_at_once(monkeypatch):
    """Kernels that move far more than the L2 holds are simulated side by side, each on an L2 of its own."""

    def function(x, w, y):
        return x @ w, jnp.tanh(y) + 1, jnp.exp(y).sum(1)

    shapes = [
        jax.ShapeDtypeStruct(s, t)
        for s, t in (((16384, 8192), jnp.bfloat16), ((8192, 4096), jnp.bfloat16), ((16384, 16384), jnp.float32))
    ]
    found = []
    for cores in (1, 2):
        program_clock._LARGE.clear()
        monkeypatch.setattr(program_clock.os, "cpu_count", lambda cores=cores: cores)
        found.append(estimate(function, *shapes))
    assert len(program_clock._LARGE) >= 2
    assert [k.name for k in found[0].kernels] == [k.name for k in found[1].kernels]
    for a, b in zip(found[0].kernels, found[1].kernels, strict=True):
        assert a.seconds == pytest.approx(b.seconds, rel=0.03)
    again = estimate(function, *shapes)
    assert again.seconds == found[1].seconds
    assert any(e.intervals for e in again.events), "with the instructions of its lanes"

"""What users of JAX do beyond arithmetic, each tried once and compared with XLA:CPU; docs/what_works.md names this file."""

import os
import pickle
import socket

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax
from jax._src.lib import xla_client
from jax.ad_checkpoint import checkpoint_name
from jax.experimental import pallas, sparse
from jax.sharding import NamedSharding, PartitionSpec
from test_processes import run

PLATFORM = os.environ.get("TEST_PLATFORM", "ascend")
X = np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 4)


def both(function, *arguments):
    """Return the leaves of a function's result on the device and on XLA:CPU, after checking where the first are."""
    results = []
    for name in (PLATFORM, "cpu"):
        with jax.default_device(jax.devices(name)[0]):
            results.append(jax.tree.leaves(function(*arguments)))
    assert results[0] and all(leaf.devices() == {jax.devices(PLATFORM)[0]} for leaf in results[0])
    return results


@jax.custom_vjp
def clipped(x):
    return jnp.sin(x)


clipped.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (jnp.clip(g * jnp.cos(x), -0.5, 0.5),))


@jax.custom_jvp
def log1pexp(x):
    return jnp.log1p(jnp.exp(x))


log1pexp.defjvp(lambda p, t: (log1pexp(*p), (1 - 1 / (1 + jnp.exp(p[0]))) * t[0]))


def cubed(x):
    return jnp.sum(jnp.sin(x) ** 3)


def checkpointed(policy):
    def function(x):
        return jnp.sin(checkpoint_name(jnp.sin(x) * 2, "inner"))

    return lambda x: jax.grad(lambda y: jax.checkpoint(function, policy=policy)(y).sum())(x)


def through_a_reference(x):
    total = jax.new_ref(jnp.zeros_like(x))

    def add(i, carry):
        total[...] += i * x
        return carry

    lax.fori_loop(0, 5, add, 0)
    return total[...]


def blocks(x):
    def kernel(a, b, out):
        out[...] = a[...] @ b[...]

    return pallas.pallas_call(
        kernel, grid=(3,), out_shape=jax.ShapeDtypeStruct((3, 3), jnp.float32), interpret=True,
        in_specs=[pallas.BlockSpec((1, 4), lambda i: (i, 0)), pallas.BlockSpec((4, 3), lambda i: (0, 0))],
        out_specs=pallas.BlockSpec((1, 3), lambda i: (i, 0)),
    )(x, x.T)  # fmt: skip


HABITS = {
    "vmap of grad": jax.vmap(jax.grad(cubed)),
    "hessian": jax.hessian(cubed),
    "linearize": lambda x: jax.linearize(cubed, x)[1](x),
    "jacfwd of jacrev": jax.jacfwd(jax.jacrev(lambda x: jnp.tanh(x) @ x.T)),
    "custom_vjp": lambda x: jax.grad(lambda y: clipped(y).sum())(x),
    "custom_jvp": lambda x: jax.jvp(jax.vmap(log1pexp), (x,), (x,)),
    "remat": checkpointed(jax.checkpoint_policies.nothing_saveable),
    "remat by name": checkpointed(jax.checkpoint_policies.save_only_these_names("inner")),
    "remat with offloading": checkpointed(
        jax.checkpoint_policies.save_and_offload_only_these_names(
            names_which_can_be_saved=[], names_which_can_be_offloaded=["inner"], offload_src="device",
            offload_dst="pinned_host",
        )
    ),
    "scan": lambda x: lax.scan(lambda c, row: (c + row, c * row), jnp.zeros(4), x, reverse=True),
    "map in batches": lambda x: lax.map(jnp.tanh, x, batch_size=2),
    "references": through_a_reference,
    "sparse matrices": lambda x: sparse.BCOO.fromdense(x, nse=12) @ x.T,
    "pallas, interpreted": blocks,
    "named scopes": jax.named_scope("a")(jnp.sin),
}  # fmt: skip


@pytest.mark.parametrize("jit", [True, False], ids=["jit", "eager"])
@pytest.mark.parametrize("habit", HABITS)
def test_values(habit, jit):
    got, want = both(jax.jit(HABITS[habit]) if jit else HABITS[habit], X)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_disable_jit():
    with jax.disable_jit():
        got, want = both(jax.jit(lambda x: x * 2 + 1), jnp.asarray(X))
    np.testing.assert_array_equal(got[0], want[0])


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_random_numbers_are_those_of_the_cpu(kind):
    @jax.jit
    def draw():
        key, other = jax.random.split(jax.random.key(3, impl=kind))
        several = jax.vmap(lambda k: jax.random.uniform(k, (2,)))(jax.random.split(other, 3))
        bits = [jax.random.bits(jax.random.fold_in(other, 5), (7,), t) for t in ("uint8", "uint16", "uint32")]
        return several, *bits, jax.random.permutation(key, 9), jax.random.key_data(key)

    got, want = both(draw)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["bool", "int4", "uint8", "float32", "bfloat16", "complex64", "float8_e4m3fn"])
def test_arrays_are_pickled(device, dtype):
    x = jax.device_put(np.arange(6).reshape(2, 3).astype(dtype), device)
    again = pickle.loads(pickle.dumps(x))
    assert again.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(again), np.asarray(x))


def test_a_mesh_of_one_device(device):
    mesh = jax.make_mesh((1,), ("x",), devices=[device], axis_types=(jax.sharding.AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("x"))
    x = jax.device_put(jnp.arange(8.0), sharding)

    @jax.jit
    def f(x):
        x = lax.with_sharding_constraint(2 * x, sharding)
        return jax.shard_map(
            lambda y: (lax.psum(y, "x"), lax.all_gather(y, "x", tiled=True), y + lax.axis_index("x")),
            mesh=mesh, in_specs=PartitionSpec("x"), out_specs=(PartitionSpec(), PartitionSpec("x"), PartitionSpec("x")),
        )(x)  # fmt: skip

    for result in f(x):
        assert result.devices() == {device}
        np.testing.assert_array_equal(result, 2 * np.arange(8.0, dtype=np.float32))


def test_pmap_over_one_device(device):
    f = jax.pmap(lambda x: x / lax.psum(x, "i"), "i", devices=[device])
    np.testing.assert_array_equal(f(np.full((1, 3), 4, np.float32)), np.ones((1, 3)))


@pytest.mark.parametrize("platforms", [["ascend"], ["ascend", "cpu"]], ids=str)
def test_export(device, platforms):
    """Of any batch size, as bytes, for one platform or several."""
    pytest.importorskip("flatbuffers", reason="exported functions are bytes by flatbuffers")
    shape = jax.ShapeDtypeStruct(export.symbolic_shape("n, 4"), jnp.float32)
    exported = export.export(jax.jit(lambda x: jax.nn.softmax(x).sum(0)), platforms=platforms)(shape)
    again = export.deserialize(exported.serialize())
    for name in platforms:
        result = again.call(jax.device_put(X, jax.devices(name)[0]))
        assert {d.platform for d in result.devices()} == {name}
        np.testing.assert_allclose(result, jax.nn.softmax(X).sum(0), rtol=1e-5)


def test_transfer_guard(device):
    f, x = jax.jit(lambda x: x + 1), jax.device_put(X, device)
    with jax.transfer_guard("disallow"):
        np.testing.assert_array_equal(jax.device_get(f(x)), X + 1)
        with pytest.raises(jax.errors.JaxRuntimeError, match="Disallowed host-to-device transfer"):
            f(X)


def test_profiler():
    """Python 3.11 hung with a profiler's hooks once a program had been compiled, or a function of the host called."""
    done = run("""
    import faulthandler, os, tempfile, jax, jax.numpy as jnp
    faulthandler.dump_traceback_later(240, exit=True)
    f = jax.jit(lambda x: jax.pure_callback(lambda y: y, x, x) @ x)
    with jax.default_device(jax.devices("ascend")[0]), tempfile.TemporaryDirectory() as folder:
        f(jnp.ones((8, 8))).block_until_ready()
        with jax.profiler.trace(folder):
            f(jnp.ones((8, 8))).block_until_ready()
            jax.jit(jnp.sin)(1.0).block_until_ready()
        print(any(name.endswith(".xplane.pb") for _, _, names in os.walk(folder) for name in names))
    """)
    assert done.stdout == "True\n"


def test_distributed_with_one_process():
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    done = run(f"""
    import jax
    jax.distributed.initialize("localhost:{port}", num_processes=1, process_id=0)
    print(jax.process_count(), jax.devices("ascend"), jax.jit(lambda x: x + 1)(1.0))
    """, JAX_PLATFORMS="ascend,cpu")  # fmt: skip
    assert done.stdout == "1 [ascend:0] 2.0\n"


def test_the_number_of_a_process_is_checked(device):
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"process 2 of 2; expected a process_id below"):
        xla_client.make_c_api_client("ascend", {"num_nodes": 2, "node_id": 2}, None)


@pytest.mark.skipif(PLATFORM != "ascend", reason="kernels of Pallas compile for no CPU either")
def test_pallas_is_refused_without_interpretation(device):
    call = pallas.pallas_call(lambda x, out: None, out_shape=jax.ShapeDtypeStruct((3, 4), jnp.float32))
    with jax.default_device(device), pytest.raises(NotImplementedError, match="pallas_call"):
        jax.jit(call)(X)


def test_a_part_on_the_cpu(device):
    """The way out that docs/what_works.md and the compiler's refusals name."""
    cpu, x = jax.devices("cpu")[0], jax.device_put(X, device)
    with jax.default_device(cpu):
        y = jnp.sin(jax.device_put(x, cpu))
    assert y.devices() == {cpu} and jax.device_put(y, device).devices() == {device}

    def on_cpu(x):
        with jax.default_device(cpu):
            return np.asarray(jnp.sin(np.asarray(x)))

    inside = jax.jit(lambda x: jax.pure_callback(on_cpu, x, x) + 1)(x)
    assert inside.devices() == {device}
    np.testing.assert_array_equal(inside, y + 1)

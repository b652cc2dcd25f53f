"""What JAX can ask of a compiled program, and programs that outlive the process that compiled them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import serialize_executable, topologies
from jax.sharding import SingleDeviceSharding


@pytest.fixture
def compiled(device):
    x = jax.device_put(np.ones((3, 4), np.float32), device)
    return jax.jit(lambda x: x + 1).lower(x).compile()


def test_text(compiled):
    assert "f32[3,4]" in compiled.as_text()


def test_cost_analysis(device):
    def step(a, b):
        return jax.lax.fori_loop(0, 5, lambda _, x: jnp.tanh(x @ b), a)

    a, b = jnp.ones((32, 64)), jnp.ones((64, 64))
    with jax.default_device(device):
        cost = jax.jit(step).lower(a, b).compile().cost_analysis()
    assert 5 * 2 * 32 * 64 * 64 <= cost["flops"] <= 5 * 2 * 32 * 64 * 64 + 50  # and the loop's counter
    assert cost["transcendentals"] == 5 * 32 * 64
    assert cost["bytes accessed"] >= 5 * 4 * (2 * 32 * 64 + 64 * 64)


@pytest.mark.parametrize("shape", [(8, 16, 32, 4), (1, 3, 7, 9)])
def test_flops_are_those_xla_counts(device, shape):
    batch, m, k, n = shape
    arguments = jnp.ones((batch, m, k)), jnp.ones((batch, k, n))

    def flops(where):
        with jax.default_device(where):
            return jax.jit(lambda a, b: (a @ b).sum(1)).lower(*arguments).compile().cost_analysis()["flops"]

    assert flops(device) == flops(jax.devices("cpu")[0])


def test_memory_analysis(compiled):
    stats = compiled.memory_analysis()
    assert stats.argument_size_in_bytes == stats.output_size_in_bytes == 48
    assert stats.alias_size_in_bytes == 0
    assert stats.generated_code_size_in_bytes > 0


def test_layouts_are_row_major(compiled, device):
    assert compiled.output_formats.layout.major_to_minor == (0, 1)
    assert jax.device_put(np.ones((2, 3, 4)), device).format.layout.major_to_minor == (0, 1, 2)


def test_serialisation(compiled, device):
    stored = serialize_executable.serialize(compiled)
    again = serialize_executable.deserialize_and_load(*stored, backend="ascend", execution_devices=[device])
    y = again(jax.device_put(np.ones((3, 4), np.float32), device))
    np.testing.assert_array_equal(np.asarray(y), np.full((3, 4), 2))


def test_fingerprints(device):
    def fingerprint(f):
        x = jax.device_put(np.ones(3, np.float32), device)
        return jax.jit(f).lower(x).compile().runtime_executable().fingerprint

    assert fingerprint(lambda x: x + 1) != fingerprint(lambda x: (x, x))


@pytest.mark.parametrize("name, count, kind", [("", 1, "Ascend 910B"), ("ascend910c 4", 4, "Ascend 910C")])
def test_ahead_of_time_compilation(name, count, kind):
    topology = topologies.get_topology_desc(name, platform="ascend")
    assert len(topology.devices) == count
    assert topology.devices[0].device_kind == kind
    place = SingleDeviceSharding(topology.devices[0])
    shape = jax.ShapeDtypeStruct((3, 4), np.float32)
    compiled = jax.jit(lambda x: x + 1, in_shardings=place, out_shardings=place).lower(shape).compile()
    assert "f32[3,4]" in compiled.as_text()


def test_an_unknown_target():
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"no target 'gpu'; expected one of ascend910b"):
        topologies.get_topology_desc("gpu", platform="ascend")

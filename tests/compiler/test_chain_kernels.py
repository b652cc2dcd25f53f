"""Small regions that follow each other are one kernel of the scalar unit, with the values they have apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import check_results, compile_graph

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.steps import Launch

KEY = np.array([0, 42], np.uint32)


def keys(k):
    a, b = jax.random.split(jax.random.wrap_key_data(k))
    return jax.random.uniform(a, (2,)), jax.random.key_data(jax.random.fold_in(b, 3))


def rates(x):
    step = x[0] + 1
    warm = jnp.minimum(step / 100, 1.0)
    order = jnp.cumsum(x)[::-1]
    return step, jnp.where(step < 10, warm, jnp.cos(warm) * x[1]), order * warm, jnp.dot(order, x)


def parts_of_a_large_value(x, i):
    a = jax.lax.dynamic_slice(x, (i[0],), (3,))
    return jnp.cumsum(a) + a[::-1].sum(), x[5] * a


def around_a_large_value(x, y):
    total = jnp.dot(jnp.tanh(x), x)
    large = jnp.tanh(y) * total
    return total * 2, large, jnp.exp(total) + large[3, 4], jnp.dot(jnp.exp(x), x) * 3


CASES = {
    "keys": (keys, [KEY], 1),
    "rates": (rates, [np.array([3, 0.5, 1], np.float32)], 1),
    "parts": (parts_of_a_large_value, [np.arange(900, dtype=np.float32), np.array([899], np.int32)], 1),
    "around": (around_a_large_value, [np.ones(5, np.float32), np.ones((40, 700), np.float32)], 3),
}


@pytest.mark.parametrize("name", CASES)
def test_chain(name):
    function, arguments, most = CASES[name]
    _, schedule, program = compile_graph(function, arguments)
    launches = [item.kernel.name for item in schedule.items if isinstance(item, Launch)]
    assert "chain" in launches and len(launches) <= most, launches
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, arguments, 1e-5)


def test_a_chain_of_more_steps_than_registers_stays_apart():
    def function(x):
        for _ in range(18):
            for _ in range(5):
                x = jnp.sin(x) * 0.5 + x
            x = x * jnp.dot(x, x[::-1])
        return x

    x = np.linspace(-1, 1, 16, dtype=np.float32)
    _, schedule, program = compile_graph(function, [x])
    assert len([item for item in schedule.items if isinstance(item, Launch)]) > 1
    check_results(program, function, [x], 1e-3)

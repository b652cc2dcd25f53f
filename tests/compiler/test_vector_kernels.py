"""Vector regions end to end: fused as they should be, and right by the reference interpreter against XLA:CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_function import TARGET, check_results, compile_graph, integers, normal, plan_program

from jax_ascend import _plugin
from jax_ascend.compiler.codegen.steps import Launch
from jax_ascend.compiler.pipeline import compile_program

BF16 = jnp.bfloat16


def layer_norm(x, scale, shift):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift


def layer_norm_gradient(x, scale, shift, dy):
    return jax.vjp(layer_norm, x, scale, shift)[1](dy)


def batch_norm(x):
    return (x - x.mean((0, 1, 2))) / jnp.sqrt(x.var((0, 1, 2)) + 1e-5)


def batch_norm_with_parts(x):
    centred = x - x.mean((0, 1, 2))
    normal = centred * jax.lax.rsqrt(x.var((0, 1, 2)) + 1e-5)
    return centred, normal, jnp.maximum(normal, 0), normal > 0


def adam(p, g, m, v, t):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return p - 1e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def rotary(x):
    a, b = jnp.split(x * 2, 2, -1)
    return jnp.concatenate([-b, a], -1) + x


def causal_softmax(s):
    return jax.nn.softmax(jnp.where(jnp.tril(jnp.ones(s.shape[-2:], bool)), s, -1e9))


def column_of_rank_one(x, t, count):
    j = 49 - count
    v = jax.lax.dynamic_slice(x, (0, j), (50, 1)) * (jnp.arange(50)[:, None] >= j)
    return x - jax.lax.dynamic_slice(t, (0, j), (1, 1)) * v * (v * x).sum(0)


# name: (function, arguments, launches at most, tolerance)
CASES = {
    "add one": (lambda x: x + 1, [normal(8)], 1, 0),
    "elementwise": (lambda x, y: jnp.tanh(x) * y + 2, [normal(100, 77), normal(100, 77)], 1, 1e-6),
    "row and column vectors": (lambda x, r, c: x * r[:, None] + c, [normal(20, 50), normal(20), normal(50)], 1, 1e-6),
    "outer difference": (lambda x: x[:, None] - x[None, :], [normal(60)], 1, 0),
    "minus transpose": (lambda x: x - x.T, [normal(60, 60)], 1, 0),
    "softmax": (jax.nn.softmax, [normal(300, 70)], 1, 1e-6),
    "softmax of columns": (lambda x: jax.nn.softmax(x, 0), [normal(100, 70)], 1, 1e-6),
    "softmax in the middle": (lambda x: jax.nn.softmax(x, 1), [normal(4, 50, 8, 9)], 1, 1e-6),
    "softmax of rows beyond UB": (jax.nn.softmax, [normal(64, 30000)], 1, 1e-6),
    "softmax of one long row": (jax.nn.softmax, [normal(1, 300000)], 5, 1e-6),
    "softmax gradient": (lambda x, g: jax.vjp(jax.nn.softmax, x)[1](g), [normal(300, 70), normal(300, 70)], 1, 1e-5),
    "causal softmax": (causal_softmax, [normal(3, 50, 50)], 1, 1e-6),
    "layer norm": (layer_norm, [normal(4, 50, 96), normal(96), normal(96)], 1, 1e-5),
    "layer norm gradient": (
        layer_norm_gradient,
        [normal(4, 50, 96), normal(96), normal(96), normal(4, 50, 96)],
        2,  # the second adds up the blocks' shares of the scale's and shift's gradients
        1e-4,
    ),
    "batch norm": (batch_norm, [normal(8, 14, 14, 16)], 5, 1e-5),
    "batch norm, its parts and its mask": (batch_norm_with_parts, [normal(16, 8, 8, 8)], 9, 1e-5),
    "Adam": (adam, [normal(64, 300), normal(64, 300), normal(64, 300), abs(normal(64, 300)), np.float32(3)], 2, 1e-5),
    "cross entropy": (cross_entropy, [normal(100, 65), integers(65, 100)], 6, 1e-5),
    "sum": (jnp.sum, [normal(100000)], 2, 1e-5),
    "sum of rows": (lambda x: x.sum(1), [normal(1000, 77)], 1, 1e-5),
    "sum of columns": (lambda x: x.sum(0), [normal(1000, 77)], 2, 1e-5),
    "sum of outer and inner": (lambda x: x.sum((0, 2)), [normal(10, 70, 33)], 2, 1e-5),
    "mean of bf16 columns": (lambda x: jnp.mean(x.astype(BF16), 0), [normal(3000, 130)], 2, 1e-2),
    "several reductions": (lambda x: (x.sum(1), x.max(1), x.min(1), jnp.prod(x, 1)), [normal(30, 8)], 1, 1e-5),
    "all, any, xor": (
        lambda x: ((x > 3).all(1), (x > 30).any(), jnp.bitwise_xor.reduce(x, axis=1)),
        [integers(100, 50, 17)],
        3,
        0,
    ),
    "reduction of nothing": (lambda x: x[:0].sum(0), [normal(5, 3)], 2, 0),
    "argmax": (lambda x: (jnp.argmax(x, -1), jnp.argmin(x, 0)), [normal(100, 70)], 2, 0),
    "cumulative sum": (lambda x: jnp.cumsum(x, -1), [normal(100, 70)], 20, 1e-4),
    "transpose": (lambda x: x.T, [normal(100, 77)], 1, 0),
    "transpose of four": (lambda x: jnp.transpose(x, (0, 2, 1, 3)), [normal(3, 5, 7, 16)], 1, 0),
    "reshapes and transposes": (
        lambda x: x.reshape(10, 2, 35).transpose(2, 0, 1).reshape(70, 10) * 2,
        [normal(100, 7)],
        1,
        0,
    ),
    "reshape across factors": (lambda x: (x * 2).reshape(6, 50) + 1, [normal(100, 3)], 2, 0),
    "slices": (lambda x: x[1:-1] * 2 - x[2:] - x[:-2], [normal(1000)], 1, 1e-6),
    "strided and reversed": (lambda x: x[::-2, 2:5] + x[1::2, ::-3], [normal(10, 7)], 1, 0),
    "dynamic slice": (lambda x, i: jax.lax.dynamic_slice(x, (i, 0), (5, 3)) * 2, [normal(9, 17), np.int32(7)], 2, 0),
    "dynamic slices at a computed start": (column_of_rank_one, [normal(50, 50), normal(1, 50), np.int32(3)], 2, 1e-6),
    "concatenate": (lambda x: jnp.concatenate([x, x * 2, x[:2]]), [normal(10, 7)], 2, 0),
    "rotary": (rotary, [normal(5, 6, 16)], 4, 1e-6),
    "pad": (lambda x: jnp.pad(x, ((1, 2), (0, 3))), [normal(10, 7)], 1, 0),
    "pad between and cut": (
        lambda x: jax.lax.pad(x, 0.5, ((1, 2, 1), (-1, 3, 2), (-2, -1, 0))),
        [normal(10, 7, 5)],
        1,
        0,
    ),
    "one hot": (lambda i: jax.nn.one_hot(i, 17), [integers(17, 100)], 1, 0),
    "iota": (lambda: jax.lax.broadcasted_iota(jnp.int32, (7, 9, 11), 1), [], 1, 0),
    "fill": (lambda: jnp.full((300, 400), 3.0), [], 1, 0),
    "bf16 keeps f32 between ops": (lambda x: x.astype(BF16) * 2 + 1, [normal(100, 70)], 1, 1e-2),
    "small integers": (
        lambda x: x.astype(jnp.int8) // 3 + x.astype(jnp.uint8).astype(jnp.int8),
        [integers(99, 70)],
        1,
        0,
    ),
    "unsigned words": (lambda x: (x.astype(jnp.uint32) << 3) ^ np.uint32(0x9E3779B9), [integers(99, 70)], 1, 0),
    "random bits": (
        lambda k: jax.random.bits(jax.random.wrap_key_data(k), (300,)),
        [np.array([0, 42], np.uint32)],
        14,
        0,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_fused_and_right(name):
    function, arguments, most, tolerance = CASES[name]
    _, schedule, program = compile_graph(function, arguments)
    launches = [item.kernel.name for item in schedule.items if isinstance(item, Launch)]
    assert len(launches) <= most, launches
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, function, arguments, tolerance)


@pytest.mark.parametrize("name", CASES)
def test_right_in_place(name):
    """Every result takes over the storage of an argument, if there is one of its type."""
    function, arguments, _, tolerance = CASES[name]
    _, schedule, _ = compile_graph(function, arguments)
    free, aliases = dict(enumerate(schedule.graph.arguments)), []
    for result in schedule.graph.results:
        aliases.append(next((i for i, v in free.items() if v.type == result.type and v is not result), -1))
        free.pop(aliases[-1], None)
    check_results(plan_program("test", schedule, aliases, TARGET), function, arguments, tolerance)


def test_equal_regions_share_a_kernel():
    def function(x, y, w):
        return jax.nn.softmax(x) @ w, jax.nn.softmax(y)

    regions, schedule, _ = compile_graph(function, [normal(3000, 400), normal(3000, 400), normal(400, 8)])
    kernels = [item.kernel for item in schedule.items if isinstance(item, Launch)]
    one, other = (k for k in kernels if k.core == "aiv")
    assert len(regions) == 3 and one is other


def test_updates_may_happen_in_place():
    p, g, m, v, t = CASES["Adam"][1]
    _, schedule, _ = compile_graph(adam, [p, g, m, v, t])
    update = [item for item in schedule.items if isinstance(item, Launch)][-1]
    assert {o for o, _ in update.may_alias} == set(update.outputs)
    assert len({i for _, i in update.may_alias}) == 4  # each may have any of p, g, m and v; placing values chooses


def test_donated_state_is_updated_without_copies():
    """The gradient comes first and fits every result: none may take its buffer and leave its own to a copy."""

    def update(g, p, m, v, t):
        return adam(p, g, m, v, t)

    p, g, m, v, t = CASES["Adam"][1]
    lowered = jax.jit(update, donate_argnums=(1, 2, 3)).trace(g, p, m, v, t).lower(lowering_platforms=("ascend",))
    program = compile_program(str(lowered.compiler_ir("stablehlo")), TARGET)
    commands = [c.spec.name for c in program.functions[0].commands]
    assert "copy" not in commands, commands


def test_no_cycle_through_a_third_region():
    def function(x, w):
        a = jnp.exp(x)
        return a + jnp.sin(a @ w)  # exp and add must not become one region around the dot

    _, schedule, program = compile_graph(function, [normal(16, 16), normal(16, 16)])
    assert len([i for i in schedule.items if isinstance(i, Launch)]) == 2
    assert program.launches()["mixed"] == 1  # sin and add follow the dot


@pytest.mark.parametrize("channels", [64, 512, 2048, 4096])
def test_statistics_of_columns_keep_all_cores_busy(channels):
    """What is reduced along rows and used again is one kernel only if its columns are enough for the cores."""

    def normalise(x):
        centred = x - x.mean(0)
        return centred / jnp.sqrt((centred**2).mean(0) + 1e-5)

    x = normal(700, channels)
    _, schedule, program = compile_graph(normalise, [x])
    large = [
        item.kernel.blocks
        for item in schedule.items
        if isinstance(item, Launch) and any(a.size >= x.size for a in item.kernel.arguments)
    ]
    assert min(large) * 3 >= 2 * min(TARGET.vector_cores, x.size // 8192), large
    check_results(program, normalise, [x], 1e-5)

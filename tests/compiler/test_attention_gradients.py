"""The gradient of attention as JAX takes it: one kernel after the forward one, free of hazards, and right; near misses stay right."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import BF16, CASES, F16, causal, masked, normal, of, operands, plain, scores, values
from compiled_function import TARGET, check_results, compile_graph

from jax_ascend import _plugin, estimate
from jax_ascend.compiler.codegen.attention.gradient import read_gradient
from jax_ascend.compiler.codegen.attention.gradient_tiles import gradient_choices
from jax_ascend.compiler.codegen.lower_region import lower_region
from jax_ascend.compiler.codegen.steps import Launch


def step_of(attend, wanted=(0, 1, 2)):
    """Return a function of q, k, v, the result's gradient and what else attend takes, to the result and the gradients."""

    def step(q, k, v, g, *more):
        out, pull = jax.vjp(lambda *x: attend(*x, *more), q, k, v)
        gradients = pull(g)
        return out, *(gradients[i] for i in wanted)

    return step


def step_arguments(attend, arguments):
    out = jax.eval_shape(attend, *arguments)
    gradient = np.random.default_rng(1).standard_normal(out.shape).astype(out.dtype)
    return [*arguments[:3], gradient, *arguments[3:]]


def kernels_of(schedule):
    return [item.kernel for item in schedule.items if isinstance(item, Launch)]


def dropped_as_it_goes(q, k, v):
    w = jax.nn.softmax(scores(q, k))
    keep = jax.random.bernoulli(jax.random.key(0), 0.9, w.shape)
    return values(jnp.where(keep, w / 0.9, 0), v)


# Products of few rows or columns are vector work, and scores smaller than their operands not worth it.
APART = {
    "values wider than keys",
    "one query",
    "two keys",
    "a cache of a length that is data",
    "times the reciprocal",  # its maximum has a gradient
    # Slices of gradients are products of their own, which are not proven to be a gradient's.
    "two parts",
    "two odd parts",
    "two parts, bf16",
    "two parts, f16",
    "three parts",
    "parts of keys that end elsewhere",
    "two parts, one head of keys",
}
NARROW = (
    "plain",
    "causal",
    "grouped heads",
    "dropout",
    "soft cap",
    "dot_product_attention, causal",
    "padding and causal",
)
STEPS = {name: (attend, arguments, max(tolerance, 3e-5)) for name, (attend, arguments, tolerance) in CASES.items()}
# Both differ from the gradient in f32: XLA:CPU by 0.021 at most over a dozen draws of "causal, bf16", this by 0.039, as it sums the
# result after it is rounded. In f16 it is 0.003 and, in one draw of hundreds, 0.018 in a row that sees two keys.
STEPS |= {f"{name}, bf16": (CASES[name][0], of(BF16, *CASES[name][1]), 6e-2) for name in NARROW}
STEPS |= {f"{name}, f16": (CASES[name][0], of(F16, *CASES[name][1]), 1e-2) for name in NARROW if "dot_" not in name}
STEPS |= {
    "causal, all blocks of keys": (masked(causal, -jnp.inf), [normal(2, 600, 2, 16)] * 3, 5e-5),
    "causal, keys that no row sees": (masked(causal, -jnp.inf), operands(100, 400), 5e-5),
    "dropout drawn on the way": (dropped_as_it_goes, operands(), 3e-5),
    "no keys long before": (masked(lambda i, j: j >= i - 20, -jnp.inf), [normal(1, 300, 1, 16)] * 3, 5e-5),
    "rows in three dimensions": (
        lambda q, k, v: jnp.einsum("abchk,khd->abchd", jax.nn.softmax(jnp.einsum("abchd,khd->abchk", q, k)), v),
        [normal(3, 5, 20, 2, 16), normal(70, 2, 16), normal(70, 2, 16)],
        3e-5,
    ),
    "wide heads": (plain, operands(130, 200, 1, 128, 128), 3e-5),
}


@pytest.mark.parametrize("name", STEPS)
def test_two_mixed_kernels_and_right(name):
    attend, arguments, tolerance = STEPS[name]
    step, arguments = step_of(attend), step_arguments(attend, arguments)
    regions, schedule, program = compile_graph(step, arguments)
    kernels = kernels_of(schedule)
    if name in APART:
        assert not any("attention" in k.name for k in kernels)
    else:
        assert [r.kind for r in regions if r.kind in ("attention", "gradient", "cube")] == ["attention", "gradient"]
        assert sum(k.core == "mix" for k in kernels) == 2 and not any(k.core == "aic" for k in kernels)
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, step, arguments, tolerance)


@pytest.mark.parametrize("wanted", [(0, 1), (0, 2), (1,)], ids=str)
def test_some_gradients_only(wanted):
    arguments = step_arguments(plain, operands(70, 90))
    step = step_of(plain, wanted)
    regions, _, program = compile_graph(step, arguments)
    assert "gradient" in [r.kind for r in regions]
    check_results(program, step, arguments, 3e-5)


def test_a_loss_between():
    """The gradient of a loss of two layers: each has its kernels, and what lies between them keeps its order."""

    def layer(x, w):
        q, k, v = jnp.split((x @ w).reshape(1, -1, 2, 48), 3, axis=-1)
        return masked(causal, -jnp.inf)(q, k, v).reshape(x.shape)

    def loss(w, x):
        return (layer(jnp.tanh(layer(x, w[0])), w[1]) ** 2).sum()

    arguments = [0.2 * normal(2, 32, 96), normal(90, 32)]
    regions, _, program = compile_graph(jax.value_and_grad(loss, (0, 1)), arguments)
    kinds = [r.kind for r in regions]
    assert kinds.count("attention") == kinds.count("gradient") == 2
    assert _plugin.find_hazards(program.encode()) == []
    check_results(program, jax.value_and_grad(loss, (0, 1)), arguments, 1e-4)


def test_batched_and_in_a_loop():
    attend = masked(causal, -jnp.inf)

    def steps(q, k, v, g):
        def step(carry, _):
            q, k, v = carry
            _, pull = jax.vjp(attend, q, k, v)
            return tuple(x - 0.1 * d for x, d in zip((q, k, v), pull(g))), attend(q, k, v).sum()

        return jax.lax.scan(step, (q, k, v), None, length=2)

    arguments = step_arguments(attend, operands(40, 40))
    regions, _, program = compile_graph(steps, arguments)
    check_results(program, steps, arguments, 1e-4)
    batched = jax.vmap(step_of(attend))
    arguments = [np.stack([a, a[::-1]]) for a in arguments]
    regions, _, program = compile_graph(batched, arguments)
    assert "gradient" in [r.kind for r in regions]
    check_results(program, batched, arguments, 3e-5)


def weights_too(q, k, v):
    w = jax.nn.softmax(scores(q, k))
    return values(w, v) + w.sum()


def squared(q, k, v):
    return values(jax.nn.softmax(scores(q, k)) ** 2, v)


def half_of_the_total(q, k, v):
    s = scores(q, k)
    e = jnp.exp(s - jax.lax.stop_gradient(s.max(-1, keepdims=True)))
    return values(e / (e.sum(-1, keepdims=True) + 1), v)


def along_queries(q, k, v):
    return values(jax.nn.softmax(scores(q, k), axis=-2), v)


def two_values(q, k, v):
    w = jax.nn.softmax(scores(q, k))
    return values(w, v) + values(w, jnp.sin(v))


def without_softmax(q, k, v):
    return values(jnp.tanh(scores(q, k)), v)


@pytest.mark.parametrize(
    "attend",
    [weights_too, squared, half_of_the_total, along_queries, two_values, without_softmax],
    ids=lambda f: f.__name__,
)
def test_a_near_miss_stays_right(attend):
    step, arguments = step_of(attend), step_arguments(attend, [a / 2 for a in operands()])
    _, _, program = compile_graph(step, arguments)
    check_results(program, step, arguments, 3e-5)


def test_the_gradient_of_a_bias_and_of_the_gradient_stay_right():
    def biased(b, q, k, v):
        return (values(jax.nn.softmax(scores(q, k) + b), v) ** 2).sum()

    arguments = [normal(2, 40, 40), *operands()]
    function = jax.value_and_grad(biased, (0, 1, 2, 3))
    _, _, program = compile_graph(function, arguments)
    check_results(program, function, arguments, 5e-5)

    def twice(q, k, v):
        inner = jax.grad(lambda *x: (plain(*x) ** 2).sum(), (0, 1, 2))
        return jax.grad(lambda *x: sum(jnp.sum(jnp.sin(g)) for g in inner(*x)), (0, 1, 2))(q, k, v)

    arguments = [a / 2 for a in operands(24, 30)]
    _, _, program = compile_graph(twice, arguments)
    check_results(program, twice, arguments, 5e-4)


def gradient_region(attend, arguments):
    regions, _, _ = compile_graph(step_of(attend), step_arguments(attend, arguments))
    (region,) = [r for r in regions if r.kind == "gradient"]
    return region


def test_what_does_not_fit_becomes_products_apart():
    region = gradient_region(*CASES["causal"][:2])
    steps = lower_region(region, replace(TARGET, ub_bytes=2 * 1024))
    cores = [step.kernel.core for step in steps if isinstance(step, Launch)]
    assert cores.count("aic") == 5 and "mix" not in cores


def test_hidden_blocks():
    assert read_gradient(gradient_region(*CASES["causal"][:2])).hidden.bound.constant == 0
    assert read_gradient(gradient_region(*STEPS["no keys long before"][:2])).hidden.bound.constant == 20
    for name in (
        "plain",
        "window",
        "padding and causal",
        "rows that see nothing",
        "tiles that see nothing",
        "soft cap",
    ):
        assert read_gradient(gradient_region(*CASES[name][:2])).hidden is None, name
    arguments = [jax.ShapeDtypeStruct((1, 4096, 6, 64), F16)] * 4
    whole, half = (estimate(step_of(f), *arguments).cycles for f in (plain, masked(causal, -jnp.inf)))
    assert half < 0.8 * whole


def test_tiles_are_legal_for_any_size():
    for queries, keys, depth, width in (
        (40, 50, 3, 3),
        (100, 5000, 64, 64),
        (333, 370, 48, 80),
        (1024, 1024, 64, 64),
    ):
        shapes = [(1, queries, 1, depth), (1, keys, 1, depth), (1, keys, 1, width)]
        problem = read_gradient(gradient_region(plain, [jnp.zeros(s, BF16) for s in shapes]))
        choices = list(gradient_choices(problem, TARGET))
        assert choices and all(t.rows % 16 == 0 and t.block % 16 == 0 for t in choices)


def test_faster_than_apart():
    """Of a long sequence the scores do not fit the L2; the kernels that keep them there or in HBM took 2.8 ms."""
    arguments = [jax.ShapeDtypeStruct((1, 4096, 8, 64), BF16)] * 4
    assert estimate(step_of(plain), *arguments).seconds < 2.1e-3

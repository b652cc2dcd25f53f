"""jax.random: the bits are exactly those of XLA:CPU, whatever is drawn from them follows."""

import jax
import jax.numpy as jnp
import pytest
from case import case, checks, verify
from jax import lax, random


def keys(seed):
    key = random.key(seed[0])
    return [random.key_data(k) for k in (key, random.fold_in(key, 7), random.split(key, 3), random.clone(key))]


def bits(seed):
    key = random.key(seed[0])
    kinds = (jnp.uint8, jnp.uint16, jnp.uint32)
    return [random.bits(key, (n,), k) for n in (1, 7, 128, 1001) for k in kinds]


def uniforms(seed):
    key = random.key(seed[0])
    kinds = (jnp.float32, jnp.bfloat16, jnp.float16)
    return [random.uniform(key, (7, 33), k) for k in kinds], random.uniform(key, (9,), minval=-3, maxval=5)


def integers(seed):
    key = random.key(seed[0])
    return [random.randint(key, (99,), -5, 17, k) for k in (jnp.int32, jnp.int8, jnp.uint8)], random.bernoulli(
        key, 0.3, (99,)
    )


def normals(seed):
    key = random.key(seed[0])
    return (
        random.normal(key, (7, 33)),
        random.truncated_normal(key, -2, 2, (99,)),
        random.normal(key, (9,), jnp.bfloat16),
    )


def others(seed):
    key = random.key(seed[0])
    return (
        random.exponential(key, (50,)),
        random.gumbel(key, (50,)),
        random.laplace(key, (50,)),
        random.cauchy(key, (9,)),
    )


def choices(seed):
    key = random.key(seed[0])
    return random.permutation(key, 50), random.choice(key, 50, (9,)), random.choice(key, 50, (9,), replace=False)


def categorical(seed, scores):
    return random.categorical(random.key(seed[0]), scores * 3), random.categorical(random.key(1), scores, axis=0)


def dropout(seed, x):
    return jnp.where(random.bernoulli(random.key(seed[0]), 0.9, x.shape), x / 0.9, 0)


def walk(seed):
    def step(key, _):
        key, draw = random.split(key)
        return key, random.normal(draw, (3,))

    return lax.scan(step, random.key(seed[0]), None, length=6)[1]


CASES = [
    case("keys", keys, "u32[1] 0..1000000"),
    case("bits", bits, "u32[1] 0..1000000"),
    case("uniform", uniforms, "u32[1] 0..1000000"),
    case("integers", integers, "u32[1] 0..1000000"),
    case("normal", normals, "u32[1] 0..1000000"),
    case("others", others, "u32[1] 0..1000000", eager=False),
    case("choices", choices, "u32[1] 0..1000000"),
    case("categorical", categorical, "u32[1] 0..1000000", "f32[7,33]"),
    case("dropout", dropout, "u32[1] 0..1000000", "T[33,65]", types="f32 bf16", grad=True),
    case("in a loop", walk, "u32[1] 0..1000000"),
    case(
        "vmap", lambda s: jax.vmap(lambda k: random.normal(k, (3,)))(random.split(random.key(s[0]), 4)), "u32[1] 0..99"
    ),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_random(check):
    verify(check)

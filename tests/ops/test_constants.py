"""Functions of constants, which no kernel has in memory, and tensors without elements where a loop carries them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import INTS, case, checks, verify
from jax import lax

PADDING = ((-2, 1, 2), (1, -2, 1))


def padded(x):
    return [lax.pad(a, x[0, 0], PADDING) for a in (jnp.full_like(x, 3), lax.integer_pow(x, 0), x)]


def extremes(x):
    constants = [jnp.full(shape, -5, x.dtype) for shape in ((1, 2), (2, 1), (3, 4))]
    return [f(a, d, jnp.int32) for f in (lax.argmin, lax.argmax) for a in constants for d in (0, 1)]


def divide(x):
    return lax.fori_loop(0, 3, lambda i, s: s / (1 + jnp.abs(s)), x)


def update(x, part):
    return lax.fori_loop(0, 2, lambda i, s: lax.dynamic_update_slice(s, part, (1, 0)), x)


CASES = [
    case("pad", padded, "T[34,2] 0..9", types=f"f32 {INTS}"),
    case("argmin and argmax", extremes, "T[3]", types="f32 i8 i32"),
    case("loops over nothing", divide, "f32[3,0,2]"),
    case("updates of nothing", update, "f32[5,0]", "f32[2,0]"),
    case("huge extents around a zero", lambda x: jnp.broadcast_to(x, (2**40, 0, 2**40)).sum() + x, "f32[]"),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_constants(check):
    verify(check)


@pytest.mark.parametrize("shape", [(), (5,), (8, 8), (5, 64, 8), (0, 3)], ids=str)
def test_complex_constants(device, shape):
    with jax.default_device(device):
        for value in (0, 1 + 2j):
            made = jax.jit(lambda value=value: jnp.full(shape, value, jnp.complex64))()
            np.testing.assert_array_equal(made, np.full(shape, value, np.complex64))


def test_complex_loops_over_nothing(device):
    with jax.default_device(device):
        assert jax.jit(divide)(np.ones((3, 0, 2), np.complex64)).shape == (3, 0, 2)
        part = np.ones((2, 0), np.complex64)
        assert jax.jit(update)(np.ones((5, 0), np.complex64), part).shape == (5, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_subnormal_constants(device, dtype):
    """XLA:CPU takes them for zero, as jaxlib's threads do that call the compiler."""
    with jax.enable_x64(True), jax.default_device(device):
        x, tiny = jnp.array([3, -2, 0.5], dtype), jnp.finfo(dtype).smallest_subnormal * 8

        @jax.jit
        def f(x):
            some = np.array([8, 16, 24], dtype) * (tiny / 8)
            return x * tiny, x + some, jnp.full(3, 2, dtype) * some, x * 0 + tiny

        in_numpy = np.array(x)
        some = np.array([8, 16, 24], dtype) * (tiny / 8)
        want = in_numpy * tiny, in_numpy + some, np.full(3, 2, dtype) * some, in_numpy * 0 + tiny
        for got, right in zip(f(x), want, strict=True):
            assert (right != 0).all()
            np.testing.assert_array_equal(np.asarray(got), right)

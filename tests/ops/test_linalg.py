"""Factorisations, solves, Fourier transforms and complex numbers, as far as the front end takes them."""

import jax
import jax.numpy as jnp
import pytest
from case import FLOATS, case, checks, verify
from jax import lax


def positive_definite(x):
    return x @ x.T + 9 * jnp.eye(len(x))


def solves(a, b):
    low = jnp.tril(a) + 5 * jnp.eye(len(a))
    options = [{"left_side": left, "lower": True, "transpose_a": t} for left in (True, False) for t in (True, False)]
    return [lax.linalg.triangular_solve(low, b if o["left_side"] else b.T, **o) for o in options]


def complex_arithmetic(x, y):
    z = lax.complex(x, y)
    w = z * (2 - 1j) + jnp.conj(z)
    return w.real, w.imag, jnp.abs(z), (z / (w + 5)).real


def fourier(x):
    z = jnp.fft.fft(x)
    return z.real, z.imag, jnp.fft.irfft(jnp.fft.rfft(x), x.shape[-1]), jnp.fft.ifft(z).real


CASES = [
    case("logistic", lax.logistic, "T[7,33]", types=FLOATS, grad=True, pointwise=True),
    case("cholesky", lambda x: jnp.linalg.cholesky(positive_definite(x)), "f32[9,9]"),
    case("triangular solve", solves, "f32[9,9]", "f32[9,5]"),
    case("complex", complex_arithmetic, "f32[5,7]", "f32[5,7]"),
    case("fourier", fourier, "f32[3,16]"),
    case(
        "power iteration",
        lambda x, v: lax.fori_loop(0, 20, lambda i, v: x @ v / jnp.linalg.norm(x @ v), v),
        "f32[9,9]",
        "f32[9]",
    ),
    case("householder", lambda v: jnp.eye(9) - 2 * jnp.outer(v, v) / (v @ v), "f32[9]", grad=True),
    case(
        "vmap of solve",
        jax.vmap(lambda a, b: jnp.linalg.det(jnp.tril(a[:2, :2])) * b),
        "f32[3,4,4]",
        "f32[3,4]",
        eager=False,
    ),
]


@pytest.mark.parametrize("check", checks(CASES), ids=str)
def test_linalg(check):
    verify(check)

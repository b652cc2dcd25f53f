"""Factorisations, solves, Fourier transforms and complex numbers, as far as the front end takes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import FLOATS, PLATFORM, case, checks, verify
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
    case("qr", lambda x: jnp.linalg.qr(x + 6 * jnp.eye(9)), "f32[9,9]", grad=True),
    case("qr of tall matrices", jnp.linalg.qr, "f32[2,3,9,5]", grad=True, eager=False),
    case("qr of wide matrices", lambda x: jnp.linalg.qr(x, mode="complete"), "f32[2,5,9]", eager=False),
    case("qr that reflects nothing", lambda x: jnp.linalg.qr(jnp.triu(x).at[1].set(0)), "f32[6,5]", eager=False),
    case("qr packed", lambda x: jnp.linalg.qr(x, mode="raw"), "f32[40,7]", eager=False),
    case("qr of large and small numbers", lambda x: [jnp.linalg.qr(x * s) for s in (1e30, 1e-30)], "f32[5,4]"),
    case("complex", complex_arithmetic, "f32[5,7]", "f32[5,7]"),
    case("fourier", fourier, "f32[3,16]", grad=True),
    case("fourier in two steps", lambda x: jnp.abs(jnp.fft.rfft(x)), "f32[2,360]", grad=True, eager=False),
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


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(7, 7), (2, 8, 3), (3, 8)], ids=str)
def test_qr_is_one(shape, dtype):
    draw = np.random.default_rng(sum(shape))
    eps = np.finfo(dtype).eps
    with jax.enable_x64(True), jax.default_device(jax.devices(PLATFORM)[0]):
        parts = [draw.standard_normal(shape) for _ in range(2)]
        a = (parts[0] + 1j * parts[1] if dtype.startswith("c") else parts[0]).astype(dtype)
        q, r = map(np.asarray, jax.jit(jnp.linalg.qr)(a))
    assert q.dtype == r.dtype == dtype
    assert np.abs(q @ r - a).max() <= 32 * eps * np.abs(a).max()
    assert np.abs(q.swapaxes(-1, -2).conj() @ q - np.eye(q.shape[-1])).max() <= 32 * eps
    assert not np.tril(r, -1).any()
    assert np.abs(np.diagonal(r, 0, -2, -1).imag).max() <= 32 * eps  # LAPACK leaves it real


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("upper", [False, True], ids=["lower", "upper"])
def test_cholesky_in_blocks_is_one(upper, dtype):
    draw = np.random.default_rng(0)
    a = draw.standard_normal((2, 100, 60)) + 1j * draw.standard_normal((2, 100, 60)) * (dtype == "complex64")
    a = a @ a.conj().swapaxes(1, 2) + np.eye(100) / 100  # forty eigenvalues are nearly nothing
    a = (a if dtype == "complex64" else a.real).astype(dtype)
    with jax.enable_x64(True), jax.default_device(jax.devices(PLATFORM)[0]):
        factor = np.asarray(jax.jit(lambda x: jnp.linalg.cholesky(x, upper=upper, symmetrize_input=False))(a))
    low = factor.conj().swapaxes(1, 2) if upper else factor
    assert low.dtype == dtype and not np.triu(low, 1).any()
    error = np.abs(low.astype(np.clongdouble) @ low.conj().swapaxes(1, 2).astype(np.clongdouble) - a)
    assert error.max() <= 8 * np.finfo(dtype).eps * np.abs(a).max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [(1, 1, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1)], ids=str)
def test_a_solve_in_blocks_is_as_stable_as_substitution(options, dtype):
    """Substitution solves (a + e) x = b with |e| <= n eps |a|; in practice a few eps, and so must blocks."""
    left, lower, transposed, unit = map(bool, options)
    draw = np.random.default_rng(0)
    n, eps = 70, np.finfo(dtype).eps
    time = np.linspace(0, 1, n)  # neighbours nearly depend on each other: blocks are ill conditioned
    a = np.linalg.cholesky(np.exp(-((time[:, None] - time) ** 2)) + 1e-5 * np.eye(n))
    if unit:
        a = np.tril(draw.standard_normal((n, n)) / 8, -1) + np.eye(n)
    a, b = (a if lower else a.T).astype(dtype), draw.standard_normal((n, 5)).astype(dtype)
    given = np.where(np.tri(n, k=-unit) if lower else np.tri(n, k=-unit).T, a, np.nan)  # the rest is not to be read

    def solve(a, b):
        options = {"left_side": left, "lower": lower, "transpose_a": transposed, "unit_diagonal": unit}
        return lax.linalg.triangular_solve(a, b, **options)

    with jax.enable_x64(True), jax.default_device(jax.devices(PLATFORM)[0]):
        x = np.asarray(jax.jit(solve)(given.astype(dtype), b if left else b.T))
    a, x, b = (v.astype(np.longdouble) for v in (a.T if transposed == left else a, x if left else x.T, b))
    assert (np.abs(a @ x - b) / (np.abs(a) @ np.abs(x))).max() <= 4 * eps


@pytest.mark.parametrize("n, roundings", [(17, 1.25), (2053, 4), (5046, 4)])
def test_a_transform_in_f64_is_right_to_some_roundings(n, roundings):
    draw = np.random.default_rng(0)
    x = draw.standard_normal((500 if n < 100 else 2, n))
    angle = 2 * np.arccos(np.longdouble(-1)) / n * (np.outer(np.arange(n), np.arange(n // 2 + 1)) % n)
    want = x.astype(np.longdouble) @ np.cos(angle), -(x.astype(np.longdouble) @ np.sin(angle))
    with jax.enable_x64(True), jax.default_device(jax.devices(PLATFORM)[0]):
        got = np.asarray(jax.jit(jnp.fft.rfft)(x))
    largest = max(np.abs(part).max() for part in want)
    for part, exact in zip((got.real, got.imag), want):
        assert np.abs(part - exact).max() <= roundings * np.finfo(np.float64).eps * largest


def test_a_complex_power_of_a_real_number_is_right_to_two_roundings():
    draw = np.random.default_rng(0)
    x, y = (draw.uniform(low, 9, 1000).astype(np.float32) for low in (1, -9))
    with jax.default_device(jax.devices(PLATFORM)[0]):
        got = np.asarray(jax.jit(lambda x, y: lax.complex(x, x * 0) ** lax.complex(y, y * 0))(x, y))
    want = x.astype(np.float64) ** y
    assert not got.imag.any()
    assert (np.abs(got.real - want) <= np.finfo(np.float32).eps * want).all()

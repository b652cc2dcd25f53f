"""Factorisations, solves, Fourier transforms and complex numbers, as far as the front end takes them."""

import jax
import jax._src.lax.linalg
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
def test_cholesky_of_a_matrix_near_singular_is_one(upper, dtype):
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
def test_a_solve_is_as_stable_as_substitution(options, dtype):
    """Substitution solves (a + e) x = b with |e| <= n eps |a|; in practice with a few eps."""
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


TYPES = ["float32", "float64", "complex64", "complex128"]
L = lax.linalg


def matrices(shape, dtype, seed=0):
    """Return random matrices, complex ones with imaginary parts."""
    draw = np.random.default_rng([seed, *shape])
    x = draw.standard_normal(shape)
    return (x + 1j * draw.standard_normal(shape) if dtype.startswith("c") else x).astype(dtype)


def hermitian(shape, dtype, definite=False):
    """Return Hermitian matrices with eigenvalues well apart, or positive definite ones."""
    x = matrices(shape, dtype)
    both = x @ x.conj().swapaxes(-1, -2) if definite else x + x.conj().swapaxes(-1, -2)
    return (both + np.diag(np.arange(1, shape[-1] + 1))).astype(dtype)


def on(platform, function, *arguments):
    """Return what a jitted function gives on a platform, as arrays."""
    with jax.enable_x64(True), jax.default_device(jax.devices(platform)[0]):
        return [np.asarray(v) for v in jax.tree.leaves(jax.jit(function)(*arguments))]


def agree(function, *arguments, roundings=200):
    """Compare with XLA:CPU, which calls the same LAPACK: the same to some roundings, signs of vectors included."""
    for want, got in zip(on("cpu", function, *arguments), on(PLATFORM, function, *arguments), strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        if want.dtype.kind not in "fc":
            np.testing.assert_array_equal(got, want)
            continue
        scale = np.abs(want[np.isfinite(want)]).max(initial=0)
        tolerance = roundings * np.finfo(want.dtype).eps * scale
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance, equal_nan=True)


SQUARE = {
    "cholesky": (jnp.linalg.cholesky, True),
    "cholesky, upper": (lambda x: jnp.linalg.cholesky(x, upper=True), True),
    "eigh": (jnp.linalg.eigh, False),
    "eigh of the upper triangle": (lambda x: L.eigh(x, lower=False, symmetrize_input=False), False),
    "eigvalsh": (jnp.linalg.eigvalsh, False),
    "eig": (lambda x: L.eig(x), None),
    "eigvals": (jnp.linalg.eigvals, None),
    "schur": (L.schur, None),
    "schur without vectors": (lambda x: L.schur(x, compute_schur_vectors=False), None),
    "hessenberg": (L.hessenberg, None),
    "tridiagonal": (L.tridiagonal, False),
    "tridiagonal of the upper triangle": (lambda x: L.tridiagonal(x, lower=False), False),
    "inverse": (jnp.linalg.inv, True),
    "slogdet": (jnp.linalg.slogdet, None),
    "expm": (jax.scipy.linalg.expm, None),
}


def square(shape, dtype, definite):
    return matrices(shape, dtype) if definite is None else hermitian(shape, dtype, definite)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", SQUARE)
def test_of_square_matrices(name, dtype):
    function, definite = SQUARE[name]
    for shape in ((7, 7), (2, 3, 1, 1), (3, 40, 40)):
        agree(function, square(shape, dtype, definite), roundings=1000 if name in ("expm", "inverse") else 200)


@pytest.mark.parametrize("name", [n for n in SQUARE if not n.startswith(("hessenberg", "tridiagonal"))])
@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)], ids=str)
def test_of_matrices_without_elements(name, shape):  # JAX itself has no tridiagonal matrix of them
    agree(SQUARE[name][0], np.zeros(shape, np.float32))


OBLONG = {
    "lu": L.lu,
    **{f"qr {full=} {pivoting=}": lambda x, f=full, p=pivoting: L.qr(x, full_matrices=f, pivoting=p)
       for full in (False, True) for pivoting in (False, True)},
    **{f"svd {full=} {algorithm}": lambda x, f=full, a=algorithm: L.svd(x, full_matrices=f, algorithm=a)
       for full in (False, True) for algorithm in (None, *list(L.SvdAlgorithm)[:3])},
    "singular values": lambda x: L.svd(x, compute_uv=False),
    "pinv": jnp.linalg.pinv,
    "rank": jnp.linalg.matrix_rank,
}  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", OBLONG)
def test_of_oblong_matrices(name, dtype):
    if "JACOBI" in name or "POLAR" in name:
        pytest.skip("XLA:CPU has no such algorithm")
    for shape in ((5, 5), (2, 7, 3), (2, 2, 3, 7), (1, 4), (40, 9)):
        agree(OBLONG[name], matrices(shape, dtype), roundings=1000 if name == "pinv" else 200)


@pytest.mark.parametrize(
    "name", ["lu", "qr full=False pivoting=False", "qr full=True pivoting=True", "singular values"]
)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 3), (0, 3, 2)], ids=str)
def test_of_oblong_matrices_without_elements(name, shape):
    agree(OBLONG[name], np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("count", [1, 4])
def test_triangular_solves(count, left, dtype):
    a = matrices((2, 9, 9), dtype) / 4 + 3 * np.eye(9, dtype=dtype)
    b = matrices((2, 9, count) if left else (2, count, 9), dtype, 1)

    def solves(a, b):
        flags = [(lower, t, c, unit) for lower in (0, 1) for t in (0, 1) for c in (0, 1) for unit in (0, 1)]
        return [
            L.triangular_solve(
                a,
                b,
                left_side=left,
                lower=bool(low),
                transpose_a=bool(t),
                conjugate_a=bool(c),
                unit_diagonal=bool(unit),
            )
            for low, t, c, unit in flags
        ]

    agree(solves, a, b, roundings=1000)


@pytest.mark.parametrize("dtype", TYPES)
def test_tridiagonal_solves_exchange_rows(dtype):
    """Elimination without exchanges would divide by the zeros on the diagonal."""
    lower, upper = np.array([0, 1, 1], dtype), np.array([1, 1, 0], dtype)
    middle, b = np.array([0, 1, 1], dtype), np.ones((3, 1), dtype)
    (x,) = on(PLATFORM, L.tridiagonal_solve, lower, middle, upper, b)
    np.testing.assert_array_equal(x[:, 0], [0, 1, 0])
    batch = [matrices((2, 3, 9), dtype, i) for i in range(3)]
    agree(L.tridiagonal_solve, *batch, matrices((2, 3, 9, 4), dtype), roundings=1000)


@pytest.mark.parametrize("dtype", TYPES)
def test_tridiagonal_solves_may_perturb(dtype):
    if "perturb_singular" not in L.tridiagonal_solve.__code__.co_varnames:
        pytest.skip("this JAX has no perturb_singular")
    solve = lambda *a: L.tridiagonal_solve(*a, perturb_singular=True)  # noqa: E731
    agree(solve, *[matrices((2, 9), dtype, i) for i in range(3)], matrices((2, 9, 4), dtype), roundings=1000)
    zero = np.zeros(4, dtype)
    agree(solve, zero, zero, zero, np.ones((4, 2), dtype))
    singular = [np.array(v, dtype) for v in ([0, 1, 1], [1, 2, 1], [1, 1, 0])]
    agree(solve, *singular, np.ones((3, 1), dtype), roundings=20)


@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_not_positive_definite_has_no_factor(dtype):
    """One of a batch is NaN, its neighbours are not; complex ones too, whose roots of negative numbers exist."""
    good = hermitian((4, 4), dtype, True)
    (factor,) = on(PLATFORM, jnp.linalg.cholesky, np.stack([good, -good, good]))
    lower = np.tri(4, dtype=bool)
    assert np.isnan(factor[1][lower]).all() and np.isfinite(factor[[0, 2]]).all()
    agree(jnp.linalg.cholesky, np.stack([good, -good, good]))


@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_not_finite_has_no_eigenvalues(dtype):
    agree(jnp.linalg.eigvals, np.stack([np.eye(3), np.full((3, 3), np.nan)]).astype(dtype))
    agree(lambda x: jnp.linalg.svd(x, compute_uv=False), np.stack([np.eye(3), np.full((3, 3), np.nan)]).astype(dtype))


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
def test_reflections_are_applied_without_being_multiplied_out(dtype, transpose, left):
    ormqr = getattr(jax._src.lax.linalg, "ormqr", None)
    if ormqr is None:
        pytest.skip("this JAX has no ormqr")
    packed, taus = on("cpu", jax._src.lax.linalg.geqrf, matrices((2, 6, 4), dtype))
    c = matrices((2, 6, 3) if left else (2, 3, 6), dtype, 1)
    agree(lambda *a: ormqr(*a, left=left, transpose=transpose), packed, taus, c)


TRANSFORMED = {
    "gradient of cholesky": (jax.grad(lambda x: jnp.linalg.cholesky(x).sum()), (9, 9)),
    "gradient of eigh": (jax.grad(lambda x: (jnp.linalg.eigh(x)[0] ** 2).sum()), (9, 9)),
    "gradient of singular values": (jax.grad(lambda x: jnp.linalg.svd(x, compute_uv=False).sum()), (9, 9)),
    "gradient of solve": (jax.grad(lambda x: jnp.linalg.solve(x, x[0]).sum()), (9, 9)),
    "gradient of logdet": (jax.grad(lambda x: jnp.linalg.slogdet(x)[1]), (9, 9)),
    "vmap of solve": (jax.vmap(lambda a: jnp.linalg.solve(a, a[0])), (3, 9, 9)),
    "vmap of cholesky": (jax.vmap(jax.vmap(jnp.linalg.cholesky)), (2, 3, 9, 9)),
    "scan of qr": (lambda x: lax.scan(lambda q, a: (jnp.linalg.qr(q @ a)[0], q[0]), jnp.eye(9), x), (3, 9, 9)),
    "while of cholesky": (
        lambda x: lax.while_loop(lambda c: c[0, 0] < 99, lambda c: c @ c, jnp.linalg.cholesky(x) + 1), (9, 9)
    ),
    "branches": (
        lambda x: lax.cond(x[0, 0] > 0, lambda x: jnp.linalg.inv(x), lambda x: jnp.linalg.cholesky(x), x), (9, 9)
    ),
    "update of cholesky": (lambda x: L.cholesky_update(jnp.linalg.cholesky(x).T, x[0]), (9, 9)),
    "symmetric product": (lambda x: L.symmetric_product(x[:, :4], x, alpha=2.0, beta=0.5), (9, 9)),
    "permutation": (lambda x: L.lu_pivots_to_permutation(L.lu(x[:, :4])[1], 12), (9, 9)),
    "lstsq": (lambda x: jnp.linalg.lstsq(x[:, :4], x[:, 5:])[0], (9, 9)),
    "multivariate normal": (
        lambda x: jax.random.multivariate_normal(jax.random.key(0), x[0], x, method="svd"), (9, 9)
    ),
    "matrix square root": (lambda x: jax.scipy.linalg.sqrtm(x).real, (9, 9)),
    "polynomial roots": (lambda x: jnp.sort(jnp.abs(jnp.roots(x[0], strip_zeros=False))), (9, 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transformations(name, dtype):
    function, shape = TRANSFORMED[name]
    agree(function, hermitian(shape, dtype, True), roundings=1000)


def test_a_donated_matrix_is_factored_in_its_own_storage():
    a = hermitian((64, 64), "float32", True)
    with jax.default_device(jax.devices(PLATFORM)[0]):
        given = jnp.asarray(a)
        factor = jax.jit(lambda x: L.lu(x)[0], donate_argnums=0)(given)
        assert given.is_deleted()
    (want,) = on("cpu", lambda x: L.lu(x)[0], a)
    np.testing.assert_allclose(np.asarray(factor), want, rtol=0, atol=1e-4 * np.abs(want).max())


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

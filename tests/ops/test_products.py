"""Products of bytes and of bf16, in each way this CPU has: against exact integers, and sums in f64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import PLATFORM
from jax import lax

if PLATFORM == "ascend":
    from jax_ascend import _plugin as plugin

    VARIANTS = plugin.simd_variants()
else:
    VARIANTS = ["native"]


@pytest.fixture(params=VARIANTS)
def variant(request):
    """Each SIMD variant this CPU can run."""
    if PLATFORM == "ascend":
        plugin.set_simd_variant(request.param)
    yield request.param
    if PLATFORM == "ascend":
        plugin.set_simd_variant(VARIANTS[0])


def run(function, *arrays):
    """Run a function that nothing has compiled before."""
    with jax.default_device(jax.devices(PLATFORM)[0]):
        return np.asarray(jax.jit(lambda *a: function(*a))(*arrays))


def extremes(*shape, dtype, seed=0):
    """Return integers of a type, nearly half of them its least or greatest."""
    limits, rng = np.iinfo(dtype), np.random.default_rng(seed)
    values = rng.integers(limits.min, limits.max, shape, endpoint=True)
    return np.where(rng.random(shape) < 0.4, rng.choice([limits.min, limits.max], shape), values).astype(dtype)


def exact(numbers, *operands):
    """Return an einsum of integers modulo 2^32."""
    return np.einsum(numbers, *(x.astype(np.int64) for x in operands)).astype(np.int32)


@functools.partial(jax.jit, static_argnums=0)
def product(numbers, x, y):
    return jnp.einsum(numbers, x, y, preferred_element_type=jnp.int32)


SIZES = [
    (1, 1, 1),
    (17, 3, 33),
    (3, 17, 1),
    (33, 33, 17),
    (1, 1003, 5),
    (130, 260, 300),
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("m,k,n", SIZES)
def test_integers(variant, dtype, m, k, n):
    for numbers, x, y in (("mk,kn->mn", (m, k), (k, n)), ("mk,nk->mn", (m, k), (n, k)), ("km,kn->mn", (k, m), (k, n)),
                          ("km,nk->nm", (k, m), (n, k)), ("bmk,bkn->bmn", (3, m, k), (3, k, n)),
                          ("mbk,bkn->bmn", (m, 2, k), (2, k, n))):  # fmt: skip
        x, y = extremes(*x, dtype=dtype), extremes(*y, dtype=dtype, seed=1)
        np.testing.assert_array_equal(run(functools.partial(product, numbers), x, y), exact(numbers, x, y))


@pytest.mark.parametrize("dtype,least", [(np.int8, -128), (np.uint8, 255)])
def test_sums_wrap(variant, dtype, least):
    """140,001 products of the extremes with themselves exceed 2^31."""
    x, y = np.full((3, 140_001), least, dtype), np.full((140_001, 5), least, dtype)
    want = np.full((3, 5), 140_001 * least * least).astype(np.int32)
    np.testing.assert_array_equal(run(functools.partial(product, "mk,kn->mn"), x, y), want)


@pytest.mark.parametrize("m,k,n", [(1, 1, 1_000_003), (1_000_003, 3, 1), (1, 1_000_003, 2)])
def test_long_integers(m, k, n):
    x, y = extremes(m, k, dtype=np.int8), extremes(k, n, dtype=np.int8, seed=1)
    np.testing.assert_array_equal(run(functools.partial(product, "mk,kn->mn"), x, y), exact("mk,kn->mn", x, y))


def convolution_of(x, w, strides, padding, dilation):
    """Return the convolution NHWC, HWIO -> NHWC of integers, tap by tap, modulo 2^32."""
    x = np.pad(x.astype(np.int64), ((0, 0), *padding, (0, 0)))
    h, v = ((x.shape[i + 1] - (w.shape[i] - 1) * dilation[i] - 1) // strides[i] + 1 for i in (0, 1))
    total = np.zeros((x.shape[0], h, v, w.shape[3]), np.int64)
    for i, j in np.ndindex(w.shape[:2]):
        rows, columns = i * dilation[0], j * dilation[1]
        taken = x[:, rows : rows + h * strides[0] : strides[0], columns : columns + v * strides[1] : strides[1]]
        total += taken[:, :h, :v] @ w[i, j].astype(np.int64)
    return total.astype(np.int32)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize(
    "window,strides,padding,dilation",
    [((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)), ((2, 3), (2, 1), ((0, 2), (1, 0)), (1, 2)),
     ((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)), ((5, 4), (3, 2), ((2, 2), (3, 3)), (1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("channels,features", [(1, 1), (3, 5), (17, 33), (64, 16)])
def test_convolutions_of_integers(variant, dtype, window, strides, padding, dilation, channels, features):
    x, w = extremes(2, 9, 11, channels, dtype=dtype), extremes(*window, channels, features, dtype=dtype, seed=1)
    got = run(
        lambda x, w: lax.conv_general_dilated(
            x, w, strides, padding, rhs_dilation=dilation, dimension_numbers=("NHWC", "HWIO", "NHWC"),
            preferred_element_type=jnp.int32,
        ), x, w,
    )  # fmt: skip
    np.testing.assert_array_equal(got, convolution_of(x, w, strides, padding, dilation))


def bf16(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32).astype(jnp.bfloat16)


def to_f32(numbers):
    return functools.partial(jnp.einsum, numbers, preferred_element_type=jnp.float32)


@pytest.mark.parametrize("m,k,n", [*SIZES, (5, 4099, 9), (2, 1 << 20, 3)])
def test_bf16(variant, m, k, n):
    """The error of sums in f32, of products that are exact: in units of what is added up, as K grows."""
    for numbers, x, y in (("mk,kn->mn", (m, k), (k, n)), ("mk,nk->mn", (m, k), (n, k)), ("km,kn->mn", (k, m), (k, n))):
        x, y = bf16(*x), bf16(*y, seed=1)
        x64, y64 = x.astype(np.float64), y.astype(np.float64)
        want, size = np.einsum(numbers, x64, y64), np.einsum(numbers, abs(x64), abs(y64))
        got = run(to_f32(numbers), x, y)
        assert (abs(got - want) <= 2e-6 * size).all(), (abs(got - want) / size).max()


def test_long_sums_of_one_sign(variant):
    """0.1, as bf16 has it, 2^20 times."""
    x, y = np.full((4, 1 << 20), 0.1, jnp.bfloat16), np.ones((1 << 20, 1), jnp.bfloat16)
    np.testing.assert_allclose(run(to_f32("mk,kn->mn"), x, y), (1 << 20) * float(x[0, 0]), rtol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 3, 64, 65, 701])
@pytest.mark.parametrize("values", [[np.inf, 1], [np.inf, -np.inf], [np.nan, 1], [2.0**-130, 2.0**-133], [3e38, 3e38]])
def test_special_values_of_bf16(variant, k, values):
    """Infinities, NaN, subnormal numbers, overflow, at the beginning and the end of K."""
    x, y = np.ones((3, k), jnp.bfloat16), np.full((k, 5), 2, jnp.bfloat16)
    x[0, 0], x[1, -1], y[0, 3], y[-1, 4] = values[0], values[1], values[0], values[1]
    y[:, 0] = 0
    got = run(to_f32("mk,kn->mn"), x, y)
    with np.errstate(all="ignore"):
        want = (x.astype(np.float64) @ y.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=1e-6)

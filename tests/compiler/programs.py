"""JAX programs, small, that between them use every op the frontend accepts: name -> (function, arguments)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

PROGRAMS = {}
_draw = np.random.default_rng(0)


def f32(*shape):
    return _draw.standard_normal(shape).astype(np.float32)


def ints(high, *shape):
    return _draw.integers(-high, high, shape).astype(np.int32)


def program(*args):
    """Register a function with its arguments."""

    def register(f):
        PROGRAMS[f.__name__] = (f, args)
        return f

    return register


@program(f32(4, 5), f32(4, 5))
def arithmetic(x, y):
    return x + y, x - y, x * y, x / y, x % y, jnp.abs(x) ** y, jnp.arctan2(x, y), jnp.maximum(x, y), jnp.minimum(x, y)


@program(f32(3, 7))
def transcendental(x):
    p = jnp.abs(x) + 0.1
    one = jnp.exp(x), jnp.expm1(x), jnp.log(p), jnp.log1p(p), jnp.sqrt(p), lax.rsqrt(p), jnp.cbrt(x), jnp.sin(x)
    two = jnp.cos(x), jnp.tan(x), jnp.tanh(x), jax.nn.sigmoid(x), lax.erf(x), lax.erf_inv(jnp.tanh(x)), lax.logistic(x)
    three = jnp.sinh(x), jnp.cosh(x), jnp.arcsinh(x), jnp.arccosh(p + 1), jnp.arctanh(jnp.tanh(x)), lax.lgamma(p)
    return one, two, three, jnp.arcsin(jnp.tanh(x)), jnp.arccos(jnp.tanh(x)), jnp.arctan(x), lax.digamma(p), lax.erfc(x)


@program(f32(3, 7))
def rounding(x):
    x = x * 3
    return jnp.floor(x), jnp.ceil(x), jnp.round(x), lax.round(x), jnp.sign(x), jnp.trunc(x), jnp.isfinite(x / 0)


@program(f32(6))
def special_values(x):
    v = jnp.array([jnp.nan, jnp.inf, -jnp.inf, 0.0, -0.0, 1.0])
    return jnp.maximum(x, v), jnp.clip(v, -1, 1), jnp.sort(v), jnp.argmax(v), jnp.argmin(v), v == v, jnp.max(v), v < x


@program(ints(100, 4, 5), ints(9, 4, 5))
def integers(x, y):
    shifts = x << jnp.abs(y), x >> jnp.abs(y), lax.shift_right_logical(x, jnp.abs(y))
    bits = x & y, x | y, x ^ y, ~x, lax.population_count(x), lax.clz(x)
    return shifts, bits, x // 7, x % 7, lax.div(x, y), lax.rem(x, y), x**2, jnp.abs(x), jnp.sign(x), -x, x > y


@program(f32(5) * 300, ints(300, 5))
def conversions(x, i):
    kinds = [jnp.int8, jnp.uint8, jnp.int16, jnp.uint16, jnp.uint32, jnp.bfloat16, jnp.float16, jnp.bool_]
    small = jnp.clip(x, 0, 100)
    whole = [i.astype(k) for k in kinds]
    return (
        [small.astype(k) for k in kinds],
        whole,
        lax.bitcast_convert_type(x, jnp.int32),
        lax.reduce_precision(x, 5, 4),
    )


@program(f32(4, 6).astype(jnp.bfloat16), f32(6, 3).astype(jnp.bfloat16))
def half_precision(x, w):
    y = jnp.dot(x, w, preferred_element_type=jnp.float32)
    return x * x + 1, jnp.exp(x), (x @ w), y, x.sum(0), jax.nn.softmax(x), jax.nn.gelu(x)


@program(f32(2, 3, 4))
def layout(x):
    moved = x.transpose(2, 0, 1), x.reshape(6, 4), x[::-1, :, ::2], jnp.flip(x, 2), x[:, 1:, :-1]
    padded = lax.pad(x, -1.0, ((1, 2, 0), (0, 0, 1), (-1, 2, 0))), jnp.pad(x, ((1, 1), (0, 0), (2, 0)), mode="edge")
    return moved, padded, jnp.concatenate([x, x * 2], 1), jnp.broadcast_to(x[:, None], (2, 5, 3, 4)), jnp.tile(x, 2)


@program(f32(3, 8))
def reductions(x):
    more = jnp.prod(x, 0), x.max(1, initial=0.5), jnp.any(x > 0, 0), jnp.all(x > -9), jnp.argmax(x, 1), jnp.argmin(x, 0)
    return x.sum(), x.mean(0), x.var(1), x.max((0, 1)), x.min(0), more, jax.nn.logsumexp(x, 1), jnp.linalg.norm(x)


@program(f32(5, 6), ints(9, 5, 6))
def general_reductions(x, i):
    pair = lax.reduce((x, i), (jnp.float32(0), jnp.int32(1)), lambda a, b: (a[0] + b[0], a[1] * b[1]), (1,))
    squares = lax.reduce(x, jnp.float32(1), lambda a, b: jnp.hypot(a, b), (0, 1))
    return (
        pair,
        squares,
        lax.reduce(x, jnp.float32(2), lax.add, (0,)),
        lax.reduce_and(i > 0, (0,)),
        lax.reduce_xor(i, (1,)),
    )


@program(f32(9, 5))
def cumulative(x):
    one = jnp.cumsum(x, 0), jnp.cumsum(x, 1), lax.cumsum(x, 0, reverse=True), jnp.cumprod(x, 1), lax.cummax(x, 0)
    long = jnp.tile(x, (40, 1))
    two = (
        jnp.cumsum(long, 0),
        lax.cumsum(long, 0, reverse=True),
        lax.cummax(long, 0),
        jnp.cumsum(x.astype(jnp.bfloat16), 0),
    )
    return one, two, lax.cummin(x, 1), lax.cumlogsumexp(x, 0), lax.associative_scan(jnp.add, x)


@program(f32(2, 8, 8, 3))
def pooling(x):
    def most(x, window, stride, padding):
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, *window, 1), (1, *stride, 1), padding)

    def total(x, window, stride, padding):
        return lax.reduce_window(x, 0.0, lax.add, (1, *window, 1), (1, *stride, 1), padding)

    def loss(x):
        return (most(x, (2, 2), (2, 2), "VALID") ** 2).sum() + (most(x, (3, 3), (2, 2), "SAME") ** 3).sum()

    dilated = lax.reduce_window(x, 0.0, lax.add, (1, 3, 2, 1), (1, 1, 2, 1), "VALID", window_dilation=(1, 2, 1, 1))
    sparse = lax.reduce_window(x, 0.0, lax.add, (1, 3, 2, 1), (1, 1, 2, 1), "VALID", base_dilation=(1, 2, 2, 1))
    mean = total(x, (3, 3), (1, 1), "SAME") / 9
    return most(x, (2, 2), (2, 2), "VALID"), mean, dilated, sparse, jax.grad(loss)(x)


@program(f32(2, 8, 8, 3), f32(3, 3, 3, 4))
def convolutions(x, k):
    def conv(x, k, **kw):
        return lax.conv_general_dilated(x, k, dimension_numbers=("NHWC", "HWIO", "NHWC"), **kw)

    same = functools.partial(conv, window_strides=(1, 1), padding="SAME")
    strided = functools.partial(conv, window_strides=(2, 2), padding="SAME")
    dilated = functools.partial(conv, window_strides=(1, 1), padding=((2, 2), (1, 1)), rhs_dilation=(2, 1))
    transposed = functools.partial(conv, window_strides=(1, 1), padding=((1, 2), (1, 2)), lhs_dilation=(2, 2))
    depthwise = functools.partial(conv, window_strides=(1, 1), padding="VALID", feature_group_count=3)

    def grads(f, k=k):
        return jax.grad(lambda x, k: (f(x, k) ** 2).sum(), (0, 1))(x, k)

    wide = jnp.concatenate([k[:, :, :1]] * 3, 3)
    return (
        same(x, k),
        [grads(f) for f in (same, strided, dilated, transposed)],
        depthwise(x, wide),
        grads(depthwise, wide),
    )


@program(f32(2, 3, 4), f32(2, 4, 5), f32(4))
def contractions(a, b, v):
    one = (
        jnp.einsum("bij,bjk->bik", a, b),
        jnp.einsum("bij,bjk->kbi", a, b),
        a @ v,
        jnp.tensordot(a, b, ((0, 2), (0, 1))),
    )
    return one, jnp.outer(v, v), jnp.vdot(v, v), jax.grad(lambda a: (a @ b).sum())(a), a[0].T @ a[1]


@program(f32(6, 5), ints(6, 4), ints(5, 4))
def gathers(x, i, j):
    return (
        x[i],
        x[i, j],
        x[:, j],
        x[2],
        x[i[0]],
        jnp.take(x, i, 0, mode="clip"),
        jnp.take_along_axis(x, x.argsort(1), 1),
    )


@program(f32(6, 5), ints(6, 4), ints(5, 4), f32(4, 5))
def scatters(x, i, j, u):
    ones = (
        x.at[i].add(u),
        x.at[i, j].set(u[:, 0]),
        x.at[:, j].multiply(2.0),
        x.at[i].max(u),
        x.at[i].min(u),
        x.at[2].set(1),
    )
    outside = x.at[i + 4].set(u, mode="drop"), x.at[i + 4].add(u, mode="clip"), x.at[i].get(mode="fill", fill_value=7)
    return (
        ones,
        outside,
        jax.grad(lambda x: (x[i] * u).sum())(x),
        jnp.zeros(9).at[i].add(1.0),
        jnp.bincount(j + 5, length=10),
    )


@program(f32(), f32(3, 2))
def scalars_and_wholes(s, x):
    return s.at[()].add(1.0), s.at[()].set(x[0, 0]), x.at[:].set(2.0), x.at[...].multiply(s), s[None][jnp.array([0, 0])]


@program(f32(3, 4, 5), ints(4, 3, 2))
def batched_indexing(x, i):
    gathered = jax.vmap(lambda x, i: x[i])(x, i)
    scattered = jax.vmap(lambda x, i, u: x.at[i].add(u))(x, i, gathered)
    sliced = jax.vmap(lambda x, s: lax.dynamic_slice(x, (s, 0), (2, 3)))(x, i[:, 0])
    updated = jax.vmap(lambda x, s: lax.dynamic_update_slice(x, jnp.ones((2, 2)), (s, s)))(x, i[:, 1])
    return gathered, scattered, sliced, updated


@program(f32(6, 5), np.int32(3), f32(2, 2))
def dynamic_slices(x, i, u):
    return lax.dynamic_slice(x, (i, 2), (2, 4)), lax.dynamic_update_slice(x, u, (i, i)), lax.dynamic_index_in_dim(x, i)


@program(f32(7, 4), ints(3, 7, 4))
def sorts(x, i):
    pairs = lax.sort((i, x), dimension=0, num_keys=1), lax.sort((i, x), dimension=1, num_keys=2)
    return jnp.sort(x), jnp.sort(x, 0, descending=True), jnp.argsort(i, 0), pairs, lax.top_k(x, 2), jnp.median(x, 0)


@program(np.uint32([1, 2]))
def random(raw):
    key = jax.random.wrap_key_data(raw)
    a, b, c, d = jax.random.split(key, 4)
    one = jax.random.uniform(a, (3, 4)), jax.random.normal(b, (5,)), jax.random.bernoulli(c, 0.3, (7,))
    return (
        one,
        jax.random.randint(d, (4,), 0, 10),
        jax.random.categorical(a, jnp.ones((2, 3))),
        jax.random.permutation(b, 9),
    )


@program(np.uint32([1, 2, 3, 4]))
def random_bit_generator(state):
    keys = jax.random.wrap_key_data(state, impl="rbg")
    small = [jax.random.bits(keys, (5,), d) for d in (jnp.uint8, jnp.uint16)]
    threefry = [
        lax.rng_bit_generator(state, s, algorithm=lax.RandomAlgorithm.RNG_THREE_FRY) for s in ((4, 3), (3, 6), (5,))
    ]
    return (
        jax.random.uniform(keys, (5,)),
        jax.random.bits(keys, (3,)),
        lax.rng_bit_generator(state, (4, 3)),
        small,
        threefry,
    )


@program(f32(4), np.int32(2))
def control(x, n):
    looped = lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * 1.5 + x), (n, x))
    folded = lax.fori_loop(0, n, lambda i, c: c + i, x)
    carried, stacked = lax.scan(lambda c, v: (c + v, c * v), jnp.float32(0), x)
    chosen = lax.cond(n > 1, lambda: x * 2, lambda: x - 1), lax.switch(n, [lambda: x, lambda: -x, lambda: x * x])
    return looped, folded, carried, stacked, chosen, jax.grad(lambda x: lax.scan(lambda c, v: (c * v, v), 1.0, x)[0])(x)


@program(f32(4), f32(4))
def complex_numbers(x, y):
    z = lax.complex(x, y)
    return (
        z * z + jnp.array([1 + 2j, 0, 3, 4j], jnp.complex64),
        jnp.abs(z),
        jnp.real(z),
        jnp.imag(z),
        jnp.conj(z),
        jnp.exp(z),
    )


@program(f32(4), f32(4))
def complex_functions(x, y):
    z = lax.complex(x, y)
    one = jnp.sin(z), jnp.cos(z), jnp.tan(z), jnp.tanh(z), jnp.sqrt(z), jnp.log(z), jnp.log1p(z), jnp.expm1(z)
    two = (
        z / (z + 1),
        z ** (2 * z),
        z.sum(),
        z.prod(),
        jnp.sort(z),
        jnp.sign(z),
        lax.rsqrt(z),
        z == z.conj(),
        jnp.sinh(z),
    )
    looped = lax.fori_loop(0, 3, lambda i, c: c * z + i, z)
    return (
        one,
        two,
        looped,
        jnp.outer(z, z) @ z,
        z[jnp.array([2, 0])],
        z.at[1].add(1j),
        lax.cond(x[0] > 0, lambda: z, lambda: -z),
    )


@program(f32(6, 97), f32(2, 360))
def fourier_transforms(x, y):
    z = lax.complex(x, x * 2)
    one = jnp.fft.fft(z), jnp.fft.ifft(z), jnp.fft.rfft(y), jnp.fft.irfft(z), jnp.fft.irfft(z, 181), jnp.fft.fft2(z)
    return (
        one,
        jnp.fft.fftn(y.reshape(6, 12, 10)),
        jnp.fft.rfft2(y),
        jax.grad(lambda y: jnp.abs(jnp.fft.rfft(y)).sum())(y),
    )


@program(f32(2, 4, 4), f32(2, 4, 3))
def factorizations(a, b):
    spd = a @ a.transpose(0, 2, 1) + 4 * jnp.eye(4)
    solve = functools.partial(lax.linalg.triangular_solve, spd)
    solved = [
        solve(b, left_side=True, lower=l, transpose_a=t, unit_diagonal=l) for l in (False, True) for t in (False, True)
    ]
    right = [solve(b.transpose(0, 2, 1), lower=l, transpose_a=t) for l in (False, True) for t in (False, True)]
    z = lax.complex(spd, jnp.zeros_like(a)) + 1j * (a - a.transpose(0, 2, 1))
    return jnp.linalg.cholesky(spd), jnp.linalg.cholesky(z), solved, right, jax.scipy.linalg.solve(spd[0], b[0])


@program(f32(2, 5, 3), f32(3, 4))
def orthogonal_factors(a, b):
    z = lax.complex(a, a[:, ::-1])
    return jnp.linalg.qr(a), jnp.linalg.qr(z, mode="complete"), jnp.linalg.qr(b)


@program(f32(2, 6))
def rematerialisation(x):
    return jax.grad(lambda x: jax.checkpoint(lambda v: jnp.sin(jnp.sin(v)))(x).sum())(x), lax.optimization_barrier(
        x
    ) * 2


@program(f32(3, 0), f32(2))
def empty(x, y):
    return x.sum(1), x * 2, jnp.concatenate([x, jnp.ones((3, 2))], 1), x.max(1, initial=1.0), y[:0]


@program()
def constants():
    small = [
        jnp.array([1, 2, 3], d) for d in (jnp.int8, jnp.uint16, jnp.float16, jnp.bfloat16, jnp.complex64, jnp.bool_)
    ]
    return (
        small,
        jnp.full((2, 3), 7, jnp.bfloat16),
        jnp.arange(300),
        np.linspace(0, 1, 500, dtype=np.float32),
        jnp.eye(3),
    )


@program(f32(3, 4))
def named_constants(x):
    return (
        x + np.array([1.5, np.nan, np.inf, -np.inf], np.float32),
        jnp.where(x > 0, -0.0, x),
        x + jnp.finfo(x.dtype).tiny,
    )

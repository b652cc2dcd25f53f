"""The table of workloads: each is a small function that returns a function and its arguments.

Arguments are made once, on the host, and put on either device. A workload that ends in "step" is a
whole training step: loss, gradient and update.
"""

import functools
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import train_digits_cnn
import train_digits_mlp
import train_gpt

WORKLOADS = {}
TYPES = {"f32": jnp.float32, "bf16": jnp.bfloat16}


def workload(name, *variants):
    """Register a workload under `name`, or under `name variant` with each variant as its argument."""

    def register(make):
        for variant in variants or (None,):
            said = " x ".join(map(str, variant)) if isinstance(variant, tuple) else variant
            key = name if variant is None else f"{name} {said}"
            WORKLOADS[key] = make if variant is None else functools.partial(make, variant)
        return make

    return register


def normal(*shape, dtype="f32"):
    """Return a NumPy array of standard normal numbers."""
    return np.random.default_rng(0).standard_normal(shape, np.float32).astype(TYPES[dtype])


@workload("x + 1")
def increment():
    return lambda x: x + 1, normal(8)


@workload("add 4M")
def add():
    return jnp.add, normal(2048, 2048), normal(2048, 2048)


@workload("gelu 4M", "f32", "bf16")
def gelu(dtype):
    return jax.nn.gelu, normal(2048, 2048, dtype=dtype)


@workload("softmax 4M", "f32", "bf16")
def softmax(dtype):
    return jax.nn.softmax, normal(4096, 1024, dtype=dtype)


@workload("layer norm 4M", "f32", "bf16")
def layer_norm(dtype):
    p = {"scale": normal(1024), "bias": normal(1024)}
    return train_gpt.layer_norm, normal(4096, 1024, dtype=dtype), p


@workload("sum of rows 4M")
def sum_rows():
    return lambda x: x.sum(1), normal(2048, 2048)


@workload("sum of columns 4M")
def sum_columns():
    return lambda x: x.sum(0), normal(2048, 2048)


@workload("transpose 4M")
def transpose():
    return jnp.transpose, normal(2048, 2048)


@workload("matmul f32", 1024, 2048)
def matmul_f32(n):
    return jnp.matmul, normal(n, n), normal(n, n)


@workload("matmul bf16", 1024, 2048, 4096)
def matmul_bf16(n):
    return jnp.matmul, normal(n, n, dtype="bf16"), normal(n, n, dtype="bf16")


@workload("matmul int8", 1024, 2048)
def matmul_int8(n):
    x = np.random.default_rng(0).integers(-128, 128, (n, n), np.int8)
    return functools.partial(jnp.matmul, preferred_element_type=jnp.int32), x, x


@workload("attention 8 heads of 512 x 64", "f32", "bf16")
def attention(dtype):
    q = normal(4, 512, 8, 64, dtype=dtype)
    return functools.partial(jax.nn.dot_product_attention, is_causal=True), q, q, q


@workload("mlp step", "f32", "bf16")
def mlp_step(dtype):
    params = train_digits_mlp.init(jax.random.key(0), (784, 1024, 1024, 10))
    x, y = normal(256, 784), np.arange(256) % 10

    def step(params, x, y):
        def loss(params):
            cast = jax.tree.map(lambda p: p.astype(TYPES[dtype]), params)
            return train_digits_mlp.loss_of(cast, x.astype(TYPES[dtype]), y).astype(jnp.float32)

        value, gradient = jax.value_and_grad(loss)(params)
        return value, jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)

    return step, params, x, y


@workload("cnn step")
def cnn_step():
    params, running = train_digits_cnn.init(jax.random.key(0), (32, 64))
    optimizer = optax.adam(1e-3)
    images, labels = normal(128, 8, 8, 1), np.arange(128) % 10
    return train_digits_cnn.make_step(optimizer).__wrapped__, params, running, optimizer.init(params), images, labels


@workload("lstm step")
def lstm_step():
    w, x = normal(256, 512) * 0.05, normal(50, 32, 128)

    def cell(w, carry, row):
        h, c = carry
        i, f, g, o = jnp.split(jnp.concatenate([row, h], 1) @ w, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def step(w, x):
        def loss(w):
            zero = jnp.zeros((32, 128))
            return (lax.scan(functools.partial(cell, w), (zero, zero), x)[1] ** 2).mean()

        value, gradient = jax.value_and_grad(loss)(w)
        return value, w - 0.1 * gradient

    return step, w, x


@workload("gpt step", "f32", "bf16")
def gpt_step(dtype):
    config = train_gpt.Config(layers=4, width=256, heads=4, context=128, dtype=dtype)
    params, optimizer = train_gpt.init(jax.random.key(0), config), train_gpt.make_optimizer(100)
    tokens = np.random.default_rng(0).integers(0, 128, (8, 129)).astype(np.int32)
    state, key = optimizer.init(params), jax.random.key_data(jax.random.key(1))
    step = train_gpt.make_step(config, optimizer).__wrapped__
    return lambda p, s, t, k: step(p, s, t, jax.random.wrap_key_data(k)), params, state, tokens, key


@workload("adam update 4M")
def adam():
    optimizer = optax.adam(1e-3)
    params = normal(2048, 2048)

    def update(params, state, gradient):
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state

    return update, params, optimizer.init(params), params


@workload("embedding and its gradient")
def embedding():
    table, rows = normal(8192, 256), np.random.default_rng(0).integers(0, 8192, 4096).astype(np.int32)
    return jax.value_and_grad(lambda table, rows: (table[rows] ** 2).sum()), table, rows


@workload("while of 10,000 iterations")
def loop():
    return lambda x: lax.while_loop(lambda c: c[0] < 10_000, lambda c: (c[0] + 1, c[1] * 0.999 + 1), (0, x)), normal(8)


@workload("cumsum 1M")
def cumsum():
    return functools.partial(jnp.cumsum, axis=1), normal(1024, 1024)


@workload("sort 256k")
def sort():
    return jnp.sort, normal(256, 1024)


@workload("top 8 of 1024")
def top_k():
    return lambda x: lax.top_k(x, 8), normal(512, 1024)


@workload("normal 1M")
def random():
    return lambda key: jax.random.normal(jax.random.wrap_key_data(key), (1024, 1024)), np.array([0, 1], np.uint32)


def positive_definite(*shape):
    """Return matrices [..., n, n] that are symmetric and far from singular."""
    a = normal(*shape)
    return a @ a.swapaxes(-1, -2) / shape[-1] + np.eye(shape[-1], dtype=np.float32)


@workload("qr 128 x 64")
def qr():
    return jnp.linalg.qr, normal(128, 64)


@workload("solve 256")
def solve():
    return jnp.linalg.solve, positive_definite(256, 256), normal(256)


@workload("64 inverses of 32 x 32")
def inverses():
    return jnp.linalg.inv, positive_definite(64, 32, 32)


@workload("cholesky 256")
def cholesky():
    return jnp.linalg.cholesky, positive_definite(256, 256)


@workload("eigh 128")
def eigh():
    return jnp.linalg.eigh, positive_definite(128, 128)


@workload("svd 128 x 64")
def svd():
    return functools.partial(jnp.linalg.svd, full_matrices=False), normal(128, 64)


@workload("triangular solve 1024")
def triangular_solve():
    return (
        functools.partial(jax.scipy.linalg.solve_triangular, lower=True),
        positive_definite(1024, 1024),
        normal(1024, 256),
    )


@workload("fft", (2**20,), (64, 1000), (64, 1021))
def fft(shape):
    return jnp.fft.fft, normal(*shape) + 1j * normal(*shape)


@workload("rfft2 1024 x 1024")
def rfft2():
    return jnp.fft.rfft2, normal(1024, 1024)


@workload("loop that updates by index")
def indexed_loop():
    return lambda x: lax.fori_loop(0, 5000, lambda i, c: c.at[i % 100].set(c[i * 7 % 100] + 1), x), normal(100)


@workload("scan with a table")
def table_scan():
    table, rows = normal(64), np.random.default_rng(0).integers(0, 64, 1000).astype(np.int32)
    return lambda table, rows: lax.scan(lambda c, i: (c * 0.5 + table[i], c), 0.0, rows), table, rows


@workload("Runge-Kutta of 2-vectors")
def runge_kutta():
    def velocity(x):
        return jnp.array([x[1], -jnp.sin(x[0]) - 0.1 * x[1]])

    def step(x, _):
        h = 0.01
        a = velocity(x)
        b = velocity(x + h / 2 * a)
        c = velocity(x + h / 2 * b)
        return x + h / 6 * (a + 2 * b + 2 * c + velocity(x + h * c)), x

    return lambda x: lax.scan(step, x, None, length=1000), np.array([1, 0], np.float32)


@workload("gradient of a scan of scalars")
def scalar_scan():
    def total(s):
        def body(carry, y):
            a, s = carry
            b = y / s[0] + 0.5 * a
            return (b, y / b + 0.5 * s), (a + 2 * a**0.5) * s[0]

        return lax.scan(body, (1.0, s), jnp.ones(400))[1].sum()

    return jax.grad(total), np.ones(2, np.float32)


@workload("longest common subsequence of 40")
def common_subsequence():
    def length(a, b):
        def cell(i, j, t):
            longest = lax.cond(a[i] == b[j], lambda: t[i, j] + 1, lambda: jnp.maximum(t[i, j + 1], t[i + 1, j]))
            return t.at[i + 1, j + 1].set(longest)

        table = jnp.zeros((41, 41), jnp.int32)
        return lax.fori_loop(0, 40, lambda i, t: lax.fori_loop(0, 40, lambda j, t: cell(i, j, t), t), table)[40, 40]

    a, b = np.random.default_rng(0).integers(0, 4, (2, 40)).astype(np.int32)
    return length, a, b


@workload("scatter 1M", "add", "max", "mul")
def scatter(kind):
    rows = np.random.default_rng(0).integers(0, 10_000, 1_000_000).astype(np.int32)
    return lambda x, rows: getattr(jnp.ones(10_000).at[rows], kind)(x), normal(1_000_000), rows


@workload("gather 1M elements")
def gather():
    rows = np.random.default_rng(0).integers(0, 1_000_000, 1_000_000).astype(np.int32)
    return lambda x, rows: x[rows], normal(1_000_000), rows


@workload("segment sum 1M")
def segment_sum():
    rows = np.sort(np.random.default_rng(0).integers(0, 10_000, 1_000_000)).astype(np.int32)
    return lambda x, rows: jax.ops.segment_sum(x, rows, 10_000), normal(1_000_000), rows


@workload("histogram 1M")
def histogram():
    return lambda x: jnp.histogram(x, bins=100)[0], normal(1_000_000)


@workload("top 50 of 8x32000")
def top_of_rows():
    return lambda x: lax.top_k(x, 50), normal(8, 32000)


@workload("cumsum 1024x1024 rows")
def cumulative_rows():
    return lambda x: jnp.cumsum(x, 0), normal(1024, 1024)


@workload("take along 1024x256")
def take_along():
    index = np.random.default_rng(0).integers(0, 256, (1024, 256)).astype(np.int32)
    return lambda x, i: jnp.take_along_axis(x, i, 1), normal(1024, 256), index


@workload("depthwise 3x3 56x56x96")
def depthwise():
    def run(x, k):
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=96)

    return run, normal(4, 56, 56, 96), normal(3, 3, 1, 96)


@workload("gelu by erf 4M")
def gelu_erf():
    return functools.partial(jax.nn.gelu, approximate=False), normal(2048, 2048)

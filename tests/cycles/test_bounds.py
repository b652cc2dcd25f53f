"""No program is faster than what it computes and moves allows, whatever the compiler and the model make of it."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jax_ascend import estimate
from jax_ascend.compiler.targets import TARGETS


def shape(*dims, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(dims, dtype)


F16, I8, I32 = jnp.float16, jnp.int8, jnp.int32


def adam(p, m, v, g):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), m, v


def convolution(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def step(w, x, y):
    return w - 0.1 * jax.grad(lambda w: ((jnp.tanh(x @ w) - y) ** 2).mean())(w)


def scan(x, w):
    return lax.scan(lambda c, w: (jnp.tanh(c @ w), c.sum()), x, w)


# name: function, arguments, operations of the cube unit
PROGRAMS = {
    "sigmoid": (jax.nn.sigmoid, [shape(4096, 1024)], 0),
    "sigmoid beyond the L2": (jax.nn.sigmoid, [shape(8192, 8192)], 0),
    "odd": (jnp.maximum, [shape(1009, 1021, dtype=F16), shape(1021, dtype=F16)], 0),
    "bytes": (lambda x: x + x, [shape(1025, 511, dtype=I8)], 0),
    "softmax": (jax.nn.softmax, [shape(1023, 2047)], 0),
    "adam": (adam, [shape(1000, 3000)] * 4, 0),
    "transpose": (jnp.transpose, [shape(513, 1025)], 0),
    "concatenate": (lambda x, y: jnp.concatenate([x, y]), [shape(300, 1000), shape(500, 1000)], 0),
    "sum of columns": (lambda x: x.sum(0), [shape(2048, 513)], 0),
    "cumsum": (lambda x: jnp.cumsum(x, 1), [shape(512, 1000)], 0),
    "gather of all rows": (lambda x, i: x[i], [shape(4096, 64), shape(4096, dtype=I32)], 0),
    "gather of all elements": (lambda x, i: x[i], [shape(1 << 16), shape(1 << 16, dtype=I32)], 0),
    "scatter": (lambda x, i, u: x.at[i].add(u), [shape(4096, 64), shape(4096, dtype=I32), shape(4096, 64)], 0),
    "sort": (jnp.sort, [shape(64, 4096)], 0),
    "top k": (lambda x: lax.top_k(x, 8), [shape(64, 4096)], 0),
    "copies": (lambda x, y: (y, x, x + y), [shape(1024, 1024)] * 2, 0),
    "product": (jnp.dot, [shape(1024, 1024, dtype=F16)] * 2, 2 * 1024**3),
    "odd product": (jnp.dot, [shape(1000, 777), shape(777, 513)], 2 * 1000 * 777 * 513),
    "vector times matrix": (jnp.dot, [shape(1, 4096, dtype=F16), shape(4096, 4096, dtype=F16)], 0),
    "bytes product": (lambda x, y: jnp.matmul(x, y, preferred_element_type=I32), [shape(512, 512, dtype=I8)] * 2, 2 * 512**3),
    "convolution": (convolution, [shape(4, 16, 16, 64), shape(3, 3, 64, 64)], 2 * 4 * 14 * 14 * 9 * 64 * 64),
    "attention": (lambda q, k, v: jax.nn.dot_product_attention(q, k, v), [shape(2, 256, 4, 64, dtype=F16)] * 3, 4 * 2 * 4 * 256 * 256 * 64),
    "step": (step, [shape(512, 512), shape(256, 512), shape(256, 512)], 4 * 256 * 512 * 512),
    "scan": (scan, [shape(64, 256), shape(20, 256, 256)], 20 * 2 * 64 * 256 * 256),
}  # fmt: skip
PEAK = {2: 4096, 1: 8192}  # multiply-accumulates a cycle and core by bytes of an element; f32 as the target says


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_is_faster_than_its_bytes_and_operations(name, target):
    function, arguments, operations = PROGRAMS[name]
    found = estimate(function, *arguments, target=target)
    device = found.target
    given = sum(a.size * a.dtype.itemsize for a in arguments)
    moved = sum(row.launches * row.hbm_bytes for row in found.kernels)
    assert moved >= given, "every byte of an input is read once at least"
    assert found.seconds >= moved / device.hbm_bandwidth
    macs = PEAK.get(arguments[0].dtype.itemsize, 2048 / device.mad_f32_factor)
    assert found.seconds >= operations / 2 / (macs * device.cube_cores * device.clock)
    assert found.seconds >= sum(row.launches for row in found.kernels) * device.launch_dispatch
    for row in found.kernels:
        assert row.launches > 0 and all(0 <= share <= 1 for share in row.busy.values()), row


@pytest.mark.parametrize("name", ["sigmoid", "product", "adam"])
def test_twice_the_bytes_are_no_faster(name):
    function, arguments, _ = PROGRAMS[name]
    twice = [shape(2 * a.shape[0], *a.shape[1:], dtype=a.dtype) for a in arguments[:1]] + arguments[1:]
    if name == "adam":
        twice = twice[:1] * 4
    assert estimate(function, *twice).seconds > 1.5 * estimate(function, *arguments).seconds

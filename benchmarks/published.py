"""The clock against published silicon: prints simulated and published times of the calibration set side by side.

    python benchmarks/published.py

Published figures: measurements on Ascend 910B and 910C dies that the open tile libraries and papers named in
docs/device.md report.
"""

from statistics import median

import jax
import jax.numpy as jnp

from jax_ascend import estimate


def shape(*dims, dtype=jnp.float16):
    return jax.ShapeDtypeStruct(dims, dtype)


def square(n, dtype=jnp.float16):
    return shape(n, n, dtype=dtype), shape(n, n, dtype=dtype)


def gemm_nk(a, b):
    return jax.lax.dot_general(a, b, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)


def swiglu(x):
    gate, up = jnp.split(x, 2, axis=-1)
    return jax.nn.silu(gate) * up


def convolution(x, w):
    return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def attention(q, k, v):
    scores = (q @ k.T).astype(jnp.float32) * q.shape[-1] ** -0.5
    return jax.nn.softmax(scores, -1).astype(q.dtype) @ v


def largest(x):
    return jax.lax.top_k(x, 1000)


BF16 = jnp.bfloat16

# name: function, arguments, target, state of the L2, published microseconds
PUBLISHED = {
    "GEMM f16 -> f32, B as [n,k], 1536": (gemm_nk, square(1536), "ascend910c", "cold", 38.8),
    "GEMM f16 -> f32, B as [n,k], 6144": (gemm_nk, square(6144), "ascend910c", "cold", 1506),
    "matmul f16, 2048": (jnp.dot, square(2048), "ascend910b", "warm", 2 * 2048**3 / 251.0e6),
    "matmul f16, 8192": (jnp.dot, square(8192), "ascend910b", "warm", 2 * 8192**3 / 305.5e6),
    "matmul f32, 4096": (jnp.dot, square(4096, jnp.float32), "ascend910b", "warm", 2 * 4096**3 / 84.5e6),
    "matmul f16, 1024": (jnp.dot, square(1024), "ascend910b", "cold", 15.65),
    "projection bf16, 16 x 5120 -> 17408": (
        jnp.dot, (shape(16, 5120, dtype=BF16), shape(5120, 17408, dtype=BF16)), "ascend910c", "cold", 136.0
    ),
    "convolution f16 3x3, [4,8,48,128] -> 1536": (
        convolution, (shape(4, 8, 48, 128), shape(3, 3, 128, 1536)), "ascend910c", "cold", 32.2
    ),
    "convolution f16 3x3, [4,16,96,512] -> 6144": (
        convolution, (shape(4, 16, 96, 512), shape(3, 3, 512, 6144)), "ascend910c", "cold", 1097.9
    ),
    "attention f16, a head of 2048 x 128": (attention, (shape(2048, 128),) * 3, "ascend910b", "cold", 32.5),
    "attention f16, a head of 16384 x 128": (attention, (shape(16384, 128),) * 3, "ascend910b", "cold", 909.1),
    "1000 largest of 1024, 4800 rows f32": (largest, (shape(4800, 1024, dtype=jnp.float32),), "ascend910c", "cold", 324.1),
    "swiglu f16, 268435456 elements": (swiglu, (shape(16384, 16384),), "ascend910b", "cold", 667.2),
}  # fmt: skip


def simulate(name):
    """Return (estimate, simulated us, published us) of a row of PUBLISHED."""
    fn, arguments, target, l2, published = PUBLISHED[name]
    found = estimate(fn, *arguments, target=target, l2=l2)
    return found, found.seconds * 1e6, published


def table():
    """Return the table of docs/clock.md, with the median error below it."""
    lines = ["| workload | target | L2 | published us | simulated us | error |", "|---|---|---|---|---|---|"]
    errors = []
    for name, (_, _, target, l2, _) in PUBLISHED.items():
        _, simulated, published = simulate(name)
        errors.append(simulated / published - 1)
        lines.append(f"| {name} | {target} | {l2} | {published:.1f} | {simulated:.1f} | {errors[-1]:+.1%} |")
    lines += ["", f"Median absolute error {median(map(abs, errors)):.1%}, worst {max(errors, key=abs):+.1%}."]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())

"""The clock against published silicon: prints simulated and published times of the calibration set side by side.

    python benchmarks/published.py

Published figures: measurements of GEMM, matmul and swiglu on Ascend 910B and 910C dies that the open tile libraries and
papers named in docs/device.md report.
"""

from statistics import mean

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


# name: function, arguments, target, state of the L2, published microseconds
PUBLISHED = {
    "GEMM f16 -> f32, B as [n,k], 1536": (gemm_nk, square(1536), "ascend910c", "cold", 38.8),
    "GEMM f16 -> f32, B as [n,k], 6144": (gemm_nk, square(6144), "ascend910c", "cold", 1506),
    "matmul f16, 2048": (jnp.dot, square(2048), "ascend910b", "warm", 2 * 2048**3 / 251.0e6),
    "matmul f16, 8192": (jnp.dot, square(8192), "ascend910b", "warm", 2 * 8192**3 / 305.5e6),
    "matmul f32, 4096": (jnp.dot, square(4096, jnp.float32), "ascend910b", "warm", 2 * 4096**3 / 84.5e6),
    "swiglu f16, 268435456 elements": (swiglu, (shape(16384, 16384),), "ascend910b", "cold", 667.2),
}


def simulate(name):
    """Return (estimate, simulated us, published us) of a row of PUBLISHED."""
    fn, arguments, target, l2, published = PUBLISHED[name]
    found = estimate(fn, *arguments, target=target, l2=l2)
    return found, found.seconds * 1e6, published


def table():
    """Return the table of docs/clock.md, with the mean error below it."""
    lines = ["| workload | target | L2 | published us | simulated us | error |", "|---|---|---|---|---|---|"]
    errors = []
    for name, (_, _, target, l2, _) in PUBLISHED.items():
        _, simulated, published = simulate(name)
        errors.append(simulated / published - 1)
        lines.append(f"| {name} | {target} | {l2} | {published:.1f} | {simulated:.1f} | {errors[-1]:+.1%} |")
    lines += ["", f"Mean absolute error {mean(map(abs, errors)):.1%}, worst {max(errors, key=abs):+.1%}."]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())

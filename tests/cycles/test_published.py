"""The clock against published silicon (docs/clock.md has sources): code of our own compiler, within 25 per cent."""

import json

import jax
import jax.numpy as jnp
import pytest

from jax_ascend import estimate


def shape(*dims, dtype=jnp.float16):
    return jax.ShapeDtypeStruct(dims, dtype)


def gemm_nk(a, b):
    """B given as [n, k], f32 out."""
    return jax.lax.dot_general(a, b, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)


def swiglu(x):
    gate, up = jnp.split(x, 2, axis=-1)
    return jax.nn.silu(gate) * up


def square(n, dtype=jnp.float16):
    return shape(n, n, dtype=dtype), shape(n, n, dtype=dtype)


# name: function, arguments, target, l2, published microseconds
PUBLISHED = {
    "GEMM f16 1536, B [n,k], cold": (gemm_nk, square(1536), "ascend910c", "cold", 38.8),
    "GEMM f16 6144, B [n,k], cold": (gemm_nk, square(6144), "ascend910c", "cold", 1506),
    "matmul f16 2048, warm": (jnp.dot, square(2048), "ascend910b", "warm", 2 * 2048**3 / 251.0e6),
    "matmul f16 8192, warm": (jnp.dot, square(8192), "ascend910b", "warm", 2 * 8192**3 / 305.5e6),
    "matmul f32 4096, warm": (jnp.dot, square(4096, jnp.float32), "ascend910b", "warm", 2 * 4096**3 / 84.5e6),
    "swiglu f16 268435456": (swiglu, (shape(16384, 16384),), "ascend910b", "cold", 667.2),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_within_a_quarter_of_published(name):
    fn, arguments, target, l2, published = PUBLISHED[name]
    found = estimate(fn, *arguments, target=target, l2=l2)
    assert found.seconds * 1e6 == pytest.approx(published, rel=0.25), str(found)


def test_rows_add_up_and_ratios_are_shares():
    found = estimate(lambda a, b: jnp.tanh(a @ b), *square(1024))
    assert found.seconds == pytest.approx(sum(row.seconds for row in found.kernels))
    assert found.cycles == pytest.approx(found.seconds * found.target.clock)
    for row in found.kernels:
        assert row.launches >= 1
        assert all(0 <= share <= 1 for share in row.busy.values())
    assert any(row.busy.get("aic_mac_ratio", 0) > 0 for row in found.kernels)


def test_a_scan_counts_its_trips():
    def step(n):
        return estimate(lambda x: jax.lax.fori_loop(0, n, lambda i, c: jnp.sin(c) * 1.01, x), shape(64, 64))

    one, ten = (sum(r.launches for r in step(n).kernels) for n in (100, 1000))
    assert ten > 9 * one


def test_trace_has_a_lane_per_pipe(tmp_path):
    found = estimate(jnp.dot, *square(512))
    found.trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"CUBE", "MTE1", "MTE2", "FIXP"} <= {e["tid"] for e in events}
    assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in events)

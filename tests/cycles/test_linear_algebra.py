"""Linear algebra in the clock: operations of each kernel, and what they cost."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

import jax_ascend
from jax_ascend.compiler.isa.dtypes import DType
from jax_ascend.compiler.isa.lapack import LAPACK
from jax_ascend.compiler.targets import Target

KERNELS = {spec.name: spec for spec in LAPACK}


def operations(name, dtype=DType.f32, batch=1, **own):
    """Return what a kernel is charged; parameters that are not given are 0."""
    spec = KERNELS[name]
    return spec.flops({p.name: 0 for p in spec.parameters} | {"dtype": dtype, "batch": batch} | own)


@pytest.mark.parametrize(("name", "own", "expected"), [
    ("potrf", {"n": 300}, 300**3 / 3), ("getrf", {"m": 300, "n": 300, "k": 300}, 2 / 3 * 300**3),
    ("getrf", {"m": 900, "n": 300, "k": 300}, 900 * 300**2 - 300**3 / 3),
    ("geqrf", {"m": 900, "n": 300, "k": 300}, 2 * 900 * 300**2 - 2 / 3 * 300**3),
    ("geqrf", {"m": 300, "n": 900, "k": 300}, 2 * 900 * 300**2 - 2 / 3 * 300**3),
    ("orgqr", {"m": 300, "n": 300, "k": 300}, 4 / 3 * 300**3), ("trsm", {"m": 300, "n": 7, "k": 300}, 7 * 300**2),
    ("syevd", {"n": 300}, 4 / 3 * 300**3), ("syevd", {"n": 300, "vectors": True}, 9 * 300**3),
    ("svd", {"m": 900, "n": 300, "k": 300}, 4 * 900 * 300**2 - 4 / 3 * 300**3),
    ("gees", {"n": 300, "vectors": True}, 25 * 300**3), ("gehrd", {"n": 300}, 10 / 3 * 300**3),
])  # fmt: skip
def test_operations_are_those_of_the_literature(name, own, expected):
    assert operations(name, **own) == pytest.approx(expected, rel=0.01)
    assert operations(name, batch=5, **own) == pytest.approx(5 * operations(name, **own))
    assert operations(name, DType.c64, **own) == pytest.approx(4 * operations(name, **own))


def test_no_shape_costs_less_than_nothing():
    for spec in LAPACK:
        for m, n in ((0, 0), (1, 9), (9, 1), (100, 3)):
            assert operations(spec.name, m=m, n=n, k=min(m, n), vectors=2, r=m) >= 0


def test_an_estimate_charges_operations_at_the_targets_rate():
    a = jax.ShapeDtypeStruct((300, 300), jnp.float32)
    slow, fast = (
        jax_ascend.estimate(jnp.linalg.cholesky, a, target=dataclasses.replace(Target(), name="t", aicpu_rate=rate))
        for rate in (1e9, 1e10)
    )
    row = {r.name: r for r in slow.kernels}["potrf"]
    moved = (2 * 300 * 300 + 1) * 4 / Target().aicpu_bandwidth  # the matrix, its factor and info
    assert row.seconds == pytest.approx(operations("potrf", n=300) / 1e9 + moved + Target().launch_dispatch)
    assert slow.seconds - fast.seconds == pytest.approx(operations("potrf", n=300) * (1e-9 - 1e-10))
    assert any("potrf" in text and "aicpu_rate" in text for text in slow.assumptions)

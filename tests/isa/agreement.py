"""How far the executor may be from the reference, instruction by instruction."""

import numpy as np

from jax_ascend.compiler.isa.dtypes import DType

# Polynomials and their errors in units of the last place of f32; what is not named is right to the last bit.
_POLYNOMIALS = "texp texpm1 tlog tlog1p tcbrt tsin tcos ttan ttanh tlogistic terf trsqrt tatan2"
# A scalar instruction computes what the vector one does; all of its kinds are held to the worst of them.
ULPS = dict.fromkeys(_POLYNOMIALS.split(), 4) | {"terfc": 8, "tpow": 16, "scompute": 16}
_SUMS = "trowsum tcolsum trowprod tcolprod trowcumsum trowcumprod tmatmul tmatmul_bias textract"
SUMS = set(_SUMS.split())  # in any order
_EPSILON = {DType.f64: 2.0**-52, DType.f32: 2.0**-23, DType.f16: 2.0**-10, DType.bf16: 2.0**-7}


def disagreement(name, got, want):
    """Return what is wrong with `got`, or None."""
    dtype = DType.of_numpy(want.dtype)
    if not dtype.is_float:
        wrong = got != want
    else:
        g, w = got.astype(np.float64), want.astype(np.float64)
        epsilon = _EPSILON.get(dtype, 0.0)
        allowed = np.zeros_like(w)
        if name in SUMS:
            scale = np.abs(w[np.isfinite(w)]).max(initial=1e-30)
            allowed = np.full_like(w, scale * max(epsilon, 1e-5 if dtype is not DType.f64 else 1e-12) * 2)
        elif name in ULPS:
            ulps = ULPS[name] if dtype.bytes >= 4 else 1
            smallest = np.finfo(np.float32).tiny if dtype is not DType.f64 else np.finfo(np.float64).tiny
            allowed = ulps * epsilon * np.maximum(np.abs(w), smallest)
        with np.errstate(invalid="ignore"):
            wrong = ~((g == w) | (np.abs(g - w) <= allowed) | (np.isnan(g) & np.isnan(w)))
    if not wrong.any():
        return None
    at = tuple(map(int, np.argwhere(wrong)[0]))
    return f"{int(wrong.sum())} of {wrong.size} differ; at {list(at)} got {got[at]!r}, expected {want[at]!r}"

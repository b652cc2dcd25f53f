"""Lowering rules for functions that JAX or jaxlib would write out before the compiler sees them.

jaxlib expands the exponential, logarithms and square root of complex numbers and the complementary error function, and
JAX's own rules sine, cosine and the logarithm of the gamma function. What they expand to is XLA:CPU's: sqrt(-1 - 0i) is on the wrong side of the branch cut,
infinities become NaN, lgamma(2) is not 0. A custom call stays as it is, and the compiler expands it better.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import jax_compat

OF_COMPLEX = ("cos", "exp", "log", "log1p", "sin", "sqrt")
OF_REAL = ("erfc", "lgamma")
"""Names of primitives; the compiler imports a call of `ascend.NAME` as the function of such numbers."""


def register(platform: str) -> None:
    """Register the rules for a platform that JAX knows."""
    from jax import lax
    from jax.interpreters import mlir

    jax_compat.allow_export({f"ascend.{name}" for name in (*OF_COMPLEX, *OF_REAL)})
    for names, kind in ((OF_COMPLEX, np.complexfloating), (OF_REAL, np.floating)):
        for name in names:
            primitive = getattr(lax, f"{name}_p")
            default = jax_compat.default_rule(primitive)
            if default is not None:
                mlir.register_lowering(primitive, _rule(name, kind, default), platform=platform)


def _rule(name: str, kind: type, default: Any) -> Any:
    def lower(context: Any, x: Any, **parameters: Any) -> Any:
        from jax import numpy as jnp
        from jaxlib.mlir.dialects import stablehlo as hlo

        (aval,) = context.avals_out
        if not jnp.issubdtype(aval.dtype, kind) or not all(isinstance(n, int) for n in aval.shape):
            return default(context, x, **parameters)
        return hlo.CustomCallOp([x.type], [x], f"ascend.{name}").results

    return lower

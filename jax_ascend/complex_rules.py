"""Lowering rules for functions of complex numbers that JAX or jaxlib would write out in real arithmetic.

Before a plugin sees a module, jaxlib expands the exponential, logarithms and square root of complex numbers, and JAX's own rules
expand sine and cosine. What they expand to is XLA:CPU's: sqrt(-1 - 0i) is on the wrong side of the branch cut, infinities
become NaN. A custom call stays as it is, and the compiler expands it as C99 has it.
"""

from __future__ import annotations

from typing import Any

from . import jax_compat

FUNCTIONS = ("cos", "exp", "log", "log1p", "sin", "sqrt")
"""Names of primitives; the compiler imports a call of `ascend.NAME` as the function of complex numbers."""


def register(platform: str) -> None:
    """Register the rules for a platform that JAX knows."""
    from jax import lax
    from jax.interpreters import mlir

    for name in FUNCTIONS:
        primitive = getattr(lax, f"{name}_p")
        default = jax_compat.default_rule(primitive)
        if default is not None:
            mlir.register_lowering(primitive, _rule(name, default), platform=platform)


def _rule(name: str, default: Any) -> Any:
    def lower(context: Any, x: Any, **parameters: Any) -> Any:
        import numpy as np
        from jaxlib.mlir.dialects import stablehlo as hlo  # pyright: ignore

        (aval,) = context.avals_out
        if not np.issubdtype(aval.dtype, np.complexfloating) or not _static(aval.shape):
            return default(context, x, **parameters)
        return hlo.CustomCallOp([x.type], [x], f"ascend.{name}").results

    return lower


def _static(shape: tuple[Any, ...]) -> bool:
    return all(isinstance(n, int) for n in shape)

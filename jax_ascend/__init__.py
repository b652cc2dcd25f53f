"""A PJRT plugin that gives JAX an emulated Huawei Ascend NPU: `jax.devices("ascend")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiler.targets import Target
    from .estimation import Estimate, estimate, estimate_program

__version__ = "0.1.0"
__all__ = ["Estimate", "Target", "estimate", "estimate_program", "initialize"]


def initialize() -> None:
    """Register the platform with JAX; the entry point that JAX calls before it first lists devices."""
    from .registration import register

    register()


def __getattr__(name: str) -> Any:
    # The compiler is imported when it is first needed: JAX imports this package in every process.
    if name in __all__:
        from . import estimation

        return getattr(estimation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

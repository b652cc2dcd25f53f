"""A PJRT plugin that gives JAX an emulated Huawei Ascend NPU: `jax.devices("ascend")`."""

from __future__ import annotations

__version__ = "0.1.0"


def initialize() -> None:
    """Register the platform with JAX; the entry point that JAX calls before it first lists devices."""
    from .registration import register

    register()

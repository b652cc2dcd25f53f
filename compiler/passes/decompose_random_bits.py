"""Counter-based random bits (rng_bit_generator) as elementwise integer ops. See the class docstrings for formats."""

from __future__ import annotations

from ..frontend import Module


def decompose_random_bits(module: Module, target: object) -> None:
    """Replace every RngBitGenerator, in place."""

"""Cube regions (one Dot or Convolution and what it carries) to kernels for the cube cores."""

from .lower_cube_region import lower_cube_region
from .read_region import carried_ops

__all__ = ["carried_ops", "lower_cube_region"]

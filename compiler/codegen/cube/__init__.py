"""Cube regions (one Dot or Convolution and what it carries) to kernels for the cube cores."""

from .lower_cube_region import cube_ways
from .read_region import carried_ops

__all__ = ["carried_ops", "cube_ways"]

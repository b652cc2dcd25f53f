"""Cube regions (one Dot or Convolution and what it carries) to kernels for the cube cores."""

from .lower_cube_region import lower_cube_region

__all__ = ["lower_cube_region"]

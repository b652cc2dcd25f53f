"""Meanings of the cube instructions: products are exact, sums are rounded to the accumulator's type once."""

from __future__ import annotations

import numpy as np

from .machine import Machine, TileElements
from .meanings import meaning, require


def _product(dst: TileElements, left: TileElements, right: TileElements) -> np.ndarray:
    require(
        (left.rows, right.columns) == dst.shape and left.columns == right.rows,
        f"{left.shape} x {right.shape} does not make {dst.shape}",
    )
    wide = np.float64 if dst.dtype.is_float else np.int64
    return left.read().astype(wide) @ right.read().astype(wide)


@meaning("tmatmul")
def _multiply(machine: Machine, dst: TileElements, left: TileElements, right: TileElements, accumulate: int) -> None:
    product = _product(dst, left, right)
    if accumulate > 0:
        product = product + dst.read().astype(product.dtype)
    dst.write(product.astype(dst.dtype.numpy))


@meaning("tmatmul_bias")
def _multiply_biased(
    machine: Machine, dst: TileElements, left: TileElements, right: TileElements, bias: TileElements
) -> None:
    product = _product(dst, left, right)
    require(bias.shape == (1, dst.columns), f"bias is {bias.shape}; expected {(1, dst.columns)}")
    dst.write((product + bias.read().astype(product.dtype)).astype(dst.dtype.numpy))

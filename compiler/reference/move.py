"""Meanings of the moves between on-chip memories."""

from __future__ import annotations

from typing import Any

import numpy as np

from .machine import Machine, TileElements
from .meanings import as_scalar, meaning, require


@meaning("tmov")
def _move(machine: Machine, dst: TileElements, src: TileElements) -> None:
    dst.write(src.read())


@meaning("textract")
def _extract(machine: Machine, dst: TileElements, src: TileElements, row: int, column: int) -> None:
    end = row + dst.rows, column + dst.columns
    require(
        row >= 0 and column >= 0 and end[0] <= src.tile.rows and end[1] <= src.tile.columns,
        f"textract of rows {row}:{end[0]}, columns {column}:{end[1]} from {src.tile.rows} x {src.tile.columns}",
    )
    dst.write(src.read(*end)[row:, column:])


@meaning("tslice")
def _slice(machine: Machine, dst: TileElements, src: TileElements, row: int, column: int) -> None:
    _extract(machine, dst, src, row, column)


@meaning("tinsert")
def _insert(machine: Machine, dst: TileElements, src: TileElements, row: int, column: int) -> None:
    end = row + src.rows, column + src.columns
    require(
        row >= 0 and column >= 0 and end[0] <= dst.tile.rows and end[1] <= dst.tile.columns,
        f"tinsert into rows {row}:{end[0]}, columns {column}:{end[1]} of {dst.tile.rows} x {dst.tile.columns}",
    )
    dst.insert(src.read(), row, column)


@meaning("timg2col")
def _image_to_columns(
    machine: Machine, dst: TileElements, src: TileElements, m: int, k: int, top: int, left: int,
    shape: tuple[int, ...], window: tuple[int, ...],
) -> None:  # fmt: skip
    _, height, width, channels = shape
    kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, expand_h, expand_w, out_h, out_w = window
    position = m + np.arange(dst.rows)[:, None]
    image, oh, ow = position // (out_h * out_w), position // out_w % out_h, position % out_w
    tap = k + np.arange(dst.columns)[None, :]
    require(not tap.size or tap.max() < kernel_h * kernel_w * channels, "a column is beyond the kernel's last position")
    kh, kw, channel = tap // (kernel_w * channels), tap // channels % kernel_w, tap % channels
    y, x = oh * stride_h + kh * dilation_h - top, ow * stride_w + kw * dilation_w - left
    inside = (y % expand_h == 0) & (x % expand_w == 0)
    y, x = y // expand_h, x // expand_w
    inside &= (y >= 0) & (y < height) & (x >= 0) & (x < width)
    row = (image * height + y) * width + x
    inside &= (row >= 0) & (row < src.rows)
    features = src.read()
    if not features.size:
        features = np.zeros((1, channels), src.dtype.numpy)
    picked = features[np.where(inside, row, 0), np.broadcast_to(channel, inside.shape)]
    dst.write(np.where(inside, picked, np.zeros((), src.dtype.numpy)))


@meaning("ttrans")
def _transpose(machine: Machine, dst: TileElements, src: TileElements) -> None:
    dst.write(src.read().T)


@meaning("treshape")
def _reshape(machine: Machine, dst: TileElements, src: TileElements) -> None:
    require(dst.address == src.address, f"treshape of a tile at {src.address} to one at {dst.address}")


@meaning("tfillpad")
def _fill_padding(machine: Machine, dst: TileElements, src: TileElements, scalar: Any) -> None:
    require(src.rows <= dst.rows and src.columns <= dst.columns, f"tfillpad of {src.shape} into {dst.shape}")
    filled = np.full(dst.shape, as_scalar(scalar, dst.dtype))
    filled[: src.rows, : src.columns] = src.read()
    dst.write(filled)

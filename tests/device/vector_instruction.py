"""Runs one vector instruction of the extension on NumPy arrays, in tiles with padded rows."""

from __future__ import annotations

import importlib

import numpy as np

from jax_ascend.compiler.isa.dtypes import DType

_plugin = importlib.import_module("jax_ascend._plugin")
VARIANTS: list[str] = _plugin.vector_variants()
MODES = {"eq": 0, "ne": 1, "lt": 2, "le": 3, "gt": 4, "ge": 5, "none": 0, "rint": 1, "floor": 2, "ceil": 3, "trunc": 4}


def _strided(array: np.ndarray, padding: int) -> tuple[np.ndarray, int]:
    """Return the bytes of a 2-D array with `padding` elements after each row, and the row stride in bytes."""
    wide = np.zeros((array.shape[0], array.shape[1] + padding), array.dtype)
    wide[:, : array.shape[1]] = array
    return np.ascontiguousarray(wide).view(np.uint8).reshape(-1), wide.shape[1] * array.itemsize


def bits_of(value: object, dtype: np.dtype) -> int:
    """Return the bits of a scalar of this type, zero extended."""
    return int.from_bytes(np.array(value).astype(dtype).tobytes(), "little")


def run(
    instruction: str,
    sources: list[np.ndarray],
    dst_shape: tuple[int, int],
    dst_dtype: object,
    *,
    src_dtype: object = None,
    extents: tuple[int, int] | None = None,
    mode: str = "none",
    scalar: object = None,
    params: tuple[int, ...] = (),
    padding: int = 0,
    variant: str = VARIANTS[0],
    in_place: int | None = None,
    repeats: int = 1,
) -> np.ndarray | None:
    """Run an instruction; returns its result, or None if it does not exist for these types.

    extents are rows and columns (those of dst by default); src_dtype is that of the first source, or dst's; in_place
    is the number of the source whose storage dst takes. Bytes between the rows of dst must not change.
    """
    dst_dtype = np.dtype(dst_dtype)
    first = sources[0].dtype if src_dtype is None and sources else np.dtype(src_dtype or dst_dtype)
    packed = [_strided(s, padding) for s in sources]
    if in_place is None:
        blank, dst_stride = _strided(np.zeros(dst_shape, dst_dtype), padding)
        dst = np.full_like(blank, 0x5A)
    else:
        dst, dst_stride = packed[in_place]
    before = dst.copy()
    source_extents = sources[0].shape if sources else (0, 0)
    found = _plugin.run_vector(
        variant, instruction, DType.of_numpy(dst_dtype).code, DType.of_numpy(first).code, MODES[mode], dst,
        [p[0] for p in packed], dst_stride, [p[1] for p in packed], [*(extents or dst_shape), *source_extents],
        0 if scalar is None else bits_of(scalar, first if dst_dtype == np.bool_ else dst_dtype), list(params), repeats,
    )  # fmt: skip
    if not found:
        return None
    rows = dst.reshape(dst_shape[0], dst_stride)
    used = dst_shape[1] * dst_dtype.itemsize
    assert np.array_equal(rows[:, used:], before.reshape(rows.shape)[:, used:]), "bytes beyond the row were written"
    return np.ascontiguousarray(rows[:, :used]).view(dst_dtype)

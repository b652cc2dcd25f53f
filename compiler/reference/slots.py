"""Slots of batched AICPU kernels as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ..isa.aicpu import AicpuSpec


def slot_arrays(spec: AicpuSpec, slots: Sequence[np.ndarray], parameters: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return by name what the bytes of the slots hold, as views in the declared shapes and types."""
    arrays: dict[str, np.ndarray] = {}
    for slot, data in zip(spec.slots, slots, strict=True):
        shape, dtype = slot.shape(parameters), slot.dtype(parameters)
        arrays[slot.name] = data[: prod(shape) * dtype.bytes].view(dtype.numpy).reshape(shape)
    return arrays

"""Kernels whose addresses are data: gathers, scatters, updates of slices; and the AICPU's share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...fusion.region import Region
from ...graph.ops import AicpuKernel, DynamicUpdateSlice, GatherSlices, ScatterSlices, Sort, TopK
from ...targets import Target
from ..steps import Step
from .aicpu import lower_kernel, lower_sort, lower_top_k
from .gather_slices import lower_gather_slices
from .scatter_slices import lower_scatter_slices
from .update_slice import lower_update_slice

_LOWERINGS: dict[type, Callable[[Any, Target], list[Step]]] = {
    GatherSlices: lower_gather_slices,
    ScatterSlices: lower_scatter_slices,
    DynamicUpdateSlice: lower_update_slice,
    AicpuKernel: lower_kernel,
    Sort: lower_sort,
    TopK: lower_top_k,
}
INDEXING_OPS = (GatherSlices, ScatterSlices, DynamicUpdateSlice)
AICPU_OPS = (AicpuKernel, Sort, TopK)


def lower_indexing_region(region: Region, target: Target) -> list[Step]:
    """Return the launches of a region of kind "indexing" or "aicpu": one op, taken alone."""
    (op,) = region.ops
    return _LOWERINGS[type(op)](op, target)

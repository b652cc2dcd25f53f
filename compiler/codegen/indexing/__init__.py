"""Kernels of one op alone: gathers, scatters, updates of slices; sorts and cumulative ops; and the AICPU's share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...fusion.region import Region
from ...graph.ops import AicpuKernel, Cumulative, DynamicUpdateSlice, GatherSlices, ScatterSlices, Sort, TakeAlong, TopK
from ...targets import Target
from ..steps import Step, Way
from .aicpu import lower_kernel, lower_sort, lower_top_k
from .cumulative import lower_cumulative
from .gather_slices import lower_gather_slices
from .scatter_slices import lower_scatter_slices
from .sort_rows import sort_ways, top_k_ways
from .take_along import take_along_ways
from .update_slice import lower_update_slice

_LOWERINGS: dict[type, Callable[[Any, Target], list[Step]]] = {
    GatherSlices: lower_gather_slices,
    ScatterSlices: lower_scatter_slices,
    DynamicUpdateSlice: lower_update_slice,
    Cumulative: lower_cumulative,
    AicpuKernel: lower_kernel,
    Sort: lower_sort,
    TopK: lower_top_k,
}
_WAYS: dict[type, Callable[[Any, Target], Iterator[Way]]] = {
    Sort: sort_ways,
    TakeAlong: take_along_ways,
    TopK: top_k_ways,
}
"""What is tried before."""
INDEXING_OPS = (Cumulative, GatherSlices, ScatterSlices, DynamicUpdateSlice, TakeAlong)
AICPU_OPS = (AicpuKernel, Sort, TopK)


def indexing_ways(region: Region, target: Target) -> Iterator[Way]:
    """Yield ways to compute a region of kind "indexing" or "aicpu", one op taken alone; best first."""
    (op,) = region.ops
    if type(op) in _WAYS:
        yield from _WAYS[type(op)](op, target)
    if type(op) in _LOWERINGS:
        yield [*_LOWERINGS[type(op)](op, target)]

"""What a device has of a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..graph.builder import Builder
from ..graph.graph import TensorType, Value
from ..graph.sharding import Axes, Mesh, Sharding

PartNumber = Callable[[Mesh, Axes, int], Value]
"""Returns, as i32[], which part along these axes the device has, times a scale."""


@dataclass(frozen=True)
class Piece:
    """What a device has of a value of type `whole`: `value`, as `sharding` says, where `b` appends."""

    value: Value
    sharding: Sharding
    whole: TensorType
    b: Builder

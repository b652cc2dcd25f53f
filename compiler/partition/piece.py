"""What a device has of a value."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.builder import Builder
from ..graph.graph import TensorType, Value
from ..graph.sharding import Sharding


@dataclass(frozen=True)
class Piece:
    """What a device has of a value of type `whole`: `value`, as `sharding` says, where `b` appends."""

    value: Value
    sharding: Sharding
    whole: TensorType
    b: Builder

"""About what regions take on a device, before they are kernels: what passes decide by that come before the clock can.

A region takes its launch, and the longer of its operations and its bytes at the share of the peak that kernels usually reach.
"""

from __future__ import annotations

from dataclasses import replace

from .cost_analysis import count_operations
from .exchange_time import ExchangeTime, exchange_time
from .fusion.region import Region
from .graph.graph import Graph, Op, Value
from .graph.ops import Convolution, Dot
from .graph.ops.collectives import Collective
from .isa.machine import FRACTAL, FRACTAL_BYTES
from .targets import Target

_REACHED = 0.75  # of a peak: what large products and plain kernels reach on the clock


class Estimator:
    """Estimates in seconds for one target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._steps = 2 * FRACTAL**2 * target.cube_cores * target.clock * FRACTAL_BYTES  # operations a second on bytes

    def product(self, op: Op) -> float:
        """Return the time of a product or a convolution, without its launch."""
        t, size = self.target, op.operands[0].dtype.bytes
        rate = self._steps / size / (t.mad_f32_factor if size >= 4 else 1)
        return count_operations(Graph("", [], [op], [])).flops / rate / _REACHED

    def bytes(self, values: list[Value]) -> float:
        """Return the time in which values go through HBM."""
        return sum(v.type.bytes for v in values) / self.target.hbm_bandwidth / _REACHED

    def exchange(self, op: Collective, share: float = 1.0) -> ExchangeTime:
        """Return the time of an exchange, with its launch, or of a share of its bytes."""
        size = sum(v.type.bytes for v in op.operands) * share
        time = exchange_time(op.name, size, op.groups, self.target)
        return replace(time, start=time.start + self.target.launch_dispatch)

    def region(self, region: Region) -> float:
        """Return the time of a region on the cores."""
        if isinstance(region.ops[0], Collective):
            return self.exchange(region.ops[0]).seconds
        products = sum(self.product(op) for op in region.ops if isinstance(op, (Dot, Convolution)))
        return self.target.launch_dispatch + max(products, self.bytes([*region.inputs, *region.outputs]))

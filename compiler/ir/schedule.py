"""Between Graph and Program: regions that become kernels, and the launches they become.

The fusion pass groups a graph's ops into regions; code generation turns each region into launches; the planner
(`codegen/plan_program.py`) gives the launches' values storage and writes the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .graph import Graph, Op, Value, print_graph
from .kernel import Kernel


@dataclass(eq=False)
class Region:
    """Ops that one kernel computes, in graph order.

    `kind` is "vector" (elementwise, broadcast, reduction, layout), "cube" (one Dot or Convolution and what it
    carries), "indexing" (gather, scatter, dynamic slices), "aicpu", or "control" (one While, Case or Call, left to
    the planner). `inputs` are values from outside in order of first use, splat constants excluded; `outputs` are the values
    used outside.
    """

    kind: str
    ops: list[Op]
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)

    def __str__(self) -> str:
        return print_graph(Graph(self.kind, list(self.inputs), self.ops, self.outputs))


@dataclass(eq=False)
class Launch:
    """A kernel and the values that are its GM arguments, in order.

    may_alias: (output, input) pairs for which the kernel is right even if both are one buffer: it reads each element of the
    input before (or where) it writes it, in every block. starts_as: (output, input) pairs where the kernel updates part of
    the output, the rest of which must already hold the input: the planner gives them one buffer, or copies first.
    Values that occur in no graph are temporaries of the region.
    """

    kernel: Kernel
    arguments: list[Value]
    outputs: list[Value]
    may_alias: tuple[tuple[Value, Value], ...] = ()
    starts_as: tuple[tuple[Value, Value], ...] = ()


@dataclass(eq=False)
class AicpuLaunch:
    """An AICPU kernel by its name in isa/stream.py, with its values (results first) and static integers."""

    op: str
    arguments: list[Value]
    ints: list[int]
    outputs: list[Value]
    starts_as: tuple[tuple[Value, Value], ...] = ()


@dataclass(eq=False)
class Rename:
    """`output` is `input` under another shape or equally wide element type: same storage, no work (reshape, bitcast)."""

    output: Value
    input: Value


Step = Launch | AicpuLaunch | Rename

"""A Region: the ops of a graph that fusion has grouped, and that code generation turns into launches."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..graph.graph import Graph, Op, Value, print_graph


@dataclass(eq=False)
class Region:
    """Ops that one kernel computes, in graph order.

    `kind` is "vector" (elementwise, broadcast, reduction, layout), "cube" (one Dot or Convolution and what it
    carries), "attention" (two Dots and the softmax between them), "gradient" (of an attention: two Dots, what is
    made of them element by element, and Dots of that), "indexing" (gather, scatter, dynamic slices), "aicpu", "host" (a HostCall), or "control" (one While, Case or Call, left to
    the planner). `inputs` are values from outside in order of first use, splat constants excluded; `outputs` are the values
    used outside. `two_stages`: a reduction may be divided over blocks, whose partial results a second kernel combines.
    """

    kind: str
    ops: list[Op]
    inputs: list[Value] = field(default_factory=lambda: [])
    outputs: list[Value] = field(default_factory=lambda: [])
    two_stages: bool = True

    def __str__(self) -> str:
        return print_graph(Graph(self.kind, list(self.inputs), self.ops, self.outputs))

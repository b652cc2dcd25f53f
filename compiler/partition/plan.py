"""How an op can be divided: its dimensions as products of factors, each of which devices may cut.

    dot [b, m, k] x [b, k, n] -> [b, m, n]     factors b, m, n, k; what is cut along k gives parts of sums
    reshape [12, 5] -> [3, 4, 5]               dimension 0 is the factors 3 and 4, the first of which may be cut
    sort [8, 100] along 1                      one factor, 8; dimension 1 has none, so every device needs all of it

If all operands and results are cut along a factor in the same way, each device does the op on its parts. A plan says the
factors of every dimension; `choose_axes` says what cuts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..graph.builder import Builder
from ..graph.graph import Op, TensorType, Value
from ..graph.sharding import Axes, Mesh, Sharding
from .piece import PartNumber

Dims = tuple[tuple[int, ...], ...]
"""For each dimension the factors that it is the product of, the most significant first; none if it cannot be cut."""


@dataclass
class Plan:
    """The factors of an op.

    Attributes:
        sizes: of the factors.
        operands, results: the factors of their dimensions.
        reductions: factors that no result has, with the kind of reduction that puts together what devices get.
        even: factors that are cut only into equal parts.
        separate: operand i and result i have nothing to do with the others, so an axis may cut a factor of each.
        local: what computes the results from parts; left out, the op itself does, with fewer elements.
    """

    sizes: list[int]
    operands: list[Dims]
    results: list[Dims]
    reductions: Mapping[int, str] = field(default_factory=lambda: {})
    even: frozenset[int] = frozenset()
    separate: bool = False
    local: Callable[[Part], Sequence[Value]] | None = None


@dataclass
class Part:
    """An op on one device: the parts of its operands, what the parts of its results are to be, and what cuts each factor."""

    op: Op
    b: Builder
    operands: list[Value]
    types: list[TensorType]
    mesh: Mesh
    axes: Sequence[Axes]  # of each factor
    sizes: Sequence[int]
    part_number: PartNumber

    def extent(self, factor: int) -> int:
        """Return into how many parts a factor is cut."""
        return self.mesh.extent(self.axes[factor])

    def size(self, factor: int) -> int:
        """Return how many elements of a factor a device has."""
        return -(-self.sizes[factor] // self.extent(factor))

    def start(self, factor: int) -> Value:
        """Return, as i32[], where along a factor this device's part begins."""
        return self.part_number(self.mesh, self.axes[factor], self.size(factor))

    def emit(self, op: Op) -> list[Value]:
        """Append a copy of the op with other attributes, which `op` has, on the parts."""
        return self.b.emit_op(op, self.types)


class Factors:
    """Counts factors while a plan is written."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def new(self, size: int) -> int:
        """Return the number of a new factor."""
        self.sizes.append(size)
        return len(self.sizes) - 1

    def each(self, shape: Sequence[int], whole: Sequence[int] = ()) -> Dims:
        """Return a new factor for each dimension that is not `whole`."""
        return tuple(() if d in whole or n == 1 else (self.new(n),) for d, n in enumerate(shape))


def whole(value: Value) -> Dims:
    """Return that no dimension of a value can be cut."""
    return ((),) * value.type.rank


def sharding_of(mesh: Mesh, dims: Dims, axes: Sequence[Axes], terms: Axes = ()) -> Sharding:
    """Return how a value is cut if its factors are; it is a sum along `terms`."""
    cut = tuple(tuple(a for factor in factors for a in axes[factor]) for factors in dims)
    return Sharding(mesh, cut, tuple(sorted(terms)))

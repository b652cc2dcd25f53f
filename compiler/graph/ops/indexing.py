"""Operations whose addresses are data.

The pass normalize_indexing turns Gather into GatherSlices and Scatter into ScatterSlices; codegen sees those,
DynamicSlice and DynamicUpdateSlice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Op

SCATTER_KINDS = ("assign", "add", "mul", "min", "max", "and", "or")


@dataclass(eq=False)
class DynamicSlice(Op):
    """Operands (x, one scalar start per dimension); starts are clamped so that the slice fits."""

    name: ClassVar[str] = "dynamic_slice"

    sizes: tuple[int, ...]

    def verify(self) -> None:
        """One integer scalar start per dimension; the result has shape `sizes`."""
        x, (y,) = self.operands[0], self.results
        self.require(len(self.operands) == 1 + x.type.rank == 1 + len(self.sizes), "one start a dimension")
        self.require(all(s.shape == () and s.dtype.is_integer for s in self.operands[1:]), "starts are scalars")
        self.require(y.shape == self.sizes and y.dtype is x.dtype, "result type wrong")
        self.require(all(a <= b for a, b in zip(self.sizes, x.shape)), "the slice must fit")


@dataclass(eq=False)
class DynamicUpdateSlice(Op):
    """Operands (x, update, one scalar start per dimension): x with the update written, starts clamped."""

    name: ClassVar[str] = "dynamic_update_slice"

    def verify(self) -> None:
        """One integer scalar start per dimension; the update fits; the result has x's type."""
        x, update, (y,) = self.operands[0], self.operands[1], self.results
        self.require(len(self.operands) == 2 + x.type.rank, "one start a dimension")
        self.require(all(s.shape == () and s.dtype.is_integer for s in self.operands[2:]), "starts are scalars")
        self.require(x.type == y.type and update.dtype is x.dtype, "result type wrong")
        self.require(
            update.type.rank == x.type.rank and all(a <= b for a, b in zip(update.shape, x.shape)),
            "the update must fit",
        )


@dataclass(eq=False)
class Gather(Op):
    """StableHLO gather, operands (x, start indices). Normalised before codegen."""

    name: ClassVar[str] = "gather"

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    operand_batching_dims: tuple[int, ...]
    start_indices_batching_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    index_vector_dim: int
    slice_sizes: tuple[int, ...]
    indices_are_sorted: bool = False

    def verify(self) -> None:
        """Slice sizes fit; the result's rank follows."""
        (x, idx), (y,) = self.operands, self.results
        self.require(idx.dtype.is_integer and x.dtype is y.dtype, "indices are integers; keeps the element type")
        self.require(len(self.slice_sizes) == x.type.rank, "one slice size a dimension")
        self.require(all(s <= n for s, n in zip(self.slice_sizes, x.shape)), "slices must fit")


@dataclass(eq=False)
class Scatter(Op):
    """StableHLO scatter: operands (input, indices, updates). Normalised before codegen.

    `kind` is one of SCATTER_KINDS (then body is None) or "general", with a `body` that takes two scalars (current,
    update) and gives one.
    """

    name: ClassVar[str] = "scatter"

    kind: str
    update_window_dims: tuple[int, ...]
    inserted_window_dims: tuple[int, ...]
    input_batching_dims: tuple[int, ...]
    scatter_indices_batching_dims: tuple[int, ...]
    scatter_dims_to_operand_dims: tuple[int, ...]
    index_vector_dim: int
    indices_are_sorted: bool = False
    unique_indices: bool = False
    body: Graph | None = None

    def verify(self) -> None:
        """Input, indices, updates; the result has the input's type."""
        self.require(self.kind in (*SCATTER_KINDS, "general"), f"unknown kind {self.kind!r}")
        self.require((self.body is not None) == (self.kind == "general"), "a body goes with kind general")
        self.require(len(self.operands) == 3, "takes input, indices, updates")
        self.require(self.operands[0].type == self.result.type, "result type wrong")


@dataclass(eq=False)
class GatherSlices(Op):
    """Operands (x, starts i32[B] for each of `index_map`): result[b] is the slice of shape `slice_sizes` of x at starts[b].

    Starts k index x's dimension `index_map[k]`; other dimensions start at 0. Starts are clamped
    (as signed) so that the slice fits. The result has shape [B, *slice_sizes].
    """

    name: ClassVar[str] = "gather_slices"

    index_map: tuple[int, ...]
    slice_sizes: tuple[int, ...]
    indices_are_sorted: bool = False

    def verify(self) -> None:
        """Starts are i32[B]; the result is [B, *slice_sizes]."""
        (x, *starts), (y,) = self.operands, self.results
        self.require(all(s.shape == y.shape[:1] and str(s.dtype) == "i32" for s in starts), "starts are i32[B]")
        self.require(0 < len(starts) == len(self.index_map), "one operand of starts per mapped dimension")
        self.require(y.shape[1:] == self.slice_sizes, "result is [B, *slice_sizes]")
        self.require(all(s <= n for s, n in zip(self.slice_sizes, x.shape)), "slices must fit")
        self.require(len(self.slice_sizes) == x.type.rank and x.dtype is y.dtype, "result type wrong")


@dataclass(eq=False)
class TakeAlong(Op):
    """Operands (x [R, n], index i32[R, m]): result[r, j] = x[r, index[r, j]], an index outside of [0, n) clamped (as signed)."""

    name: ClassVar[str] = "take_along"

    def verify(self) -> None:
        """Both are of as many rows; the result has the index's shape."""
        (x, index), (y,) = self.operands, self.results
        self.require(x.type.rank == index.type.rank == 2 and str(index.dtype) == "i32", "index is i32[R,m]")
        self.require(x.shape[0] == index.shape[0] and x.shape[1] > 0, "as many rows, which have elements")
        self.require(y.shape == index.shape and x.dtype is y.dtype, "result type wrong")


@dataclass(eq=False)
class ScatterSlices(Op):
    """Operands (input, starts i32[B, d], updates [B, *window]): slices combined into the input in order.

    Column k of starts indexes dimension `index_map[k]`; other dimensions start at 0. The window has the input's
    rank. An update whose window does not fit entirely at its start (as signed) is skipped whole. `kind`: assign
    (the later update wins), add, mul, min, max, and, or.
    """

    name: ClassVar[str] = "scatter_slices"

    kind: str
    index_map: tuple[int, ...]
    indices_are_sorted: bool = False
    unique_indices: bool = False

    def verify(self) -> None:
        """Starts are i32[B, d]; updates are [B, *window]; the result has the input's type."""
        (x, starts, update), y = self.operands, self.result
        self.require(self.kind in SCATTER_KINDS, f"unknown kind {self.kind!r}")
        self.require(starts.type.rank == 2 and str(starts.dtype) == "i32", "starts are i32[B,d]")
        self.require(starts.shape[1] == len(self.index_map), "one column per mapped dimension")
        self.require(x.type == y.type and update.dtype is x.dtype, "types must agree")
        self.require(update.type.rank == 1 + x.type.rank, "updates are [B, *window]")
        self.require(update.shape[0] == starts.shape[0], "one update per start")
        self.require(all(w <= s for w, s in zip(update.shape[1:], x.shape)), "windows must fit")

"""Contractions: what the cube unit does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Op


@dataclass(eq=False)
class Dot(Op):
    """Contract lhs with rhs; result dimensions: batch, free of lhs, free of rhs, in that order.

    Batch dimensions pair up in the order given, contracting ones too. `precision` is DEFAULT, HIGH or HIGHEST.
    The result's element type may be wider than the operands' (bf16 x bf16 -> f32); operands may differ in type.
    """

    name: ClassVar[str] = "dot"

    lhs_batch: tuple[int, ...]
    rhs_batch: tuple[int, ...]
    lhs_contracting: tuple[int, ...]
    rhs_contracting: tuple[int, ...]
    precision: str = "DEFAULT"
    accumulate: str = ""  # accumulation type if the program names one, else ""

    def free(self) -> tuple[list[int], list[int]]:
        """Return the dimensions of lhs and rhs that are neither batch nor contracted."""
        l, r = self.operands
        return (
            [d for d in range(l.type.rank) if d not in self.lhs_batch and d not in self.lhs_contracting],
            [d for d in range(r.type.rank) if d not in self.rhs_batch and d not in self.rhs_contracting],
        )

    def verify(self) -> None:
        """Paired sizes equal; the result's shape follows."""
        (l, r), (y,) = self.operands, self.results
        self.require(len(self.lhs_batch) == len(self.rhs_batch), "batch dimensions must pair up")
        self.require(len(self.lhs_contracting) == len(self.rhs_contracting), "contracting dimensions must pair up")
        for a, b in zip(self.lhs_batch + self.lhs_contracting, self.rhs_batch + self.rhs_contracting):
            self.require(l.shape[a] == r.shape[b], f"paired sizes differ: {l.shape[a]} and {r.shape[b]}")
        lf, rf = self.free()
        shape = [l.shape[d] for d in (*self.lhs_batch, *lf)] + [r.shape[d] for d in rf]
        self.require(y.shape == tuple(shape), f"the result has shape {tuple(shape)}")


@dataclass(eq=False)
class Convolution(Op):
    """N-dimensional convolution, StableHLO's dimension numbers.

    Each triple names (batch or output-feature, feature or input-feature, spatial...) dimensions: of the input
    `lhs_spec` (batch, feature, spatial...), of the kernel `rhs_spec` (output feature, input feature,
    spatial...), of the result `out_spec` (batch, feature, spatial...).
    """

    name: ClassVar[str] = "convolution"

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]
    stride: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    lhs_dilation: tuple[int, ...]
    rhs_dilation: tuple[int, ...]
    reversal: tuple[bool, ...]
    feature_groups: int = 1
    batch_groups: int = 1
    precision: str = "DEFAULT"

    def verify(self) -> None:
        """Spatial sizes, features and groups agree with the result's shape."""
        (x, k), (y,) = self.operands, self.results
        n = len(self.stride)
        self.require(x.type.rank == k.type.rank == y.type.rank == n + 2, "ranks must be spatial + 2")
        for spec in (self.lhs_spec, self.rhs_spec, self.out_spec):
            self.require(sorted(spec) == list(range(n + 2)), "dimension numbers must be a permutation")
        self.require(
            x.shape[self.lhs_spec[1]] == k.shape[self.rhs_spec[1]] * self.feature_groups,
            "input features differ",
        )
        self.require(y.shape[self.out_spec[1]] == k.shape[self.rhs_spec[0]], "output features differ")
        self.require(y.shape[self.out_spec[0]] * self.batch_groups == x.shape[self.lhs_spec[0]], "batch sizes differ")
        for i in range(n):
            size, window = x.shape[self.lhs_spec[2 + i]], k.shape[self.rhs_spec[2 + i]]
            dilated = (size - 1) * self.lhs_dilation[i] + 1 if size else 0
            padded = dilated + self.low[i] + self.high[i]
            reach = (window - 1) * self.rhs_dilation[i] + 1 if window else 0
            out = 0 if padded < reach else (padded - reach) // self.stride[i] + 1
            self.require(y.shape[self.out_spec[2 + i]] == out, f"spatial size {i} must be {out}")

"""Sorts, kernels of the AICPU and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from ...graph import ops
from ...graph.graph import Op, Value
from ..plan import Factors, Part, Plan
from .shape import replace_op


def sort(op: ops.Sort | ops.GeneralSort) -> Plan:
    """All dimensions but the sorted one."""
    f = Factors()
    dims = f.each(op.operands[0].shape, [op.dimension])
    return Plan(f.sizes, [dims] * len(op.operands), [dims] * len(op.results))


def top_k(op: ops.TopK) -> Plan:
    """All dimensions but the last."""
    f = Factors()
    dims = f.each(op.operands[0].shape, [op.operands[0].type.rank - 1])
    return Plan(f.sizes, [dims], [dims, dims])


def aicpu_kernel(op: ops.AicpuKernel) -> Plan:
    """The dimensions of the batch, which come first in all operands and results; those behind a transformed one too."""
    f = Factors()
    parameters: dict[str, Any] = dict(op.parameters)
    values = [*op.operands, *op.results]
    shared = min(v.type.rank for v in values)
    same = [d for d in range(shared) if len({v.shape[: d + 1] for v in values}) == 1]
    inner = _behind(values[0].shape, parameters) if op.kernel == "fft" else []
    most = inner[0] - 1 if inner else len(same)
    counts = [n for n in range(min(most, len(same)) + 1) if prod(values[0].shape[:n]) == parameters.get("batch")]
    batch = counts[-1] if counts else 0
    leading = f.each(values[0].shape[:batch])
    trailing = f.each([values[0].shape[d] for d in inner])
    dims = [leading + ((),) * (v.type.rank - batch - len(trailing)) + trailing for v in values]

    def local(part: Part) -> Sequence[Value]:
        first = part.operands[0].shape
        changed = dict(parameters)
        if batch:
            changed["batch"] = prod(first[:batch])
        if inner:
            changed["inner"] = prod(first[len(first) - len(inner) :])
        return part.emit(replace_op(op, part.operands, parameters=tuple(changed.items())))

    count = len(op.operands)
    return Plan(f.sizes, dims[:count], dims[count:], local=local)


def _behind(shape: tuple[int, ...], parameters: dict[str, Any]) -> list[int]:
    """Return the dimensions behind the one that a Fourier transform runs along."""
    for d in range(len(shape) - 1, -1, -1):
        if (prod(shape[:d]), shape[d], prod(shape[d + 1 :])) == tuple(parameters[k] for k in ("batch", "n", "inner")):
            return list(range(d + 1, len(shape)))
    return []


PLANS: dict[type[Op], Callable[..., Plan]] = {
    ops.AicpuKernel: aicpu_kernel,
    ops.GeneralSort: sort,
    ops.Sort: sort,
    ops.TopK: top_k,
}

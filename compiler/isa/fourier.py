"""The AICPU kernels that are discrete Fourier transforms.

Operations are those of Cooley and Tukey's algorithm for a power of two, as Van Loan, Computational Frameworks for the
Fast Fourier Transform, 1992, counts them: 5 n log2 n for complex numbers and half of it for real ones.
"""

from __future__ import annotations

from .aicpu import AicpuSpec, Parameter, Slots
from .model import Effect

_REASON = "one line is log2 n steps, each with other strides; any length, in full precision"


def _kernel(name: str, summary: str, result: Slots, operand: Slots, parameters: str, operations: str) -> AicpuSpec:
    declared = (Parameter("dtype", "dtype"), *(Parameter(p, "int") for p in parameters.split()))
    if name == "fft":
        declared += (Parameter("inverse", "bool"),)
    return AicpuSpec(name, summary, _REASON, (result, operand), declared, operations)


FOURIER = (
    _kernel("fft", "transforms along the middle one of [batch, n, inner], of complex numbers of dtype; the inverse is scaled "
            "by 1/n",
            Slots("spectrum", Effect.write, extents=("n", "inner"), element="complex"),
            Slots("x", Effect.read, extents=("n", "inner"), element="complex"), "batch n inner",
            "5*n*log2(n)*inner"),
    _kernel("rfft", "the first k = n/2 + 1 elements of the transforms of rows of n real numbers",
            Slots("spectrum", Effect.write, extents=("k",), element="complex"),
            Slots("x", Effect.read, extents=("n",), element="real"), "batch n k", "2.5*n*log2(n)"),
    _kernel("irfft", "rows of n real numbers whose transforms start with these k = n/2 + 1 elements",
            Slots("x", Effect.write, extents=("n",), element="real"),
            Slots("spectrum", Effect.read, extents=("k",), element="complex"), "batch n k", "2.5*n*log2(n)"),
)  # fmt: skip

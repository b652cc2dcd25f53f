"""Contractions of any element type, by those the cube core has: f16, bf16, f32, f64 and i8, u8, i32 (into i32).

    dot(bf16 %x, f32 %y)      ->   dot(convert(%x), %y)
    dot(u16 %x, u16 %y)       ->   convert(dot(i32 convert(%x), i32 convert(%y)))
    dot(convert(i8 %x), convert(i8 %y)): i32   ->   dot(i8 %x, i8 %y): i32
    dot(i64 %x, i64 %y)       ->   reduce_add(broadcast(%x) * broadcast(%y))
    dot(c64 %x, c64 %y)       ->   complex(dot(re, re) - dot(im, im), dot(re, im) + dot(im, re))
    convolution(i64, i64)     ->   convolutions of 16-bit limbs in f64, exact, added up modulo 2^64
    dot(f32 [m,k], f32 [k])   ->   reduce_add(%x * broadcast(%y)), as it moves much and computes little
    dot(f32 [m], f32 [n])     ->   broadcast(%x) * broadcast(%y), which sums nothing
    dot over nothing          ->   zeros
    convolution with a window of 5000   ->   the sum of three with parts of the window

f8 types convert to f16, i4 and i1 to i8 without loss; a result type the cube core does not write is converted to after.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from math import prod

from ..graph.builder import Builder
from ..graph.complex_parts import PART, complex_of, parts
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.module import Module
from ..graph.ops import (
    Binary,
    BroadcastInDim,
    Compare,
    Convert,
    Convolution,
    Dot,
    Reduce,
    Reshape,
    Select,
    Transpose,
    Unary,
)
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType

D = DType
CUBE_FLOATS = (D.f16, D.bf16, D.f32, D.f64)
_NARROW = {D.i1: D.i8, D.i2: D.i8, D.i4: D.i8, D.u2: D.u8, D.u4: D.u8}
_MOST_TAPS = 2048  # of a window in one direction: with the 8 channels of a fractal in f32 a quarter of L1 at most
_MOST_BETWEEN = 64  # values between two products of an attention
_BETWEEN = (Binary, BroadcastInDim, Compare, Convert, Reshape, Select, Transpose, Unary)
_LIMB = 16  # bits: products of two limbs add up exactly in f64 over 2^21 terms

Contract = Callable[[Value, Value, DType], Value]  # the op on other operands of equal shapes


def legalize_contractions(module: Module, target: object) -> None:
    """Rewrite every Dot and Convolution to types the cube core takes, in place."""
    attending = _around_softmax(module.main)
    rewrite(module.main, lambda op, b: _legalize(op, b, attending))


def _around_softmax(graph: Graph) -> set[Value]:
    """Return the results of products that a softmax lies between: these stay products, of one row too.

    Only what is elementwise, a reduction or a layout op may stand between; the kernel they become proves the rest.
    """
    found: set[Value] = set()
    for op in graph.ops:
        for region in op.regions():
            found |= _around_softmax(region)
        if not isinstance(op, Dot):
            continue
        seen: set[Value] = set()
        stack = list(op.operands)
        dots: list[Dot] = []
        reductions: set[str] = set()
        while stack and len(seen) < _MOST_BETWEEN:
            value = stack.pop()
            before = value.producer
            if value in seen or before is None:
                continue
            seen.add(value)
            if isinstance(before, Dot):
                dots.append(before)
            elif isinstance(before, (*_BETWEEN, Reduce)):
                reductions |= {before.kind} if isinstance(before, Reduce) else set()
                stack += before.operands
        if len(dots) == 1 and reductions == {"max", "add"}:
            found |= {op.result, dots[0].result}
    return found


def _legalize(op: Op, b: Builder, attending: AbstractSet[Value] = frozenset()) -> list[Value] | None:
    if not isinstance(op, (Dot, Convolution)):
        return None
    x, y = op.operands
    result = op.result.dtype
    if x.type.size == 0 or y.type.size == 0:
        return [b.constant(0, op.result.type)]

    if isinstance(op, Convolution) and (parts_of := _in_short_windows(op, b)):
        return [parts_of]

    def contract(x: Value, y: Value, dtype: DType) -> Value:
        return b.emit(replace(op, operands=[x, y]), TensorType(op.result.shape, dtype))

    if D.c64 in (x.dtype, y.dtype) or D.c128 in (x.dtype, y.dtype):
        return [_complex(b, x, y, result, contract)]
    if result.kind == "c":
        part = contract(b.convert(x, PART[result]), b.convert(y, PART[result]), PART[result])
        return [b.convert(part, result)]
    if x.dtype.is_float or y.dtype.is_float:
        operand = _float_operand(x.dtype, y.dtype, result)
        stored = result if result in CUBE_FLOATS else D.f32
        if isinstance(op, Dot) and _is_thin(op) and op.result not in attending:
            wide = D.f64 if operand is D.f64 else D.f32
            return [b.convert(_multiply_and_add(op, b, b.convert(x, wide), b.convert(y, wide)), result)]
        if operand is x.dtype is y.dtype and stored is result:
            return None
        return [b.convert(contract(b.convert(x, operand), b.convert(y, operand), stored), result)]
    return _integers(op, b, x, y, result, contract)


def _in_short_windows(op: Convolution, b: Builder) -> Value | None:
    """Return a convolution with a long window as the sum of some with parts of it, or None: windows have to fit L1.

    The parts' products are legalised here too; those of narrow floats add up in f32.
    """
    x, k = op.operands
    spatial = op.rhs_spec[2:]
    i = max(range(len(spatial)), key=lambda i: k.shape[spatial[i]], default=None)
    if i is None or (taps := k.shape[spatial[i]]) <= _MOST_TAPS:
        return None
    result, dilation = op.result.type, op.rhs_dilation[i]
    narrow = result.dtype.is_float and result.dtype.bytes < 4
    wide = TensorType(result.shape, D.f32 if narrow else result.dtype)
    total: Value | None = None
    for start in range(0, taps, _MOST_TAPS):
        end = min(start + _MOST_TAPS, taps)
        before, after = (taps - end, start) if op.reversal[i] else (start, taps - end)
        low, high = list(op.low), list(op.high)
        low[i] -= before * dilation
        high[i] -= after * dilation
        part = replace(
            op, operands=[x, b.slice_dim(k, spatial[i], start, end)], low=tuple(low), high=tuple(high)
        ).with_results([wide], op.loc)
        legal = _legalize(part, b)
        if legal is None:
            b.ops.append(part)
            legal = part.results
        total = legal[0] if total is None else b.binary("add", total, legal[0])
    assert total is not None, "a long window has a part"
    return b.convert(total, result.dtype)


def _is_thin(op: Dot) -> bool:
    """Whether a result is one row or column, or nothing is summed: cube cores would wait for loads."""
    (x, y), (free_x, free_y) = op.operands, op.free()
    rows, columns = prod(x.shape[d] for d in free_x), prod(y.shape[d] for d in free_y)
    return rows == 1 or columns == 1 or all(x.shape[d] == 1 for d in op.lhs_contracting)


def _complex(b: Builder, x: Value, y: Value, result: DType, contract: Contract) -> Value:
    wide = D.f64 if D.c128 in (x.dtype, y.dtype, result) else D.f32

    def product(a: Value | None, c: Value | None) -> Value | None:
        return None if a is None or c is None else contract(b.convert(a, wide), b.convert(c, wide), wide)

    (xr, xi), (yr, yi) = parts(b, x), parts(b, y)
    real, subtracted = product(xr, yr), product(xi, yi)
    assert real is not None, "every number has a real part"
    if subtracted is not None:
        real = b.binary("sub", real, subtracted)
    terms = [t for t in (product(xr, yi), product(xi, yr)) if t is not None]
    imaginary = terms[0] if len(terms) == 1 else b.binary("add", *terms)
    if result.kind != "c":
        return b.convert(real, result)
    return complex_of(b, b.convert(real, PART[result]), b.convert(imaginary, PART[result]))


def _float_operand(x: DType, y: DType, result: DType) -> DType:
    """Return the operand type: the wider of both, and no narrower than the result asks for."""
    wide = {D.f64} & {x, y, result}
    if wide:
        return D.f64
    x, y = (d if d in CUBE_FLOATS else D.f32 if not d.is_float or d is D.f8e8m0fnu else D.f16 for d in (x, y))
    return x if x is y else D.f32


def _integers(
    op: Dot | Convolution, b: Builder, x: Value, y: Value, result: DType, contract: Contract
) -> list[Value] | None:
    x, y = (b.convert(v, _NARROW.get(v.dtype, v.dtype)) for v in (_unwidened(x), _unwidened(y)))
    if x.dtype is not y.dtype:  # a widening that only one of them had, or of another sign
        x, y = (b.convert(v, _NARROW.get(v.dtype, v.dtype)) for v in op.operands)
    if x.dtype is y.dtype and x.dtype.bytes == 1 and (result.bytes <= 4 or result.kind == "b"):
        if result is D.i32 and [x, y] == op.operands:
            return None
        sums = contract(x, y, D.i32)
        if result.kind == "b":
            return [b.compare("NE", sums, b.like(sums, 0))]
        return [b.convert(sums, result)]
    if not result.is_integer:
        return [b.convert(contract(b.convert(x, D.f64), b.convert(y, D.f64), D.f64), result)]
    if result.bytes <= 4:  # sums modulo 2^32 hold those modulo less
        if x.dtype is y.dtype is result is D.i32:
            return None
        sums = contract(_as_i32(b, x), _as_i32(b, y), D.i32)
        return [b.bitcast(sums, result) if result.bytes == 4 else b.convert(sums, result)]
    x, y = b.convert(x, result), b.convert(y, result)
    if isinstance(op, Dot):
        return [_multiply_and_add(op, b, x, y)]
    return [_in_limbs(b, x, y, contract)]


def _unwidened(x: Value) -> Value:
    """Return what x was widened from if those are 8-bit integers: their products add up to the same in i32."""
    op = x.producer
    if isinstance(op, Convert) and op.operands[0].dtype in (D.i8, D.u8) and x.dtype in (D.i16, D.i32):
        return op.operands[0]
    return x


def _as_i32(b: Builder, x: Value) -> Value:
    """Return integers modulo 2^32."""
    return b.bitcast(x, D.i32) if x.dtype.bytes == 4 else b.convert(x, D.i32)


def _multiply_and_add(op: Dot, b: Builder, x: Value, y: Value) -> Value:
    """Return a Dot as elementwise products over [batch, m, n, k], summed over k."""
    free_x, free_y = op.free()
    batch, m, n, k = len(op.lhs_batch), len(free_x), len(free_y), len(op.lhs_contracting)
    x = b.transpose(x, (*op.lhs_batch, *free_x, *op.lhs_contracting))
    y = b.transpose(y, (*op.rhs_batch, *free_y, *op.rhs_contracting))
    shape = (*op.result.shape, *x.shape[batch + m :])
    rank = batch + m + n
    x = b.broadcast(x, shape, (*range(batch + m), *range(rank, rank + k)))
    y = b.broadcast(y, shape, (*range(batch), *range(batch + m, rank + k)))
    return b.reduce("add", b.binary("mul", x, y), range(rank, rank + k)) if k else b.binary("mul", x, y)


def _in_limbs(b: Builder, x: Value, y: Value, contract: Contract) -> Value:
    """Return an integer contraction from f64 ones: limb i of x with limb j of y counts 2^(16 (i + j))."""
    dtype, count = x.dtype, 64 // _LIMB

    def limbs(v: Value) -> list[Value]:
        v = b.bitcast(v, D.u64)
        parts = [v if i == 0 else b.binary("shr_logical", v, b.like(v, _LIMB * i)) for i in range(count)]
        return [b.convert(b.binary("and", p, b.like(p, (1 << _LIMB) - 1)), D.f64) for p in parts]

    xs, ys = limbs(x), limbs(y)
    total: Value | None = None
    for i in range(count):
        for j in range(count - i):
            term = b.convert(contract(xs[i], ys[j], D.f64), D.u64)
            if i + j:
                term = b.binary("shl", term, b.like(term, _LIMB * (i + j)))
            total = term if total is None else b.binary("add", total, term)
    assert total is not None, "a type has a limb"
    return b.bitcast(total, dtype)

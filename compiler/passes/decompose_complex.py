"""Complex numbers as pairs of real tensors.

    %2: c64[n] = binary(%0, %1) kind=mul    ->   re = re0*re1 - im0*im1, im = re0*im1 + im0*re1

Parameters and results keep their storage, pairs of reals side by side: bitcast_convert c64[..] <-> f32[..,2] at the
graph's border is a renaming of memory. Everything between works on separate real and imaginary parts; loops and
branches carry both. Kernels of LAPACK take and leave pairs side by side, as parameters and results do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..errors import Refusal, UnsupportedOp, UnsupportedOpsError
from ..graph import ops
from ..graph.builder import Builder
from ..graph.complex_parts import PART
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.module import Module
from ..isa.dtypes import DType
from .complex_functions import UNARY, add, arc_tangent, divide, extreme, multiply, power, subtract

Pair = tuple[Value, Value]


def decompose_complex(module: Module, target: object) -> None:
    """Rewrite the module so that only its parameters and results are complex, in place.

    Raises UnsupportedOpsError with all ops that have no meaning here for complex numbers; zeros stand for their results.
    """
    graph = module.main
    if not any(v.dtype.kind == "c" for op in graph.walk() for v in (*op.operands, *op.results)):
        return
    prologue: list[Op] = []
    splitter = _Splitter()
    for argument in graph.arguments:
        if argument.dtype.kind == "c":
            splitter.take(Builder(prologue), argument)
    splitter.run(graph)
    b = Builder(graph.ops)
    originals = {id(a) for a in graph.arguments}
    graph.results = [
        splitter.joined(b, v) if v in splitter.pairs and id(v) not in originals else v for v in graph.results
    ]
    graph.ops[:0] = prologue
    if splitter.refused:
        raise UnsupportedOpsError(module.name, splitter.refused)


def _halves(b: Builder, both: Value) -> Pair:
    last, shape = both.type.rank - 1, both.shape[:-1]
    re, im = (b.reshape(b.slice_dim(both, last, k, k + 1), shape) for k in range(2))
    return re, im


def _side_by_side(x: Value) -> TensorType:
    return TensorType((*x.shape, 2), PART[x.dtype])


class _Splitter:
    """Rewrites graphs.

    `pairs` maps complex values to their parts, `whole` those of which pairs lie side by side in memory to that tensor,
    `renamed` other values to their replacements.
    """

    def __init__(self) -> None:
        self.pairs: dict[Value, Pair] = {}
        self.whole: dict[Value, Value] = {}
        self.renamed: dict[Value, Value] = {}
        self.refused: list[Refusal] = []

    def take(self, b: Builder, x: Value) -> None:
        """Split a value that is in memory."""
        if x.type.size == 0:
            nothing = b.constant(0, TensorType(x.shape, PART[x.dtype]))
            self.pairs[x] = nothing, nothing
            return
        self.whole[x] = b.emit(ops.BitcastConvert([x]), _side_by_side(x))
        self.pairs[x] = _halves(b, self.whole[x])

    def joined(self, b: Builder, x: Value) -> Value:
        """Return a complex tensor again."""
        if x.type.size == 0:
            return b.constant(0, x.type)
        return b.emit(ops.BitcastConvert([self._together(b, x)]), x.type)

    def _together(self, b: Builder, x: Value) -> Value:
        if x in self.whole:
            return self.whole[x]
        if x.type.size == 0:
            return b.constant(0, _side_by_side(x))
        return b.concatenate([b.reshape(part, (*part.shape, 1)) for part in self.pairs[x]], x.type.rank)

    def run(self, graph: Graph) -> None:
        source, graph.ops = graph.ops, []
        b = Builder(graph.ops)
        for op in source:
            b.loc = op.loc
            op.operands = [self.renamed.get(v, v) for v in op.operands]
            if isinstance(op, (ops.While, ops.Case)):
                self._control(op, b)
            elif any(v.dtype.kind == "c" for v in (*op.operands, *op.results)):
                try:
                    self._op(op, b)
                except UnsupportedOp as reason:
                    self.refused.append((op.name, op.loc, str(reason)))
                    self._stand_in(op, b)
            else:
                for region in op.regions():
                    self.run(region)
                graph.ops.append(op)
        graph.results = [self.renamed.get(v, v) for v in graph.results]

    def _parts(self, values: list[Value]) -> list[Value]:
        """Return the values with both parts in place of complex ones."""
        return [p for v in values for p in self.pairs.get(v, (v,))]

    def _replace(self, op: Op, old: list[Value]) -> None:
        """Give an op results for the parts of `old`, its results so far."""
        op.results = []
        for value in old:
            if value.dtype.kind == "c":
                part = TensorType(value.shape, PART[value.dtype])
                made = [Value(part, op), Value(part, op)]
                self.pairs[value] = (made[0], made[1])
            else:
                made = [value]
            op.results += made
        for i, value in enumerate(op.results):
            value.index = i

    def _control(self, op: Op, b: Builder) -> None:
        op.operands = self._parts(op.operands)
        for region in op.regions():
            old, region.arguments = region.arguments, []
            for value in old:
                if value.dtype.kind == "c":
                    part = TensorType(value.shape, PART[value.dtype])
                    self.pairs[value] = (region.argument(part), region.argument(part))
                else:
                    value.index = len(region.arguments)
                    region.arguments.append(value)
            self.run(region)
            region.results = self._parts(region.results)
        self._replace(op, op.results)
        b.ops.append(op)

    def _whole(self, op: Op, b: Builder) -> None:
        """Leave an op that takes and gives complex tensors as the graph's border does."""
        op.operands = [self.joined(b, v) if v.dtype.kind == "c" else v for v in op.operands]
        b.ops.append(op)
        for value in op.results:
            if value.dtype.kind == "c":
                self.take(b, value)

    def _op(self, op: Op, b: Builder) -> None:
        if isinstance(op, (ops.AicpuKernel, ops.Collective)):
            return self._side_by_side(op, b)
        if isinstance(op, ops.HostCall):
            return self._whole(op, b)
        rule = _RULES.get(type(op))
        if rule is None:
            raise UnsupportedOp("of complex numbers")
        parts = [self.pairs.get(v, (v, None)) for v in op.operands]
        result = rule(op, b, parts)
        if isinstance(result, tuple):
            self.pairs[op.results[0]] = result
        elif result is not None:
            self.renamed[op.results[0]] = result
        else:  # several results: both parts went through one op
            self._several(op, b)

    def _side_by_side(self, op: Op, b: Builder) -> None:
        """Let an op take and give pairs in memory: what it does to elements, if anything, is a sum."""
        op.operands = [self._together(b, v) if v.dtype.kind == "c" else v for v in op.operands]
        old, op.results = op.results, []
        for value in old:
            together = Value(_side_by_side(value), op, value.index) if value.dtype.kind == "c" else value
            op.results.append(together)
        b.ops.append(op)
        for value, together in zip(old, op.results):
            if value is not together:
                self.whole[value], self.pairs[value] = together, _halves(b, together)

    def _stand_in(self, op: Op, b: Builder) -> None:
        for value in op.results:
            if value.dtype.kind == "c":
                zero = b.constant(0, TensorType(value.shape, PART[value.dtype]))
                self.pairs[value] = zero, zero
            else:
                self.renamed[value] = b.constant(0, value.type)

    def _several(self, op: Op, b: Builder) -> None:
        old = op.results
        if isinstance(op, ops.Sort):
            place = [len(self._parts(op.operands[:number])) for number in range(len(op.operands))]
            op.keys = tuple((place[number], descending) for number, descending in op.keys)
        op.operands = self._parts(op.operands)
        self._replace(op, old)
        b.ops.append(op)


def _constant(op: ops.Constant, b: Builder, parts: list[Pair]) -> Pair:
    part = TensorType(op.result.shape, PART[op.result.dtype])
    made: list[Value] = []
    for array in (np.real(op.value), np.imag(op.value)):
        value = array if op.splat is not None else np.ascontiguousarray(array)
        made.append(b.emit(ops.Constant([], value), part))
    return made[0], made[1]


def _both(op: Op, b: Builder, parts: list[Pair]) -> Pair:
    """Do to each part what the op does to the whole."""

    def one(k: int) -> Value:
        operands = [pair[k] if v.dtype.kind == "c" else v for v, pair in zip(op.operands, parts)]
        result = op.results[0]
        return b.emit(op.clone(operands), TensorType(result.shape, PART[result.dtype]))

    return one(0), one(1)


def _binary(op: ops.Binary, b: Builder, parts: list[Pair]) -> Pair:
    if op.kind == "complex":
        return op.operands[0], op.operands[1]
    rules: dict[str, Callable[[Builder, Pair, Pair], Pair]] = {
        "add": add,
        "atan2": arc_tangent,
        "div": divide,
        "max": partial(extreme, direction="GT"),
        "min": partial(extreme, direction="LT"),
        "mul": multiply,
        "pow": power,
        "sub": subtract,
    }
    if op.kind not in rules:
        raise UnsupportedOp(f"{op.kind} of complex numbers")
    return rules[op.kind](b, parts[0], parts[1])


def _unary(op: ops.Unary, b: Builder, parts: list[Pair]) -> Pair | Value:
    if op.kind not in UNARY:
        raise UnsupportedOp(f"{op.kind} of complex numbers")
    return UNARY[op.kind](b, parts[0])


def _compare(op: ops.Compare, b: Builder, parts: list[Pair]) -> Value:
    tests = [b.compare(op.direction, parts[0][k], parts[1][k]) for k in range(2)]
    return b.binary("and" if op.direction == "EQ" else "or", *tests)


def _convert(op: ops.Convert, b: Builder, parts: list[tuple[Value, Value | None]]) -> Pair:
    part = PART[op.result.dtype]
    re, im = parts[0]
    re = b.convert(re, part)
    return re, b.convert(im, part) if im is not None else b.like(re, 0)


def _iota(op: ops.Iota, b: Builder, parts: list[Pair]) -> Pair:
    part = TensorType(op.result.shape, PART[op.result.dtype])
    return b.emit(ops.Iota([], op.dimension), part), b.constant(0, part)


def _bitcast(op: ops.BitcastConvert, b: Builder, parts: list[Pair]) -> Pair:
    """Between c128 and pairs of c64: the bits of each part of the former are one of the latter."""
    part = TensorType(op.result.shape, PART[op.result.dtype])
    if op.operands[0].dtype is DType.c128:
        halves = [b.emit(ops.BitcastConvert([p]), part) for p in parts[0]]
        last = part.rank - 1
        low, high = ([b.slice_dim(h, last, k, k + 1) for h in halves] for k in range(2))
        return b.concatenate(low, last), b.concatenate(high, last)
    last = parts[0][0].type.rank - 1
    numbers = [b.concatenate([b.slice_dim(p, last, k, k + 1) for p in parts[0]], last) for k in range(2)]
    real, imag = (b.emit(ops.BitcastConvert([number]), part) for number in numbers)
    return real, imag


_COMBINE: dict[str, Callable[[Builder, Pair, Pair], Pair]] = {
    "max": partial(extreme, direction="GT"),
    "min": partial(extreme, direction="LT"),
    "mul": multiply,
}


def _reduce(op: ops.Reduce, b: Builder, parts: list[Pair]) -> Pair:
    if op.kind == "add":
        return _both(op, b, parts)
    pair, combine = parts[0], _COMBINE[op.kind]
    for d in sorted(op.dimensions, reverse=True):
        while (size := pair[0].shape[d]) > 1:
            half = size // 2
            rest = [b.slice_dim(p, d, 2 * half, size) for p in pair] if size % 2 else None
            left, right = ([b.slice_dim(p, d, s, s + half) for p in pair] for s in (0, half))
            pair = combine(b, (left[0], left[1]), (right[0], right[1]))
            if rest is not None:
                pair = (b.concatenate([pair[0], rest[0]], d), b.concatenate([pair[1], rest[1]], d))
    re, im = (b.reshape(p, op.result.shape) for p in pair)
    return re, im


def _through(op: Op, b: Builder, parts: list[Pair]) -> None:
    return None


_RULES: dict[type[Op], Callable[..., Pair | Value | None]] = {
    ops.Binary: _binary,
    ops.BitcastConvert: _bitcast,
    ops.Compare: _compare,
    ops.Constant: _constant,
    ops.Convert: _convert,
    ops.Iota: _iota,
    ops.OptimizationBarrier: _through,
    ops.Reduce: _reduce,
    ops.Sort: _through,
    ops.Unary: _unary,
    **dict.fromkeys(
        (
            *(ops.BroadcastInDim, ops.Concatenate, ops.DynamicSlice, ops.DynamicUpdateSlice, ops.GatherSlices),
            *(ops.Pad, ops.Reshape, ops.Reverse, ops.ScatterSlices, ops.Select, ops.Slice, ops.Transpose),
        ),
        _both,
    ),
}

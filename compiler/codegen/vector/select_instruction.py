"""Which instruction computes an op on tiles of given kinds.

x[r, c] + b[c]    ->  tcolexpandadd           x * 2    ->  tmuls
x[r, c] - m[r]    ->  trowexpandsub           1 - x    ->  trsubs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graph.ops import Binary, Compare, Reduce, ReducePrecision, Select, Unary
from ...isa.dtypes import DType
from ...isa.model import Spec, TileRef, instruction_set
from .nodes import Node, NotVectorizable

if TYPE_CHECKING:
    from .emit import Kind, SectionEmitter

UNARY = {
    **{k: f"t{k}" for k in ("abs", "neg", "sign", "floor", "ceil", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt")},
    **{k: f"t{k}" for k in ("cbrt", "sin", "cos", "tan", "tanh", "logistic", "erf", "erfc", "not", "popcnt", "clz")},
    "round_even": "trint",
    "round_afz": "tround",
    "is_finite": "tisfinite",
}
BINARY = {
    **{
        k: f"t{k}" for k in ("add", "sub", "mul", "div", "rem", "max", "min", "pow", "atan2", "and", "or", "xor", "shl")
    },
    "shr_logical": "tshrl",
    "shr_arithmetic": "tshr",
}
WITH_SCALAR = {  # (x op c, c op x)
    "add": ("tadds", "tadds"),
    "sub": ("tsubs", "trsubs"),
    "mul": ("tmuls", "tmuls"),
    "div": ("tdivs", "trdivs"),
    "max": ("tmaxs", "tmaxs"),
    "min": ("tmins", "tmins"),
    "and": ("tands", "tands"),
    "or": ("tors", "tors"),
    "xor": ("txors", "txors"),
    "shl": ("tshls", None),
    "shr_logical": ("tshrls", None),
    "shr_arithmetic": ("tshrs", None),
}
EXPANDING = ("add", "sub", "mul", "div", "max", "min")
COMMUTES = ("add", "mul", "max", "min")
FLIPPED = {"LT": "gt", "LE": "ge", "GT": "lt", "GE": "le", "EQ": "eq", "NE": "ne"}
SUMS = {"add": "sum", "mul": "prod", "max": "max", "min": "min"}
BOOLEAN_SUMS = {"or": "max", "and": "min", "add": "max", "mul": "min", "max": "max", "min": "min"}
_COMBINE = {"add": "tadd", "mul": "tmul", "max": "tmax", "min": "tmin", "and": "tand", "or": "tor", "xor": "txor"}


def emit_op(e: SectionEmitter, node: Node, dst: TileRef, kind: Kind) -> None:
    """Append the instructions of an elementwise node."""
    op = node.op
    if isinstance(op, Unary):
        if op.kind not in UNARY:
            raise NotVectorizable(f"[vector] unary {op.kind} at {op.loc} has no vector instruction")
        getattr(e.b, UNARY[op.kind])(dst, e.tile(node.operands[0], kind))
    elif isinstance(op, Binary):
        _binary(e, op.kind, node, dst, kind)
    elif isinstance(op, Compare):
        _compare(e, op, node, dst, kind)
    elif isinstance(op, Select):
        e.b.tsel(dst, *(e.tile(n, kind) for n in node.operands))
    elif isinstance(op, ReducePrecision):
        format = (op.exponent_bits, op.mantissa_bits)
        e.b.treduceprecision(dst, e.tile(node.operands[0], kind), format)
    else:
        raise NotVectorizable(f"[vector] {op.name if op else node.kind} is no elementwise op")


def _binary(e: SectionEmitter, name: str, node: Node, dst: TileRef, kind: Kind) -> None:
    if name not in BINARY:
        raise NotVectorizable(f"[vector] binary {name} has no vector instruction")
    a, b = node.operands
    boolean = node.dtype is DType.i1
    if name in WITH_SCALAR and not (boolean and name not in ("and", "or", "xor")):
        right, left = WITH_SCALAR[name]
        if b.kind == "const" and a.kind != "const":
            getattr(e.b, right)(dst, e.tile(a, kind), b.value)
            return
        if a.kind == "const" and b.kind != "const" and left:
            getattr(e.b, left)(dst, e.tile(b, kind), a.value)
            return
    if name == "pow" and b.kind == "const" and b.value == 2:
        x = e.tile(a, kind)
        e.b.tmul(dst, x, x)
        return
    if name in EXPANDING and not boolean and a.kind != "const" and b.kind != "const":
        if name in COMMUTES and e.kind(a) != kind and e.kind(b) == kind:
            a, b = b, a
        along = _expansion(e, kind, e.kind(b))
        if along is not None:
            which, source = along
            getattr(e.b, f"t{which}expand{name}")(dst, e.tile(a, kind), e.tile(b, source))
            return
    getattr(e.b, BINARY[name])(dst, e.tile(a, kind), e.tile(b, kind))


def _expansion(e: SectionEmitter, kind: Kind, small: Kind) -> tuple[str, Kind] | None:
    """Return how an operand of kind `small` combines with a tile of kind `kind` without being expanded first."""
    rows, columns = kind[0] and not small[0], kind[1] and not small[1]
    if columns and not rows:
        return "row", small  # one column
    if rows and not columns:
        return "col", small
    if rows and columns:
        return "col", (False, True)  # a scalar, expanded to a row
    return None


def _compare(e: SectionEmitter, op: Compare, node: Node, dst: TileRef, kind: Kind) -> None:
    a, b = node.operands
    if b.kind == "const" and a.kind != "const":
        e.b.tcmps(dst, e.tile(a, kind), b.value, op.direction.lower())
    elif a.kind == "const" and b.kind != "const":
        e.b.tcmps(dst, e.tile(b, kind), a.value, FLIPPED[op.direction])
    else:
        e.b.tcmp(dst, e.tile(a, kind), e.tile(b, kind), op.direction.lower())


def reduction_kind(node: Node) -> str:
    """Return the kind of the node's Reduce."""
    assert isinstance(node.op, Reduce)
    return node.op.kind


def reduces_in_tile(kind: str, dtype: DType) -> bool:
    """Whether an instruction reduces a tile so; otherwise the axes are looped over."""
    return kind in (BOOLEAN_SUMS if dtype is DType.i1 else SUMS)


def reduce_instruction(node: Node, along: str) -> Spec:
    """Return the instruction that reduces along tile rows ("row": over columns) or columns."""
    if node.kind == "arg":
        return instruction_set()[f"trow{node.op.kind}"]  # type: ignore[union-attr]
    kinds = BOOLEAN_SUMS if node.dtype is DType.i1 else SUMS
    return instruction_set()[f"t{along}{kinds[reduction_kind(node)]}"]


def accumulate(e: SectionEmitter, node: Node, total: TileRef, part: TileRef) -> None:
    """Append total = total combined with part."""
    getattr(e.b, _COMBINE[reduction_kind(node)])(total, total, part)

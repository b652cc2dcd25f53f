"""Importers of linear algebra: custom calls of LAPACK's routines as JAX makes them for CPUs, and the ops of StableHLO.

A target is `lapack_<letter of the type><routine>_ffi`, and matrices come with a layout by columns, which is how the
routine sees them; here they lie by rows, and the kernel turns them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from jaxlib.mlir import ir

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.complex_parts import parts
from ..graph.graph import TensorType, Value
from ..isa.aicpu import Slots
from ..isa.dtypes import DType
from ..isa.stream import AICPU_BY_NAME
from .constants import integers
from .scope import Importer, Scope

_TARGET = re.compile(r"lapack_[sdcz](\w+)_ffi")
_TRANSPOSE = {"NO_TRANSPOSE": 0, "TRANSPOSE": 1, "ADJOINT": 2}
Own = dict[str, int | bool]
"""Parameters of a kernel, but the type and the batch."""


def emit(scope: Scope, kernel: str, operands: Sequence[Value], own: Own) -> list[Value]:
    """Append a kernel on these operands; UnsupportedOp if one has not the shape or type that the parameters imply."""
    spec = AICPU_BY_NAME[kernel]
    slots = spec.slots[len(spec.results) :]
    first, slot = operands[0], slots[0]
    assert slot.extents is not None, "[lapack] matrices have declared extents"
    batch = first.shape[: first.type.rank - len(slot.extents)]
    known: dict[str, Any] = {"dtype": first.dtype, "batch": prod(batch), **own}
    if "dtype" in (p.name for p in spec.parameters) and first.dtype not in (
        DType.f32,
        DType.f64,
        DType.c64,
        DType.c128,
    ):
        raise UnsupportedOp(f"of {first.dtype}; expected f32, f64, c64 or c128")
    parameters = tuple((p.name, known[p.name]) for p in spec.parameters)

    def type_of(slot: Slots) -> TensorType:
        return TensorType((*batch, *slot.shape(known)[1:]), slot.dtype(known))

    if len(operands) != len(slots):
        raise UnsupportedOp(f"with {len(operands)} operands; expected {len(slots)}")
    for value, slot in zip(operands, slots):
        if value.type != type_of(slot):
            raise UnsupportedOp(f"{slot.name} is {value.type}; expected {type_of(slot)}")
    return scope.emit_op(ops.AicpuKernel(list(operands), kernel, parameters), list(map(type_of, spec.results)))


class _Call:
    """A custom call's attributes by name."""

    def __init__(self, op: ir.OpView) -> None:
        attributes: Any = op.attributes
        names = [name for name in ("mhlo.backend_config", "backend_config") if name in attributes]
        self._attributes: Any = attributes[names[0]] if names else {}

    def integer(self, name: str) -> int:
        if name not in self._attributes:
            raise UnsupportedOp(f"without the attribute {name}")
        return int(self._attributes[name].value)

    def letter(self, name: str, expected: str) -> str:
        """Return an attribute that is the code of one of these letters."""
        code = self.integer(name)
        if not 0 <= code < 128 or chr(code) not in expected:
            raise UnsupportedOp(f"{name} is {code}; expected the code of a letter of {expected}")
        return chr(code)


def _sizes(x: Value) -> Own:
    m, n = x.shape[-2:]
    return {"m": m, "n": n, "k": min(m, n)}


def _triangle(call: _Call) -> bool:
    return call.letter("uplo", "LU") == "L"


def _potrf(call: _Call, a: Value) -> Own:
    return {"n": a.shape[-1], "lower": _triangle(call)}


def _trsm(call: _Call, a: Value, b: Value) -> Own:
    left, transpose = call.letter("side", "LR") == "L", "NTC".index(call.letter("trans_x", "NTC"))
    unit = call.letter("diag", "NU") == "U"
    return _solve(b, left, _triangle(call), transpose, unit)


def _solve(b: Value, left: bool, lower: bool, transpose: int, unit: bool) -> Own:
    m, n = b.shape[-2:]
    return {"m": m, "n": n, "k": m if left else n, "left": left, "lower": lower, "transpose": transpose, "unit": unit}


def _factor(call: _Call, a: Value) -> Own:
    return _sizes(a)


def _geqp3(call: _Call, a: Value, columns: Value) -> Own:
    return _sizes(a)


def _orgqr(call: _Call, a: Value, taus: Value) -> Own:
    return _sizes(a) | {"k": taus.shape[-1]}


def _ormqr(call: _Call, a: Value, taus: Value, c: Value) -> Own:
    left, transpose = (bool(call.integer(name)) for name in ("left", "transpose"))
    rows, columns = a.shape[-2:]
    own: Own = {"k": taus.shape[-1], "r": rows, "columns": columns, "left": left, "transpose": transpose}
    return _sizes(c) | own


def _syevd(call: _Call, a: Value) -> Own:
    return {"n": a.shape[-1], "lower": _triangle(call), "vectors": call.letter("mode", "NV") == "V"}


def _sytrd(call: _Call, a: Value) -> Own:
    return {"n": a.shape[-1], "lower": _triangle(call)}


def _geev(call: _Call, a: Value) -> Own:
    left, right = (call.letter(f"compute_{side}", "NV") == "V" for side in ("left", "right"))
    return {"n": a.shape[-1], "left": left, "right": right}


def _gees(call: _Call, a: Value) -> Own:
    call.letter("sort", "N")
    return {"n": a.shape[-1], "vectors": call.letter("mode", "NV") == "V"}


def _gehrd(call: _Call, a: Value) -> Own:
    return {"n": a.shape[-1], "low": call.integer("low"), "high": call.integer("high")}


def _svd(divide: bool) -> Callable[[_Call, Value], Own]:
    def own(call: _Call, a: Value) -> Own:
        sizes, vectors = _sizes(a), "NSA".index(call.letter("mode", "NSA"))
        full = vectors == 2
        columns, rows = sizes["m" if full else "k"], sizes["n" if full else "k"]
        return {**sizes, "columns": columns, "rows": rows, "vectors": vectors, "divide": divide}

    return own


def _gtsv(call: _Call, lower: Value, diagonal: Value, upper: Value, b: Value) -> Own:
    return {"n": b.shape[-2], "m": b.shape[-1]}


def _pivots(call: _Call, pivots: Value) -> Own:
    return {"k": pivots.shape[-1]}


_ROUTINES: dict[str, tuple[str, Callable[..., Own]]] = {
    "geev": ("geev", _geev), "gees": ("gees", _gees), "gehrd": ("gehrd", _gehrd), "geqp3": ("geqp3", _geqp3),
    "geqrf": ("geqrf", _factor), "gesdd": ("svd", _svd(True)), "gesvd": ("svd", _svd(False)), "getrf": ("getrf", _factor),
    "gtsv": ("gtsv", _gtsv), "heevd": ("syevd", _syevd), "hetrd": ("sytrd", _sytrd), "orgqr": ("orgqr", _orgqr),
    "ormqr": ("ormqr", _ormqr), "potrf": ("potrf", _potrf), "syevd": ("syevd", _syevd), "sytrd": ("sytrd", _sytrd),
    "trsm": ("trsm", _trsm), "ungqr": ("orgqr", _orgqr), "unmqr": ("ormqr", _ormqr),
}  # fmt: skip
_TARGETS: dict[str, tuple[str, Callable[..., Own]]] = {
    "tridiagonal_solve_perturbed_ffi": ("gtsv_perturbed", _gtsv),
    "cu_lu_pivots_to_permutation": ("pivots_to_permutation", _pivots),
}


def custom_call(scope: Scope, op: ir.OpView) -> Sequence[Value] | None:
    """Import a custom call of a routine; None if it is of something else."""
    attributes: Any = op.attributes
    target = attributes["call_target_name"].value
    match = _TARGET.fullmatch(target)
    found = _ROUTINES.get(match[1]) if match else _TARGETS.get(target)
    if found is None:
        return None
    kernel, own_of = found
    spec, types = AICPU_BY_NAME[kernel], scope.result_types(op)
    results, operands = list(spec.results), list(spec.slots[len(spec.results) :])
    given = scope.operands(op)
    if kernel in ("geev", "gees") and given and given[0].dtype.kind != "c":  # real and imaginary parts apart
        at = [slot.name for slot in results].index("eigenvalues")
        results[at : at + 1] = [results[at]] * 2
    if len(given) != len(operands) or len(types) != len(results):
        raise UnsupportedOp(f"expected {len(operands)} operands and {len(results)} results")
    rows_of_operands = _by_rows(op, "operand_layouts", [v.type for v in given], operands)
    rows_of_results = _by_rows(op, "result_layouts", types, results)
    given = [_turned(scope, v, rows) for v, rows in zip(given, rows_of_operands)]
    own = own_of(_Call(op), *given)
    if kernel == "pivots_to_permutation":
        own["m"] = types[0].shape[-1]
    if kernel == "svd" and not own["vectors"]:  # nobody computes them, but they have a place
        own["columns"], own["rows"] = types[2].shape[-1], types[3].shape[-2]
    made: list[Value] = []
    for slot, value in zip(spec.results, emit(scope, kernel, given, own)):
        split = slot.name == "eigenvalues" and len(results) > len(spec.results)
        made += [v for v in parts(scope, value) if v is not None] if split else [value]
    made = [_restored(scope, v, rows) for v, rows in zip(made, rows_of_results)]
    if [v.type for v in made] != types:
        raise UnsupportedOp(
            f"results are {', '.join(map(str, types))}; expected {', '.join(str(v.type) for v in made)}"
        )
    return made


def _by_rows(op: ir.OpView, name: str, types: Sequence[TensorType], slots: Sequence[Slots]) -> list[bool]:
    """Return for each operand or result whether it is a matrix that the call lays out by rows."""
    attributes: Any = op.attributes
    found: list[bool] = []
    for i, (type, slot) in enumerate(zip(types, slots)):
        dimensions = len(slot.extents or ())
        if type.rank < dimensions:
            raise UnsupportedOp(f"{slot.name} is {type}; expected {dimensions} dimensions or more")
        by_rows = tuple(range(type.rank - 1, -1, -1))
        layout = tuple(integers(attributes[name][i])) if name in attributes else by_rows
        if layout != by_rows and not (dimensions == 2 and layout == (type.rank - 2, type.rank - 1, *by_rows[2:])):
            raise UnsupportedOp(
                f"{slot.name} has layout {list(layout)}; expected matrices by columns, and nothing else"
            )
        found.append(dimensions == 2 and layout == by_rows)
    return found


def _turned(scope: Scope, x: Value, by_rows: bool) -> Value:
    """Return a matrix as the routine sees it: memory that the call lays out by rows, it reads by columns."""
    if not by_rows:
        return x
    *batch, m, n = x.shape
    return _swapped(scope, scope.reshape(x, (*batch, n, m)))


def _restored(scope: Scope, x: Value, by_rows: bool) -> Value:
    """Undo _turned."""
    return scope.reshape(_swapped(scope, x), x.shape) if by_rows else x


def _swapped(scope: Scope, x: Value) -> Value:
    rank = x.type.rank
    return scope.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


def _widened(scope: Scope, values: Sequence[Value]) -> list[Value]:
    """Return halves as f32."""
    return [scope.convert(v, DType.f32) if v.dtype in (DType.f16, DType.bf16) else v for v in values]


def cholesky(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a Cholesky factorisation: NaN where a matrix is not positive definite; the other triangle as it was."""
    type = scope.result_type(op)
    (a,) = _widened(scope, scope.operands(op))
    own: Own = {"n": a.shape[-1], "lower": bool(scope.integer(op, "lower"))}
    factor, info = emit(scope, "potrf", [a], own)
    good = scope.compare("EQ", info, scope.like(info, 0))
    good = scope.broadcast(good, a.shape, tuple(range(info.type.rank)))
    nan = complex("nan+nanj") if a.dtype.kind == "c" else float("nan")
    return [scope.convert(scope.select(good, factor, scope.like(factor, nan)), type.dtype)]


def triangular_solve(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a triangular solve."""
    type, transpose = scope.result_type(op), scope.keyword(op, "transpose_a")
    a, b = _widened(scope, scope.operands(op))
    left, lower, unit = (bool(scope.integer(op, name)) for name in ("left_side", "lower", "unit_diagonal"))
    if transpose not in _TRANSPOSE:
        raise UnsupportedOp(f"transpose_a is {transpose}; expected {', '.join(_TRANSPOSE)}")
    (x,) = emit(scope, "trsm", [a, b], _solve(b, left, lower, _TRANSPOSE[transpose], unit))
    return [scope.convert(x, type.dtype)]


def qr(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a QR factorisation: packed matrix and taus."""
    operands = _widened(scope, scope.operands(op))
    found = emit(scope, "geqrf", operands, _sizes(operands[0]))
    return [scope.convert(v, t.dtype) for v, t in zip(found, scope.result_types(op))]


def householder_product(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the product of the reflections of a QR factorisation."""
    a, taus = _widened(scope, scope.operands(op))
    (q,) = emit(scope, "orgqr", [a, taus], _sizes(a) | {"k": taus.shape[-1]})
    return [scope.convert(q, scope.result_type(op).dtype)]


CALLS: dict[str, Importer] = {"ProductOfElementaryHouseholderReflectors": householder_product, "Qr": qr}
"""Importers of the custom calls that JAX makes for platforms without rules of their own."""

IMPORTERS: dict[str, Importer] = {"stablehlo.cholesky": cholesky, "stablehlo.triangular_solve": triangular_solve}

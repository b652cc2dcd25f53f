"""What the importers refuse, rewritten by jaxlib's own MLIR passes into what they take.

    tensor<?xf32> from dynamic_reshape of a constant shape   ->  tensor<4xf32>     (refine-shapes, canonicalize-dynamism)
    set_dimension_size of tensor<6xf32> to a constant, 4     ->  slice to tensor<4xf32>, and what follows from it
    tensor<4x!quant.uniform<i8:f32, 0.5>>, uniform_quantize  ->  tensor<4xi8> and arithmetic  (legalize-quant-to-math)
    chlo.broadcast_add, chlo.scan, cross-replica-sum         ->  StableHLO ops of today

Ordinary programs hold nothing of this and never come here.
"""

from __future__ import annotations

from typing import Any

from jaxlib.mlir import ir, passmanager
from jaxlib.mlir.dialects import stablehlo

from .constants import integers

_FUNCTION_PASSES = (
    "stablehlo-legalize-quant-to-math",
    "chlo-legalize-to-stablehlo",
    "stablehlo-legalize-deprecated-ops",
)
_SHAPES = "stablehlo-refine-shapes,func.func(stablehlo-canonicalize-dynamism)"
PIPELINES = (
    *(f"func.func({name}{'{fail-on-unused=false}' if 'deprecated' in name else ''})" for name in _FUNCTION_PASSES),
    *(_SHAPES,) * 2,  # what is canonical after the first round tells more shapes
)


def _turn_reversed_scans(module: ir.Module) -> None:
    """Make scans from the end scans of reversed tensors, in place: jaxlib's expansion of chlo.scan overlooks is_reverse."""
    scans: list[ir.Operation] = []

    def collect(op: ir.Operation) -> ir.WalkResult:
        attributes: Any = op.attributes
        if op.name == "chlo.scan" and "is_reverse" in attributes and attributes["is_reverse"].value:
            scans.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(collect)
    for op in scans:
        attributes: Any = op.attributes
        scanned, collected = attributes["operandSegmentSizes"][0], attributes["resultSegmentSizes"][0]
        along = ir.DenseI64ArrayAttr.get([attributes["dimension"].value])
        op.attributes["is_reverse"] = ir.BoolAttr.get(False)
        with op.location:
            with ir.InsertionPoint(op):
                for i in range(scanned):
                    op.operands[i] = stablehlo.ReverseOp(op.operands[i], along).result
            with ir.InsertionPoint.after(op):
                for result in list(op.results)[:collected]:
                    turned = stablehlo.ReverseOp(result, along)
                    result.replace_all_uses_except(turned.result, turned.operation)


def _cut_to_sizes(module: ir.Module) -> None:
    """Make dimensions that are set to a smaller constant size slices, in place: later shapes follow from that."""
    found: list[ir.Operation] = []

    def collect(op: ir.Operation) -> ir.WalkResult:
        if op.name == "stablehlo.set_dimension_size":
            found.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(collect)
    for op in found:
        operand, type, size = op.operands[0], ir.RankedTensorType(op.operands[0].type), _constant(op.operands[1])
        attributes: Any = op.attributes
        dimension = attributes["dimension"].value
        if size is None or not type.has_static_shape or not 0 <= size <= type.shape[dimension]:
            continue  # the import says why not
        limits = [size if d == dimension else n for d, n in enumerate(type.shape)]
        start, limit, stride = map(ir.DenseI64ArrayAttr.get, ([0] * type.rank, limits, [1] * type.rank))
        with op.location, ir.InsertionPoint(op):
            cut = stablehlo.SliceOp(operand, start, limit, stride).result
        result: Any = op.results[0]
        result.replace_all_uses_with(cut)
        op.erase()


def _constant(value: ir.Value) -> int | None:
    owner: Any = value.owner
    if isinstance(owner, ir.Block) or owner.operation.name != "stablehlo.constant":
        return None
    return integers(owner.operation.attributes["value"])[0]


def legalize(module: ir.Module) -> ir.Module:
    """Return a copy of a module after every pipeline that can run on it; the module stays as it is."""
    stablehlo.register_stablehlo_passes()
    context = module.context
    with context, ir.Location.unknown():
        module = ir.Module.parse(str(module.operation.get_asm(enable_debug_info=True)))
        _turn_reversed_scans(module)
        _cut_to_sizes(module)
        for pipeline in PIPELINES:
            changed = ir.Module.parse(str(module.operation.get_asm(enable_debug_info=True)))
            try:
                passmanager.PassManager.parse(f"builtin.module({pipeline})").run(changed.operation)
            except ir.MLIRError:
                continue  # not a module for this pass: what it would have changed is refused by the import, with its place
            _cut_to_sizes(changed)
            module = changed
    return module

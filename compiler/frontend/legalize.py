"""What the importers refuse, rewritten by jaxlib's own MLIR passes into what they take.

    tensor<?xf32> from dynamic_reshape of a constant shape   ->  tensor<4xf32>     (refine-shapes, canonicalize-dynamism)
    tensor<4x!quant.uniform<i8:f32, 0.5>>, uniform_quantize  ->  tensor<4xi8> and arithmetic  (legalize-quant-to-math)
    chlo.broadcast_add, chlo.scan, cross-replica-sum         ->  StableHLO ops of today

Ordinary programs hold nothing of this and never come here.
"""

from __future__ import annotations

from typing import Any

from jaxlib.mlir import ir, passmanager
from jaxlib.mlir.dialects import stablehlo

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


def legalize(module: ir.Module) -> ir.Module:
    """Return a copy of a module after every pipeline that can run on it; the module stays as it is."""
    stablehlo.register_stablehlo_passes()
    context = module.context
    with context, ir.Location.unknown():
        module = ir.Module.parse(str(module.operation.get_asm(enable_debug_info=True)))
        _turn_reversed_scans(module)
        for pipeline in PIPELINES:
            changed = ir.Module.parse(str(module.operation.get_asm(enable_debug_info=True)))
            try:
                passmanager.PassManager.parse(f"builtin.module({pipeline})").run(changed.operation)
            except ir.MLIRError:
                continue  # not a module for this pass: what it would have changed is refused by the import, with its place
            module = changed
    return module

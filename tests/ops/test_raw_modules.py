"""StableHLO ops that JAX does not emit, or only inside something else, written out as text."""

import pytest
from case import case, checks, verify
from raw_module import stablehlo

X = "tensor<3x4xf32>"
F = "tensor<f32>"
BATCH_NORM = "{epsilon = 0.001 : f32, feature_index = 1 : i64}"
V = "tensor<4xf32>"

CASES = [
    case(
        "logistic",
        stablehlo(f"(%x: {X}) -> ({X})", f"%0 = stablehlo.logistic %x : {X}\n return %0 : {X}"),
        "f32[3,4]",
    ),
    case(
        "all to all of one",
        stablehlo(
            f"(%x: {X}) -> ({X})",
            '%0 = "stablehlo.all_to_all"(%x) {split_dimension = 0 : i64, concat_dimension = 0 : i64, split_count = 1 : i64, '
            f"replica_groups = dense<0> : tensor<1x1xi64>}} : ({X}) -> {X}\n return %0 : {X}",
        ),
        "f32[3,4]",
    ),
    case(
        "sharding annotation",
        stablehlo(
            f"(%x: {X}) -> ({X})",
            '%0 = stablehlo.custom_call @Sharding(%x) {mhlo.sharding = "{replicated}"} : '
            f"({X}) -> {X}\n return %0 : {X}",
        ),
        "f32[3,4]",
    ),
    case(
        "cholesky in halves",  # the triangle that is not read may hold anything
        stablehlo(
            f"(%x: {X}) -> (tensor<3x3xbf16>)",
            f"%0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [1] : ({X}, {X}) -> tensor<3x3xf32>\n"
            "%1 = stablehlo.convert %0 : (tensor<3x3xf32>) -> tensor<3x3xbf16>\n"
            "%2 = stablehlo.cholesky %1, lower = true : tensor<3x3xbf16>\n"
            '%3 = "stablehlo.triangular_solve"(%2, %1) {left_side = true, lower = true, unit_diagonal = false, '
            "transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<3x3xbf16>, tensor<3x3xbf16>) -> tensor<3x3xbf16>\n"
            "return %3 : tensor<3x3xbf16>",
        ),
        "f32[3,4]",
        types="bf16",
        rounds=True,
    ),
    case(
        "broadcast",
        stablehlo(
            f"(%x: {X}) -> (tensor<2x3x4xf32>)",
            f"%0 = stablehlo.broadcast %x, sizes = [2] : ({X}) -> tensor<2x3x4xf32>\n return %0 : tensor<2x3x4xf32>",
        ),
        "f32[3,4]",
    ),
    case(
        "dot",
        stablehlo(
            f"(%x: {X}, %y: {V}) -> (tensor<3xf32>)",
            f"%0 = stablehlo.dot %x, %y : ({X}, {V}) -> tensor<3xf32>\n return %0 : tensor<3xf32>",
        ),
        "f32[3,4]",
        "f32[4]",
    ),
    case(
        "dimension size",
        stablehlo(
            f"(%x: {X}) -> (tensor<i32>)",
            f"%0 = stablehlo.get_dimension_size %x, dim = 1 : ({X}) -> tensor<i32>\n return %0 : tensor<i32>",
        ),
        "f32[3,4]",
    ),
    case(
        "if",
        stablehlo(
            f"(%p: tensor<i1>, %x: {X}) -> ({X})",
            f"""%0 = "stablehlo.if"(%p) ({{
                %1 = stablehlo.add %x, %x : {X}
                stablehlo.return %1 : {X}
            }}, {{
                stablehlo.return %x : {X}
            }}) : (tensor<i1>) -> {X}
            return %0 : {X}""",
        ),
        "bool[]",
        "f32[3,4]",
    ),
    case(
        "map",
        stablehlo(
            f"(%x: {X}, %y: {X}) -> ({X})",
            f"""%0 = "stablehlo.map"(%x, %y) <{{dimensions = array<i64: 0, 1>}}> ({{
            ^bb0(%a: {F}, %b: {F}):
                %1 = stablehlo.multiply %a, %b : {F}
                %2 = stablehlo.add %1, %b : {F}
                stablehlo.return %2 : {F}
            }}) : ({X}, {X}) -> {X}
            return %0 : {X}""",
        ),
        "f32[3,4]",
        "f32[3,4]",
    ),
    case(
        "composite",
        stablehlo(
            f"(%x: {X}) -> ({X})",
            f'%0 = stablehlo.composite "test.double" %x {{decomposition = @double}} : ({X}) -> {X}\n return %0 : {X}',
            f"func.func private @double(%x: {X}) -> {X} {{\n %0 = stablehlo.add %x, %x : {X}\n return %0 : {X}\n}}",
        ),
        "f32[3,4]",
    ),
    case(
        "tokens",
        stablehlo(
            f"(%x: {X}) -> ({X})",
            f"""%t = stablehlo.create_token : !stablehlo.token
            %u = stablehlo.after_all %t, %t : !stablehlo.token
            %0 = stablehlo.negate %x : {X}
            return %0 : {X}""",
        ),
        "f32[3,4]",
    ),
    case(
        "replica and partition",
        stablehlo(
            "() -> (tensor<ui32>, tensor<ui32>)",
            """%0 = stablehlo.replica_id : tensor<ui32>
            %1 = stablehlo.partition_id : tensor<ui32>
            return %0, %1 : tensor<ui32>, tensor<ui32>""",
        ),
    ),
    case(
        "collective broadcast",
        stablehlo(
            f"(%x: {X}) -> ({X})",
            f"""%0 = "stablehlo.collective_broadcast"(%x) {{replica_groups = dense<0> : tensor<1x1xi64>}} : ({X}) -> {X}
            return %0 : {X}""",
        ),
        "f32[3,4]",
        reference=lambda x: [x],  # XLA:CPU has no such op
    ),
    *(
        case(
            f"random bits {shape}",
            stablehlo(
                f"(%s: tensor<2xui64>) -> (tensor<2xui64>, tensor<{shape}xui32>)",
                f"""%0:2 = stablehlo.rng_bit_generator %s, algorithm = THREE_FRY :
                    (tensor<2xui64>) -> (tensor<2xui64>, tensor<{shape}xui32>)
                return %0#0, %0#1 : tensor<2xui64>, tensor<{shape}xui32>""",
            ),
            "T[2]",
            types="u64",
        )
        for shape in ("5x3", "3x5x5", "3x4", "1x1")
    ),
    case(
        "batch norm in training",
        stablehlo(
            f"(%x: {X}, %s: {V}, %b: {V}) -> ({X}, {V}, {V})",
            f"""%0:3 = "stablehlo.batch_norm_training"(%x, %s, %b) {BATCH_NORM} : ({X}, {V}, {V}) -> ({X}, {V}, {V})
            return %0#0, %0#1, %0#2 : {X}, {V}, {V}""",
        ),
        "f32[3,4]",
        "f32[4]",
        "f32[4]",
    ),
    case(
        "batch norm in inference",
        stablehlo(
            f"(%x: {X}, %s: {V}, %b: {V}, %m: {V}, %v: {V}) -> ({X})",
            f"""%0 = "stablehlo.batch_norm_inference"(%x, %s, %b, %m, %v) {BATCH_NORM} :
                ({X}, {V}, {V}, {V}, {V}) -> {X}
            return %0 : {X}""",
        ),
        "f32[3,4]",
        *["f32[4] 0.5..2"] * 4,
    ),
    case(
        "batch norm gradient",
        stablehlo(
            f"(%x: {X}, %s: {V}, %m: {V}, %v: {V}, %g: {X}) -> ({X}, {V}, {V})",
            f"""%0:3 = "stablehlo.batch_norm_grad"(%x, %s, %m, %v, %g) {BATCH_NORM} :
                ({X}, {V}, {V}, {V}, {X}) -> ({X}, {V}, {V})
            return %0#0, %0#1, %0#2 : {X}, {V}, {V}""",
        ),
        "f32[3,4]",
        *["f32[4] 0.5..2"] * 3,
        "f32[3,4]",
    ),
]


@pytest.mark.parametrize("check", [c for c in checks(CASES) if c.mode != "eager"], ids=str)
def test_raw_modules(check):
    verify(check)

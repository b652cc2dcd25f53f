"""Elementwise vector arithmetic on UB tiles of equal valid region.

Types that a device does not compute natively (targets.py) are executed all the same, promoted, and cost that.
Integer arithmetic wraps. Integer division truncates towards zero; x / 0 is -1 (all ones), x rem 0 is x. A shift by
the width or more gives 0, or the sign for an arithmetic right shift. max and min propagate NaN. treduceprecision
gives infinity for what is too large for its format, and zero for what is below its normal numbers.
"""

from ..model import CMP_MODES, ROUND_MODES, Cost, Pipe, Spec, declare, enum, imm, ints, out, same, src
from ..type_rules import COMPARE, CONVERT, SELECT

# name, meaning, types, cycles per repeat
UNARY = [
    ("tabs", "abs(src)", "all", 1),
    ("tneg", "-src", "all", 1),
    ("tnot", "bitwise not src; logical for i1", "bits", 1),
    ("tsign", "-1, 0 or 1 by the sign of src; NaN for NaN, -0 for -0", "number", 3),
    ("trelu", "max(src, 0)", "number", 1),
    ("texp", "e to the src", "float", 2),
    ("texpm1", "e to the src, minus 1", "float", 6),
    ("tlog", "natural logarithm of src", "float", 2),
    ("tlog1p", "natural logarithm of 1 + src", "float", 6),
    ("tsqrt", "square root of src", "float", 2),
    ("trsqrt", "1 / square root of src", "float", 2),
    ("tcbrt", "cube root of src", "float", 8),
    ("trecip", "1 / src", "float", 2),
    ("tsin", "sine of src", "float", 12),
    ("tcos", "cosine of src", "float", 12),
    ("ttan", "tangent of src", "float", 14),
    ("ttanh", "hyperbolic tangent of src", "float", 8),
    ("tlogistic", "1 / (1 + exp(-src))", "float", 6),
    ("terf", "error function of src", "float", 16),
    ("terfc", "1 - error function of src, without its cancellation", "float", 24),
    ("tfloor", "largest integer not above src", "float", 1),
    ("tceil", "smallest integer not below src", "float", 1),
    ("trint", "nearest integer, ties to even", "float", 1),
    ("tround", "nearest integer, ties away from zero", "float", 3),
    ("tpopcnt", "number of one bits", "int", 8),
    ("tclz", "number of leading zero bits", "int", 8),
]
BINARY = [
    ("tadd", "src0 + src1; logical or for i1", "all", 2),
    ("tsub", "src0 - src1", "number", 2),
    ("tmul", "src0 * src1; logical and for i1", "all", 2),
    ("tdiv", "src0 / src1", "number", 4),
    ("trem", "remainder of src0 / src1, sign of src0", "number", 8),
    ("tmax", "max(src0, src1)", "all", 2),
    ("tmin", "min(src0, src1)", "all", 2),
    ("tpow", "src0 to the src1", "number", 12),
    ("tatan2", "angle of the point (src1, src0)", "float", 24),
    ("tand", "src0 and src1, bitwise", "bits", 2),
    ("tor", "src0 or src1, bitwise", "bits", 2),
    ("txor", "src0 xor src1, bitwise", "bits", 2),
    ("tshl", "src0 << src1", "int", 2),
    ("tshr", "src0 >> src1, arithmetic for signed types", "int", 2),
    ("tshrl", "src0 >> src1, zeros shifted in", "int", 2),
]
_SCALAR = [
    ("tadds", "src + scalar", "number", 1),
    ("tsubs", "src - scalar", "number", 1),
    ("trsubs", "scalar - src", "number", 1),
    ("tmuls", "src * scalar", "number", 1),
    ("tdivs", "src / scalar", "number", 4),
    ("trdivs", "scalar / src", "number", 4),
    ("tmaxs", "max(src, scalar)", "number", 1),
    ("tmins", "min(src, scalar)", "number", 1),
    ("tands", "src and scalar, bitwise", "bits", 1),
    ("tors", "src or scalar, bitwise", "bits", 1),
    ("txors", "src xor scalar, bitwise", "bits", 1),
    ("tshls", "src << scalar", "int", 1),
    ("tshrs", "src >> scalar, arithmetic for signed types", "int", 1),
    ("tshrls", "src >> scalar, zeros shifted in", "int", 1),
]


def _elementwise(name: str, meaning: str, types: str, cycles: float, *sources: object) -> None:
    declare(Spec(name, "elementwise", f"dst = {meaning}", (out(), *sources), Pipe.V,  # type: ignore[arg-type]
                 Cost("repeat", cycles), dtypes=same(types), computes=types != "bits"))  # fmt: skip


for _n, _m, _t, _c in UNARY:
    _elementwise(_n, _m, _t, _c, src())
for _n, _m, _t, _c in BINARY:
    _elementwise(_n, _m, _t, _c, src("src0"), src("src1"))
for _n, _m, _t, _c in _SCALAR:
    _elementwise(_n, _m, _t, _c, src(), imm())

texpands = declare(
    Spec("texpands", "elementwise", "dst = scalar", (out(), imm()), Pipe.V, Cost("repeat", 1), dtypes=same("all"))
)  # fmt: skip
tcmp = declare(
    Spec("tcmp", "elementwise", "dst = src0 mode src1, as i1; NaN is unequal and unordered",
         (out(), src("src0"), src("src1"), enum("mode", CMP_MODES)), Pipe.V, Cost("repeat", 2), dtypes=COMPARE,
         computes=True)
)  # fmt: skip
tcmps = declare(
    Spec("tcmps", "elementwise", "dst = src mode scalar, as i1",
         (out(), src(), imm(), enum("mode", CMP_MODES)), Pipe.V, Cost("repeat", 1), dtypes=COMPARE, computes=True)
)  # fmt: skip
tisfinite = declare(
    Spec("tisfinite", "elementwise", "dst = src is neither infinite nor NaN, as i1", (out(), src()), Pipe.V,
         Cost("repeat", 2), dtypes=COMPARE, computes=True)
)  # fmt: skip
tsel = declare(
    Spec("tsel", "elementwise", "dst = mask ? src0 : src1; mask is i1",
         (out(), src("mask"), src("src0"), src("src1")), Pipe.V, Cost("repeat", 2), dtypes=SELECT)
)  # fmt: skip
tcvt = declare(
    Spec("tcvt", "elementwise",
         "dst = src converted. To a narrower float: to nearest, ties to even. Float to integer: rounded by mode "
         "(none is trunc), saturated, NaN to 0. Integer to integer: wraps. To i1: src != 0.",
         (out(), src(), enum("mode", ROUND_MODES, "none")), Pipe.V, Cost("convert", 1), dtypes=CONVERT)
)  # fmt: skip
treduceprecision = declare(
    Spec("treduceprecision", "elementwise",
         "dst = src rounded to format = [exponent bits, mantissa bits], ties to even; "
         "without mantissa bits NaN is infinity",
         (out(), src(), ints("format", 2)), Pipe.V, Cost("repeat", 8), dtypes=same("float"), computes=True)
)  # fmt: skip

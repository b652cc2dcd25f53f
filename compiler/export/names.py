"""What StableHLO calls the kinds of the Graph."""

UNARY = {
    **{k: k for k in ("abs", "sign", "floor", "ceil", "sqrt", "rsqrt", "cbrt", "tan", "tanh", "logistic")},
    **{k: k for k in ("not", "popcnt", "is_finite", "real", "imag")},
    "clz": "count_leading_zeros",
    "cos": "cosine",
    "exp": "exponential",
    "expm1": "exponential_minus_one",
    "log": "log",
    "log1p": "log_plus_one",
    "neg": "negate",
    "round_afz": "round_nearest_afz",
    "round_even": "round_nearest_even",
    "sin": "sine",
}
BINARY = {
    **{k: k for k in ("and", "or", "xor", "atan2", "complex", "add")},
    "div": "divide",
    "max": "maximum",
    "min": "minimum",
    "mul": "multiply",
    "pow": "power",
    "rem": "remainder",
    "shl": "shift_left",
    "shr_arithmetic": "shift_right_arithmetic",
    "shr_logical": "shift_right_logical",
    "sub": "subtract",
}

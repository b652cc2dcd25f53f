"""A column or a row of values against a whole tile."""

from ..model import Cost, Pipe, Spec, declare, out, same, src

_BINARY = [
    ("add", "+", 2),
    ("sub", "-", 2),
    ("mul", "*", 2),
    ("div", "/", 4),
    ("max", "max", 2),
    ("min", "min", 2),
]

for _direction, _shape, _index in (("row", "r1", "r, 0"), ("col", "1c", "0, c")):
    _one = src("src", shape=_shape)
    declare(
        Spec(f"t{_direction}expand", "broadcast", f"dst[r, c] = src[{_index}]", (out(), _one), Pipe.V,
             Cost("repeat", 1), dtypes=same("all"))
    )  # fmt: skip
    for _n, _sign, _cycles in _BINARY:
        declare(
            Spec(f"t{_direction}expand{_n}", "broadcast", f"dst[r, c] = src0[r, c] {_sign} src1[{_index}]",
                 (out(), src("src0"), src("src1", shape=_shape)), Pipe.V, Cost("repeat", _cycles),
                 dtypes=same("number"), computes=True)
        )  # fmt: skip

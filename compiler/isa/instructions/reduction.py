"""Reductions of a tile to a column (row*) or to a row (col*), and running sums."""

from ..model import Cost, Pipe, Spec, declare, out, same, src
from ..type_rules import INDEX

_FOLDS = (("sum", "sum"), ("max", "maximum"), ("min", "minimum"), ("prod", "product"))

for _n, _meaning in _FOLDS:
    declare(
        Spec(f"trow{_n}", "reduction",
             f"dst[r, 0] = {_meaning} over c of src[r, c]; or, and for i1 sum, product", (out(shape="r1"), src()),
             Pipe.V, Cost("row_reduce", 4), dtypes=same("all"), computes=True)
    )  # fmt: skip
for _n, _meaning in _FOLDS:
    declare(
        Spec(f"tcol{_n}", "reduction",
             f"dst[0, c] = {_meaning} over r of src[r, c]; or, and for i1 sum, product", (out(shape="1c"), src()),
             Pipe.V, Cost("repeat", 2), dtypes=same("all"), computes=True)
    )  # fmt: skip
for _n, _meaning in (("argmax", "largest"), ("argmin", "smallest")):
    declare(
        Spec(f"trow{_n}", "reduction",
             f"dst[r, 0] = column of the {_meaning} src[r, c], the first of equals, NaN before all; dst is i32",
             (out(shape="r1"), src()), Pipe.V, Cost("row_reduce", 8), dtypes=INDEX, computes=True)
    )  # fmt: skip
for _n, _meaning in _FOLDS:
    declare(
        Spec(f"trowcum{_n}", "reduction", f"dst[r, c] = {_meaning} of src[r, 0..c]", (out(), src()), Pipe.V,
             Cost("row_reduce", 8), dtypes=same("number"), computes=True)
    )  # fmt: skip

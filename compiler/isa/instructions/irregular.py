"""Index generation and on-chip gathering."""

from ..model import Cost, Pipe, Spec, affine, declare, out, same, src
from ..type_rules import GATHER

tci = declare(
    Spec("tci", "irregular", "dst[r, c] = start + row_step * r + column_step * c",
         (out(), affine("start"), affine("row_step"), affine("column_step")), Pipe.V, Cost("repeat", 2),
         dtypes=same("number"), computes=True)
)  # fmt: skip
tgather = declare(
    Spec("tgather", "irregular", "dst[r, c] = src[r, index[r, c]]; index is i32",
         (out(), src("src", shape="any"), src("index")), Pipe.V, Cost("repeat", 8), dtypes=GATHER, computes=True)
)  # fmt: skip

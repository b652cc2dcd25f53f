"""Sorting of rows, by pairs of a key and a column number: one u64, of which the larger comes first.

A pair's upper half is the key, its bits made an unsigned number in the total order of floats (-NaN, -inf .. inf, NaN); its
lower half the complement of the number, so that of equal keys the lower number comes first.
"""

from ..model import Cost, Pipe, Spec, affine, declare, out, same, src
from ..type_rules import PAIR_INDEX, PAIR_KEY, PAIRS

tsort32 = declare(
    Spec("tsort32", "sorting",
         "dst = pairs of key and index; of every 32 columns of a row, the larger first. A pair is one u64: the key's bits as a "
         "number in total order (-NaN, -inf .. inf, NaN), and below it the complement of the index",
         (out(), src("key"), src("index")), Pipe.V, Cost("sort", 34), dtypes=PAIRS)
)  # fmt: skip
tmrgsort = declare(
    Spec("tmrgsort", "sorting",
         "dst = runs merged, in each row: src's are of `run` columns (the last may be shorter) with the larger pair first; the "
         "first `take` of four of them make one of dst, and the next four the next. What dst has no room for is left out, "
         "and 0 where it has more. Always the largest of the four next goes on, of equals that of the first run.",
         (out(), src(shape="any"), affine("run", low=1, static=True), affine("take", low=1, static=True)), Pipe.V,
         Cost("merge", 1.07), dtypes=same("pair"))
)  # fmt: skip
tpairkey = declare(
    Spec("tpairkey", "sorting", "dst = keys of pairs", (out(), src()), Pipe.V, Cost("repeat", 2), dtypes=PAIR_KEY)
)  # fmt: skip
tpairindex = declare(
    Spec("tpairindex", "sorting", "dst = indices of pairs", (out(), src()), Pipe.V, Cost("repeat", 2), dtypes=PAIR_INDEX)
)  # fmt: skip

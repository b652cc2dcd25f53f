"""Between GM and the on-chip memories."""

from ..model import (  # fmt: skip
    ATOMIC_MODES,
    GATHER_MODES,
    Cost,
    Effect,
    Loc,
    Pipe,
    Spec,
    declare,
    enum,
    out,
    src,
    view,
)
from ..type_rules import LOAD, STORE

tload = declare(
    Spec("tload", "memory",
         "dst = src, rows and columns as the view's split says. Into mat the elements are laid out in the tile's "
         "fractal layout on the way; columns and rows beyond the valid region up to a whole fractal are zero.",
         (out("dst", (Loc.vec, Loc.mat)), view("src", Effect.read, "rc")), Pipe.MTE2, Cost("load"), dtypes=LOAD)
)  # fmt: skip
tstore = declare(
    Spec("tstore", "memory",
         "dst = src (or dst = dst atomic src). From acc, FIXP drains the tile: it converts to the element type of the "
         "argument (round to nearest even) and applies relu if asked.",
         (view("dst", Effect.write, "rc"), src("src", (Loc.vec, Loc.acc)), enum("atomic", ATOMIC_MODES, "none"),
          enum("activation", ("none", "relu"), "none")),
         {Loc.vec: Pipe.MTE3, Loc.acc: Pipe.FIXP}, Cost("store"), pipe_by="src", dtypes=STORE)
)  # fmt: skip
mgather = declare(
    Spec("mgather", "memory",
         "row: dst[r, :] = the view's columns at element offset index[r, 0] from the view; "
         "elem: dst[r, c] = the view's element at offset index[r, c]. Offsets are in elements, i32 or i64; the view's "
         "shape is [1 or rows, columns] and gives the column strides.",
         (out("dst"), view("src", Effect.read, indexed=True), src("index", Loc.vec, "any"), enum("mode", GATHER_MODES)),
         Pipe.MTE2, Cost("gather"), dtypes=LOAD)
)  # fmt: skip
mscatter = declare(
    Spec("mscatter", "memory",
         "row: the view's columns at element offset index[r, 0] = (or atomic) src[r, :], rows in order; "
         "elem: the element at offset index[r, c] = (or atomic) src[r, c]. A negative offset writes nothing.",
         (view("dst", Effect.update, indexed=True), src("src"), src("index", Loc.vec, "any"), enum("mode", GATHER_MODES),
          enum("atomic", ATOMIC_MODES, "none")),
         Pipe.MTE3, Cost("gather"), dtypes=LOAD)
)  # fmt: skip

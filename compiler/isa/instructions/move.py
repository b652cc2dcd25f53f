"""Between on-chip memories."""

from ..model import Cost, Loc, Pipe, Spec, affine, declare, imm, ints, out, src

tmov = declare(
    Spec("tmov", "move", "dst = src, same element type; vec to vec on V, mat to bias on MTE1.",
         (out("dst", (Loc.vec, Loc.bias), "any"), src("src", (Loc.vec, Loc.mat), "any")),
         {Loc.vec: Pipe.V, Loc.bias: Pipe.MTE1}, Cost("move"), pipe_by="dst", dtypes="same:all")
)  # fmt: skip
textract = declare(
    Spec("textract", "move",
         "dst = src[row : row + rows of dst, column : column + columns of dst]; mat to left or right, fractal by fractal.",
         (out("dst", (Loc.left, Loc.right), "any"), src("src", Loc.mat, "any"), affine("row"), affine("column")),
         Pipe.MTE1, Cost("extract"), dtypes="same:all")
)  # fmt: skip
timg2col = declare(
    Spec("timg2col", "move",
         "dst[m, k] = the feature map's element under kernel position k of output position m. shape = [images, H, W, C] of "
         "src as loaded; window = [KH, KW, stride_h, stride_w, dilation_h, dilation_w, input_dilation_h, "
         "input_dilation_w, OH, OW]; m = (image, oh, ow), k = (kh, kw, c), both row major, and dst holds rows m from `m` and "
         "columns k from `k`. Element (oh*stride_h + kh*dilation_h - top, ow*stride_w + kw*dilation_w - left) divided by the "
         "input dilation, zero where it falls outside or between. left may be negative, and top is the padding above the "
         "first row that src holds.",
         (out("dst", Loc.left, "any"), src("src", Loc.mat, "any"), affine("m"), affine("k"), affine("top"), affine("left"),
          ints("shape"), ints("window")),
         Pipe.MTE1, Cost("extract"), dtypes="same:all")
)  # fmt: skip
ttrans = declare(
    Spec("ttrans", "move", "dst[c, r] = src[r, c]", (out("dst", Loc.vec, "cr"), src()), Pipe.V, Cost("transpose", 2), dtypes="same:all")
)
treshape = declare(
    Spec("treshape", "move",
         "dst is src's bytes under another shape or element type: both tiles have the same address, nothing moves.",
         (out("dst", Loc.vec, "any"), src("src", Loc.vec, "any")), Pipe.V, Cost("free"), dtypes="any")
)  # fmt: skip
tfillpad = declare(
    Spec("tfillpad", "move", "dst = src in src's valid region, scalar in the rest of dst's; src may be dst itself.",
         (out("dst", Loc.vec, "any"), src("src", Loc.vec, "any"), imm()), Pipe.V, Cost("repeat", 1), dtypes="same:all")
)  # fmt: skip

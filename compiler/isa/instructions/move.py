"""Between on-chip memories."""

from ..model import Cost, Effect, Loc, Operand, Pipe, Spec, affine, declare, imm, ints, out, same, src

tmov = declare(
    Spec("tmov", "move", "dst = src, same element type; vec to vec on V, mat to bias on MTE1.",
         (out("dst", (Loc.vec, Loc.bias), "any"), src("src", (Loc.vec, Loc.mat), "any")),
         {Loc.vec: Pipe.V, Loc.bias: Pipe.MTE1}, Cost("move"), pipe_by="dst", dtypes=same("all"))
)  # fmt: skip
textract = declare(
    Spec("textract", "move",
         "dst = src[row : row + rows of dst, column : column + columns of dst]; mat to left or right, fractal by "
         "fractal.",
         (out("dst", (Loc.left, Loc.right), "any"), src("src", Loc.mat, "any"), affine("row"), affine("column")),
         Pipe.MTE1, Cost("extract"), dtypes=same("all"))
)  # fmt: skip
tslice = declare(
    Spec("tslice", "move", "dst = src[row : row + rows of dst, column : column + columns of dst], in UB.",
         (out("dst", Loc.vec, "any"), src("src", Loc.vec, "any"), affine("row"), affine("column")), Pipe.V, Cost("piece"),
         dtypes=same("all"))
)  # fmt: skip
tinsert = declare(
    Spec("tinsert", "move", "dst[row : row + rows of src, column : column + columns of src] = src, in UB.",
         (Operand("dst", "tile", Effect.update, (Loc.vec,)), src("src", Loc.vec, "any"), affine("row"), affine("column")),
         Pipe.V, Cost("piece"), dtypes=same("all"))
)  # fmt: skip
timg2col = declare(
    Spec("timg2col", "move",
         "dst[r, c] = the feature map's element under kernel position k + c of output position m + r. shape = "
         "[images, H, W, C] of src; window = [KH, KW, stride_h, stride_w, dilation_h, dilation_w, input_dilation_h, "
         "input_dilation_w, OH, OW]; output positions are (image, oh, ow), kernel positions (kh, kw, c), both row "
         "major. The element is src[image, y, x, c], y = (oh*stride_h + kh*dilation_h - top) / input_dilation_h, x "
         "= (ow*stride_w + kw*dilation_w - left) / input_dilation_w; zero where a division leaves a remainder, "
         "where y or x falls outside of [0, H) or [0, W), and where the row (image*H + y)*W + x is not below src's "
         "valid rows. top and left may be negative. To left for the feature map as left operand, to right when "
         "positions are contracted (gradient of the kernel).",
         (out("dst", (Loc.left, Loc.right), "any"), src("src", Loc.mat, "any"), affine("m"), affine("k"), affine("top"),
          affine("left"), ints("shape", 4), ints("window", 10)),
         Pipe.MTE1, Cost("extract"), dtypes=same("all"))
)  # fmt: skip
ttrans = declare(
    Spec("ttrans", "move", "dst[c, r] = src[r, c]", (out("dst", Loc.vec, "cr"), src()), Pipe.V,
         Cost("transpose", 2), dtypes=same("all"))
)  # fmt: skip
treshape = declare(
    Spec("treshape", "move",
         "dst is src's bytes under another shape or element type: both tiles have the same address, nothing moves.",
         (out("dst", Loc.vec, "any"), src("src", Loc.vec, "any")), Pipe.V, Cost("free"))
)  # fmt: skip
tfillpad = declare(
    Spec("tfillpad", "move", "dst = src in src's valid region, scalar in the rest of dst's; src may be dst itself.",
         (out("dst", Loc.vec, "any"), src("src", Loc.vec, "any"), imm()), Pipe.V, Cost("repeat", 1), dtypes=same("all"))
)  # fmt: skip

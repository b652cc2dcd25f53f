// The cube unit.
#include <algorithm>

#include "plugin/device/execute/left_right.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

// Whether no operand, product or sum of a product of bf16 can be a subnormal f32, which matmul_normal takes
// as zero. A bf16 of exponent e is a multiple of 2^(e-7). If each product is one of 2^-126, the least normal
// f32, so is each sum.
bool all_normal(const CubeOperand& left, const CubeOperand& right, const MatmulArgs& args) {
  constexpr int kBias = 127, kLeast = 2 * (kBias + 7) - 126;
  if (std::min(left.least_exponent, right.least_exponent) == 0) return false;
  if (left.least_exponent + right.least_exponent < kLeast) return false;
  const auto* bias = static_cast<const uint32_t*>(args.bias);  // f32: a multiple of 2^(e-23)
  for (int64_t n = 0; bias && n < args.n; ++n) {
    const uint32_t magnitude = bias[n] & 0x7fffffff;
    if (magnitude != 0 && magnitude < (kBias + 23 - 126u) << 23) return false;
  }
  return true;
}

struct Matmul final : Action {
  Matmul(const TileOperand& acc, const TileOperand& left, const TileOperand& right,
         const TileOperand* bias_row, const Affine& accumulate, Decoder& d)
      : dst(d.tile(acc)),
        left(d.tile(left)),
        right(d.tile(right)),
        sums_slot(dst, d.source()),
        left_slot(this->left, d.source()),
        right_slot(this->right, d.source()),
        accumulate(accumulate),
        site(d.site()),
        panel(d.cube().panel),
        function(d.cube().matmul(this->left.dtype(), this->right.dtype())) {
    m = d.valid_rows(this->left, dst.spec().rows);
    k = d.valid_columns(this->left, this->right.spec().rows);
    int64_t most_columns = dst.spec().columns;
    if (bias_row) {
      bias = d.tile(*bias_row);
      has_bias = true;
      most_columns = std::min(most_columns, bias.spec().columns);
    }
    n = d.valid_columns(this->right, most_columns);
    if (this->left.dtype() == DType::kbf16) normal = d.cube().matmul_normal;
    if (!function) site.fail("there is no product of such operands.");
    // Nanoseconds: 100 GFLOP/s of f32, twice as many of elements of half the size.
    d.add_work(0.005 * static_cast<double>(this->left.element_bytes()) * dst.spec().rows *
               dst.spec().columns * this->left.spec().columns);
  }

  TileAccess dst, left, right, bias;
  OperandSlot sums_slot, left_slot, right_slot;
  Affine accumulate;
  Extent m, k, n;
  Site site;
  int64_t panel;
  MatmulFn function, normal = nullptr;
  bool has_bias = false, waits = false;

  bool lets_products_wait() const override { return true; }
  void wait() override { waits = true; }

  void run(Core& core) const override {
    const CubeOperand &l = left_slot(core), &r = right_slot(core);
    MatmulArgs args;
    args.m = m(core), args.n = n(core), args.k = k(core);
    if (args.m > l.rows || args.k > l.columns || args.k > r.rows || args.n > r.columns) {
      site.fail(concat("the operands are smaller than their valid regions; expected ", args.m, " x ", args.k,
                       " and ", args.k, " x ", args.n, ", got ", l.rows, " x ", l.columns, " and ", r.rows,
                       " x ", r.columns, "."));
    }
    args.left = l.data, args.left_stride = l.stride;
    args.right = r.data, args.panel_stride = r.stride;
    args.acc = dst.at(core), args.acc_stride = dst.row_stride();
    args.bias = has_bias ? bias.at(core) : nullptr;
    args.accumulate = evaluate(accumulate, core) > 0;
    args.scratch = core.scratch;
    CubeOperand& sums = sums_slot(core);
    sums.normal = (sums.normal || !args.accumulate) && normal && all_normal(l, r, args);
    const MatmulFn f = sums.normal ? normal : function;
    if (waits) {
      core.product.add(f, args, left.element_bytes(), panel, panel_group(left.dtype()));
    } else {
      f(args);
    }
  }
};

}  // namespace

ActionPtr decode(const isa::tmatmul& i, Decoder& d) {
  return std::make_unique<Matmul>(i.dst_, i.left_, i.right_, nullptr, i.accumulate_, d);
}

ActionPtr decode(const isa::tmatmul_bias& i, Decoder& d) {
  return std::make_unique<Matmul>(i.dst_, i.left_, i.right_, &i.bias_, Affine{}, d);
}

}  // namespace ascend

// The cube unit.
#include "plugin/device/execute/left_right.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

struct Matmul final : Action {
  Matmul(const TileOperand& acc, const TileOperand& left, const TileOperand& right,
         const TileOperand* bias_row, const Affine& accumulate, Decoder& d)
      : dst(d.tile(acc)),
        left(d.tile(left)),
        right(d.tile(right)),
        left_slot(this->left, d.source()),
        right_slot(this->right, d.source()),
        accumulate(accumulate),
        site(d.site()),
        function(d.cube().matmul(dst.dtype())) {
    m = d.valid_rows(this->left, dst.spec().rows);
    k = d.valid_columns(this->left, this->right.spec().rows);
    n = d.valid_columns(this->right, dst.spec().columns);
    if (bias_row) {
      bias = d.tile(*bias_row);
      has_bias = true;
      if (bias.spec().columns < this->right.spec().columns)
        n = d.extent(n.affine(), bias.spec().columns, "columns of the bias");
      if (bias.spec().columns < dst.spec().columns) n = d.valid_columns(this->right, bias.spec().columns);
    }
    if (!function) site.fail("there is no such accumulator.");
    d.add_work(0.02 * dst.spec().rows * dst.spec().columns * this->left.spec().columns);
  }

  TileAccess dst, left, right, bias;
  OperandSlot left_slot, right_slot;
  Affine accumulate;
  Extent m, k, n;
  Site site;
  MatmulFn function;
  bool has_bias = false;

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
    function(args);
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

// Between on-chip memories: L1 to L0A, L0B and BT; UB to UB.
#include <algorithm>
#include <cstring>

#include "plugin/device/execute/left_right.h"
#include "plugin/device/execute/vector.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

struct MoveToBias final : Action {
  MoveToBias(const isa::tmov& i, Decoder& d)
      : dst(d.tile(i.dst_)), src(d.tile(i.src_)), src_slot(src, d.source()) {
    rows = d.valid_rows(dst, src.spec().rows);
    columns = d.valid_columns(dst, src.spec().columns);
    if (src.dtype() != dst.dtype()) {
      widen = find_vector({Opcode::ktcvt, dst.dtype(), src.dtype()});
      if (!widen) d.site().fail("BT does not take this element type.");
    }
    if (src.spec().loc != Loc::kmat || src.spec().layout == Layout::kzn)
      d.site().fail("expected a tile of L1 in rows.");
  }
  TileAccess dst, src;
  OperandSlot src_slot;
  Extent rows, columns;
  VectorFn widen = nullptr;  // bf16, which BT keeps as f32
  void run(Core& core) const override {
    const CubeOperand& source = src_slot(core);  // a tile that may still lie in GM, as its rows do there
    VectorArgs args{};
    args.dst = dst.at(core), args.src[0] = source.data;
    args.dst_stride = dst.row_stride() * dst.element_bytes();
    args.src_stride[0] = source.stride * src.element_bytes();
    args.rows = rows(core), args.columns = columns(core);
    if (widen) return widen(args);
    for (int64_t r = 0; r < args.rows; ++r) {
      std::memcpy(args.dst + r * args.dst_stride, args.src[0] + r * args.src_stride[0],
                  args.columns * dst.element_bytes());
    }
  }
};

struct Extract final : Action {
  Extract(const isa::textract& i, Decoder& d)
      : dst(d.tile(i.dst_)),
        src(d.tile(i.src_)),
        slot(dst, d.source()),
        src_slot(src, d.source()),
        row(i.row_),
        column(i.column_),
        site(d.site()),
        from(src, d.cube().panel),
        to(dst, d.cube().panel),
        alias(d.may_alias(i.dst_.tile)),
        copy(d.cube().copy(dst.element_bytes())),
        pack(d.cube().pack(dst.dtype())) {
    rows = d.valid_rows(dst, src.spec().rows);
    columns = d.valid_columns(dst, src.spec().columns);
    if (!copy || !pack) site.fail("the cube unit does not take this element type.");
    if (!alias) d.add_work(dst.spec().bytes() / 10.0);
  }

  TileAccess dst, src;
  OperandSlot slot, src_slot;
  Affine row, column;
  Extent rows, columns;
  Site site;
  OperandLayout from, to;
  bool alias;
  CopyFn copy, pack;

  bool lets_products_wait() const override {  // if it never copies
    const auto multiple = [](const Affine& a, int64_t n) {
      return a.constant % n == 0 && std::all_of(a.terms.begin(), a.terms.end(),
                                                [&](const Term& t) { return t.coefficient % n == 0; });
    };
    return alias && from.panel == to.panel &&
           (!from.panel || (multiple(row, from.group) && multiple(column, from.panel)));
  }

  void run(Core& core) const override {
    const int64_t r = evaluate(row, core), c = evaluate(column, core), m = rows(core), n = columns(core);
    if (r < 0 || c < 0 || r > src.spec().rows - m || c > src.spec().columns - n) {
      site.fail(concat("the piece leaves src; expected a place in ", src.spec().rows, " x ",
                       src.spec().columns, ", got ", m, " x ", n, " from (", r, ", ", c, ")."));
    }
    const int64_t bytes = dst.element_bytes();
    const CubeOperand& source = src_slot(core);
    const std::byte* data = source.data;
    std::byte* copied = dst.at(core);
    const OperandLayout from = this->from.with_stride(source.stride);
    CubeOperand& operand = slot(core);
    operand = {copied, to.stride, dst.spec().rows, dst.spec().columns, source.least_exponent};
    if (from.panel == to.panel && from.begins_piece(r, c)) {
      data += from.at(r, c) * bytes;
      if (alias) {
        operand = {data, from.stride, src.spec().rows - r, src.spec().columns - c, source.least_exponent};
      } else if (!from.panel) {
        copy({copied, data, to.stride, 1, from.stride, 1, m, n});
      } else {
        const int64_t run = (m + from.group - 1) / from.group * from.group * from.panel * bytes;
        for (int64_t p = 0; p * from.panel < n; ++p)
          std::memcpy(copied + p * to.stride * bytes, data + p * from.stride * bytes, run);
      }
    } else if (!from.panel && to.panel) {
      pack({copied, data + from.at(r, c) * bytes, to.stride, 0, from.stride, 1, m, n});
    } else {  // no compiled kernel asks for this
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j)
          std::memcpy(copied + to.at(i, j) * bytes, data + from.at(r + i, c + j) * bytes, bytes);
      }
    }
  }
};

// A piece of a tile in UB, from `row` and `column` on, and a tile of its size.
struct MovePiece final : Action {
  MovePiece(const TileOperand& whole, const TileOperand& piece, const Affine& row, const Affine& column,
            bool inserts, Decoder& d)
      : whole(d.tile(whole)),
        piece(d.tile(piece)),
        row(row),
        column(column),
        inserts(inserts),
        site(d.site()) {
    rows = d.valid_rows(this->piece, this->piece.spec().rows);
    columns = d.valid_columns(this->piece, this->piece.spec().columns);
    d.add_work(static_cast<double>(this->piece.spec().bytes()) / 50.0 + 5);
  }
  TileAccess whole, piece;
  Affine row, column;
  bool inserts;
  Site site;
  Extent rows, columns;

  void run(Core& core) const override {
    const int64_t r = evaluate(row, core), c = evaluate(column, core), m = rows(core), n = columns(core);
    if (r < 0 || c < 0 || r > whole.spec().rows - m || c > whole.spec().columns - n) {
      site.fail(concat("the piece leaves the tile; expected a place in ", whole.spec().rows, " x ",
                       whole.spec().columns, ", got ", m, " x ", n, " from (", r, ", ", c, ")."));
    }
    const int64_t bytes = piece.element_bytes();
    std::byte* inside = whole.at(core) + (r * whole.row_stride() + c) * bytes;
    std::byte* alone = piece.at(core);
    for (int64_t i = 0; i < m; ++i) {
      std::byte* a = inside + i * whole.row_stride() * bytes;
      std::byte* b = alone + i * piece.row_stride() * bytes;
      std::memmove(inserts ? a : b, inserts ? b : a, n * bytes);
    }
  }
};

}  // namespace

ActionPtr decode(const isa::tslice& i, Decoder& d) {
  return std::make_unique<MovePiece>(i.src_, i.dst_, i.row_, i.column_, false, d);
}
ActionPtr decode(const isa::tinsert& i, Decoder& d) {
  return std::make_unique<MovePiece>(i.dst_, i.src_, i.row_, i.column_, true, d);
}

ActionPtr decode(const isa::tmov& i, Decoder& d) {
  if (d.source().tiles[i.dst_.tile].loc == Loc::kbias) return std::make_unique<MoveToBias>(i, d);
  return decode_vector(d.source().body[d.index()], d);
}

ActionPtr decode(const isa::treshape& i, Decoder& d) {
  const TileSpec &dst = d.source().tiles[i.dst_.tile], &src = d.source().tiles[i.src_.tile];
  if (dst.address != src.address || dst.slot_stride != src.slot_stride) {
    d.site().fail("expected both tiles at one address.");
  }
  return nullptr;
}

ActionPtr decode(const isa::textract& i, Decoder& d) { return std::make_unique<Extract>(i, d); }

}  // namespace ascend

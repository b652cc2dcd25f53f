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
    if (src.dtype() != dst.dtype()) widen = find_vector({Opcode::ktcvt, dst.dtype(), src.dtype()});
    if (src.spec().loc != Loc::kmat || src.spec().layout == Layout::kzn)
      d.site().fail("expected a tile of L1 in rows.");
  }
  TileAccess dst, src;
  OperandSlot src_slot;
  Extent rows, columns;
  VectorFn widen = nullptr;  // bf16, which BT keeps as f32
  void run(Core& core) const override {
    VectorArgs args{};
    args.dst = dst.at(core), args.src[0] = src_slot(core).data;
    args.dst_stride = dst.row_stride() * dst.element_bytes();
    args.src_stride[0] = src.row_stride() * src.element_bytes();
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
        alias(may_alias(d.source(), i.dst_.tile)),
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

struct Img2col final : Action {
  Img2col(const isa::timg2col& i, Decoder& d)
      : dst(d.tile(i.dst_)),
        src(d.tile(i.src_)),
        slot(dst, d.source()),
        src_slot(src, d.source()),
        m(i.m_),
        k(i.k_),
        top(i.top_),
        left(i.left_),
        to(dst, d.cube().panel) {
    const Site site = d.site();
    rows = d.valid_rows(dst, dst.spec().rows);
    columns = d.valid_columns(dst, dst.spec().columns);
    valid = d.valid_rows(src, src.spec().rows);
    if (i.shape_.size() != 4 || i.window_.size() != 10)
      site.fail("expected 4 numbers of shape and 10 of window.");
    for (int64_t x : i.shape_) {
      if (x < 1 || x > (1 << 20)) site.fail("shape is out of range.");
    }
    for (int64_t x : i.window_) {
      if (x < 1 || x > (1 << 20)) site.fail("window is out of range.");
    }
    if (src.spec().layout == Layout::kzn) site.fail("expected src in rows, got zn.");
    if (i.shape_[3] > src.spec().columns)
      site.fail("src has fewer columns than the feature map has channels.");
    images = i.shape_[0], height = i.shape_[1], width = i.shape_[2], channels = i.shape_[3];
    window = i.window_;
    d.add_work(dst.spec().bytes() / 5.0);
  }

  TileAccess dst, src;
  OperandSlot slot, src_slot;
  Affine m, k, top, left;
  Extent rows, columns, valid;
  int64_t images, height, width, channels;
  OperandLayout to;
  std::vector<int64_t> window;

  void run(Core& core) const override {
    std::byte* gathered = dst.at(core);
    const CubeOperand& source = src_slot(core);
    const std::byte* from = source.data;
    slot(core) = {gathered, to.stride, dst.spec().rows, dst.spec().columns, source.least_exponent};
    const int64_t kw = window[1], stride_h = window[2], stride_w = window[3], dilation_h = window[4],
                  dilation_w = window[5], input_h = window[6], input_w = window[7], oh = window[8],
                  ow = window[9];
    const int64_t n_rows = rows(core), n_columns = columns(core), limit = valid(core),
                  bytes = dst.element_bytes();
    const int64_t first = evaluate(m, core), start = evaluate(k, core), pad_top = evaluate(top, core),
                  pad_left = evaluate(left, core);
    if (first < 0 || start < 0 || first > (int64_t{1} << 40) || start > (int64_t{1} << 40) ||
        std::abs(pad_top) > (1 << 24) || std::abs(pad_left) > (1 << 24)) {
      return;  // no such position
    }
    for (int64_t r = 0; r < n_rows; ++r) {
      const int64_t position = first + r, image = position / (oh * ow),
                    y0 = position / ow % oh * stride_h - pad_top, x0 = position % ow * stride_w - pad_left;
      int64_t channel = start % channels, step_x = start / channels % kw, step_y = start / channels / kw;
      for (int64_t c = 0; c < n_columns;) {
        const int64_t run = std::min(channels - channel, n_columns - c);
        const int64_t y = y0 + step_y * dilation_h, x = x0 + step_x * dilation_w;
        const std::byte* element = nullptr;
        if (image < images && y >= 0 && x >= 0 && y % input_h == 0 && x % input_w == 0 &&
            y / input_h < height && x / input_w < width && step_y < window[0]) {
          const int64_t row = (image * height + y / input_h) * width + x / input_w;
          if (row < limit) element = from + (row * source.stride + channel) * bytes;
        }
        put(gathered, r, c, run, element, bytes);
        c += run;
        channel = 0;
        if (++step_x == kw) step_x = 0, ++step_y;
      }
    }
  }

  // `n` elements (zeros if there are none) to row r from column c on.
  void put(std::byte* dst, int64_t r, int64_t c, int64_t n, const std::byte* from, int64_t bytes) const {
    if (!to.panel) return put_run(dst + to.at(r, c) * bytes, from, n * bytes);
    while (n > 0) {
      const int64_t piece = std::min(to.panel - c % to.panel, n);
      std::byte* place = dst + to.at(r, c) * bytes;
      if (to.group == 1) {
        put_run(place, from, piece * bytes);
      } else {  // every other bf16 of the row and its neighbour
        for (int64_t i = 0; i < piece; ++i) put_run(place + 2 * i * bytes, from ? from + i * bytes : from, 2);
      }
      if (from) from += piece * bytes;
      c += piece, n -= piece;
    }
  }
  static void put_run(std::byte* to, const std::byte* from, int64_t bytes) {
    if (from) {
      std::memcpy(to, from, bytes);
    } else {
      std::memset(to, 0, bytes);
    }
  }
};

}  // namespace

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
ActionPtr decode(const isa::timg2col& i, Decoder& d) { return std::make_unique<Img2col>(i, d); }

}  // namespace ascend

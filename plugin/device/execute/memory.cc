// Between GM and the on-chip memories.
#include "plugin/device/execute/memory.h"

#include <algorithm>
#include <cstring>

#include "plugin/device/execute/element_rows.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

constexpr double kBytesPerNanosecond = 10;

}  // namespace

TransferSize::TransferSize(const TileAccess& tile, const ViewAccess& view)
    : rows(tile.spec().rows), columns(tile.spec().columns), site(view.site()) {
  if (view.constant_shape()) check(*view.constant_shape());
}

void TransferSize::check(const ViewElements& w) const {
  if (w.rows > rows || w.columns > columns) {
    site.fail(concat("the view does not fit the tile; expected at most ", rows, " x ", columns, ", got ",
                     w.rows, " x ", w.columns, "."));
  }
}

void copy_in(const ViewElements& w, int64_t from, int64_t to, std::byte* dst, int64_t dst_stride,
             int64_t bytes, CopyFn copy) {
  for_each_rectangle(
      w, from, to,
      [&](int64_t r, int64_t c, int64_t rows, int64_t columns, int64_t offset, int64_t rs, int64_t cs) {
        copy({dst + ((r - from) * dst_stride + c) * bytes, w.base + offset * bytes, dst_stride, 1, rs, cs,
              rows, columns});
      });
}

void copy_out(const ViewElements& w, int64_t from, int64_t to, const std::byte* src, int64_t src_stride,
              int64_t bytes, CopyFn copy) {
  for_each_rectangle(
      w, from, to,
      [&](int64_t r, int64_t c, int64_t rows, int64_t columns, int64_t offset, int64_t rs, int64_t cs) {
        copy({w.base + offset * bytes, src + ((r - from) * src_stride + c) * bytes, rs, cs, src_stride, 1,
              rows, columns});
      });
}

LoadAction::LoadAction(const isa::tload& i, Decoder& d)
    : tile(d.tile(i.dst_)),
      view(d.view(i.src_)),
      size(tile, view),
      copy(d.cube().copy(view.element_bytes())) {
  if (!copy) size.site.fail("element type cannot be moved.");
  d.add_work(tile.spec().bytes() / kBytesPerNanosecond);
}

void LoadAction::run(Core& core) const {
  const ViewElements w = view.resolve(core);
  size.check(w);
  copy_in(w, 0, w.rows, tile.at(core), tile.row_stride(), tile.element_bytes(), copy);
}

StoreAction::StoreAction(const isa::tstore& i, Decoder& d)
    : tile(d.tile(i.src_)),
      view(d.view(i.dst_)),
      size(tile, view),
      copy(d.cube().copy(view.element_bytes())) {
  if (!copy) size.site.fail("element type cannot be moved.");
  d.add_work(tile.spec().bytes() / kBytesPerNanosecond);
}

void StoreAction::run(Core& core) const {
  const ViewElements w = view.resolve(core);
  size.check(w);
  copy_out(w, 0, w.rows, tile.at(core), tile.row_stride(), tile.element_bytes(), copy);
}

namespace {

VectorFn find_combine(AtomicMode mode, DType dtype, const Site& site) {
  const auto opcode = [&] {
    switch (mode) {
      case AtomicMode::kadd:
        return Opcode::ktadd;
      case AtomicMode::kmax:
        return Opcode::ktmax;
      case AtomicMode::kmin:
        return Opcode::ktmin;
      case AtomicMode::kmul:
        return Opcode::ktmul;
      case AtomicMode::kand:
        return Opcode::ktand;
      default:
        return Opcode::ktor;
    }
  };
  const VectorFn f = find_vector({opcode(), dtype, dtype});
  if (!f) site.fail(concat("there is no such atomic update of ", dtype_name(dtype), "."));
  return f;
}

// dst = dst op src on contiguous rows.
void combine(VectorFn f, std::byte* dst, const std::byte* src, int64_t dst_stride, int64_t src_stride,
             int64_t rows, int64_t columns) {
  VectorArgs args{};
  args.dst = dst, args.src[0] = dst, args.src[1] = src;
  args.dst_stride = args.src_stride[0] = dst_stride, args.src_stride[1] = src_stride;
  args.rows = rows, args.columns = columns;
  f(args);
}

// From UB or L0C with an atomic update, or from L0C with relu or a conversion: the tile passes through
// scratch memory, except that the last of these writes to GM itself where rows are contiguous.
struct StoreThroughScratch final : Action {
  StoreThroughScratch(const isa::tstore& i, Decoder& d)
      : tile(d.tile(i.src_)),
        view(d.view(i.dst_)),
        size(tile, view),
        copy(d.cube().copy(view.element_bytes())) {
    const DType from = tile.dtype(), to = view.dtype();
    if (i.activation_ == 1) {
      relu = find_vector({Opcode::ktrelu, from, from});
      if (!relu) size.site.fail(concat("there is no relu of ", dtype_name(from), "."));
    }
    if (from != to) {
      convert =
          find_vector({Opcode::ktcvt, to, from,
                       from == DType::kf32 || from == DType::kf64 ? static_cast<int>(RoundMode::krint) : 0});
      if (!convert)
        size.site.fail(concat("there is no conversion of ", dtype_name(from), " to ", dtype_name(to), "."));
    }
    if (i.atomic_ != 0) {
      update = find_combine(static_cast<AtomicMode>(i.atomic_), to, size.site);
      d.run_serially();
    }
    if (!copy) size.site.fail("element type cannot be moved.");
    const int64_t each = (relu ? tile.element_bytes() : 0) + (convert ? view.element_bytes() : 0) +
                         (update ? view.element_bytes() : 0);
    if (each * std::max(kAtOnce, tile.spec().columns) + 3 * 64 > kScratchBytes)
      size.site.fail("the tile has too many columns.");
    d.add_work(2 * tile.spec().bytes() / kBytesPerNanosecond);
  }

  static constexpr int64_t kAtOnce = 4096;  // elements, or a row

  TileAccess tile;
  ViewAccess view;
  TransferSize size;
  CopyFn copy;
  VectorFn relu = nullptr, convert = nullptr, update = nullptr;

  void run(Core& core) const override {
    const ViewElements w = view.resolve(core);
    size.check(w);
    // A few rows at a time: what is converted is stored while it is in the cache.
    const int64_t at_once = std::clamp<int64_t>(kAtOnce / std::max<int64_t>(w.columns, 1), 1, 64);
    for (int64_t r = 0; r < w.rows; r += at_once) store_rows(core, w, r, std::min(r + at_once, w.rows));
  }

  void store_rows(Core& core, const ViewElements& w, int64_t from, int64_t to) const {
    const std::byte* data = tile.at(core) + from * tile.row_stride() * tile.element_bytes();
    int64_t stride = tile.row_stride(), bytes = tile.element_bytes();
    std::byte* next = core.scratch;
    const bool direct = !update && w.plain() && w.column_stride() == 1;
    const auto pass = [&](VectorFn f, int64_t result_bytes, bool last) {
      VectorArgs args{};
      args.dst = next, args.src[0] = data;
      args.dst_stride = w.columns * result_bytes, args.src_stride[0] = stride * bytes;
      args.rows = to - from, args.columns = w.columns;
      if (last && direct) {
        args.dst = w.base + from * w.row_stride() * result_bytes;
        args.dst_stride = w.row_stride() * result_bytes;
      }
      f(args);
      data = next, stride = w.columns, bytes = result_bytes;
      next += (args.rows * args.dst_stride + 63) & -64;
    };
    if (relu) pass(relu, bytes, !convert);
    if (convert) pass(convert, view.element_bytes(), true);
    if (direct) return;
    if (update) {
      copy_in(w, from, to, next, w.columns, bytes, copy);
      combine(update, next, data, w.columns * bytes, stride * bytes, to - from, w.columns);
      data = next, stride = w.columns;
    }
    copy_out(w, from, to, data, stride, bytes, copy);
  }
};

// Rows or elements at offsets that a tile holds. Each offset is checked: it is data.
class Indexed : public Action {
 protected:
  Indexed(const ViewOperand& operand, const TileOperand& data, const TileOperand& offsets, int64_t mode,
          Decoder& d)
      : view_(d.view(operand)),
        data_(d.tile(data)),
        index_(d.tile(offsets)),
        by_row_(mode == 0),
        copy_(d.cube().copy(view_.element_bytes())) {
    const int64_t most = std::min(data_.spec().rows, index_.spec().rows);
    rows_ = d.valid_rows(data_, most);
    columns_ = d.valid_columns(
        data_, by_row_ ? data_.spec().columns : std::min(data_.spec().columns, index_.spec().columns));
    if (!copy_) view_.site().fail("element type cannot be moved.");
    d.add_work(data_.spec().bytes() / kBytesPerNanosecond * 2);
  }

  int64_t offset(const Core& core, int64_t r, int64_t c) const {
    const std::byte* p = index_.at(core) + (r * index_.row_stride() + c) * index_.element_bytes();
    if (index_.dtype() == DType::ki32) {
      int32_t v;
      std::memcpy(&v, p, sizeof v);
      return v;
    }
    int64_t v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }

  // The address of `offset` elements from the view; `low` and `high` are how far around it an access reaches.
  std::byte* at(const Core& core, int64_t origin, int64_t offset, int64_t low, int64_t high) const {
    int64_t first, last, element;
    if (__builtin_add_overflow(origin, offset, &element) || __builtin_add_overflow(element, low, &first) ||
        __builtin_add_overflow(element, high, &last) || first < 0 || last >= view_.argument_size()) {
      view_.site().fail(concat("offset ", offset, " leaves argument ", view_.argument(), " of ",
                               view_.argument_size(), " elements."));
    }
    return core.arguments[view_.argument()] + element * view_.element_bytes();
  }

  // The columns of the view: one row, whatever the extent of its rows.
  ViewElements row_window(const Core& core, int64_t columns) const {
    ViewElements w = view_.resolve(core);
    if (w.columns != columns && by_row_) {
      view_.site().fail(
          concat("columns of the view; expected those of the tile, ", columns, ", got ", w.columns, "."));
    }
    w.row_rank = 1, w.rows = 1, w.row[0] = {1, 0};
    return w;
  }

  // Elements of row r of the tile by `f`, to or from the places that the row of the index names.
  void move_row(const Core& core, ElementRowFn f, int64_t origin, std::byte* tile, int64_t r,
                int64_t columns) const {
    const std::byte* offsets = index_.at(core) + r * index_.row_stride() * index_.element_bytes();
    std::byte* row = tile + r * data_.row_stride() * data_.element_bytes();
    const int64_t moved =
        f({core.arguments[view_.argument()], view_.argument_size(), origin, offsets, row, columns});
    if (moved < columns) at(core, origin, offset(core, r, moved), 0, 0);  // says what is wrong
  }

  struct Reach {
    int64_t low = 0, high = 0;
  };
  static Reach reach(const ViewElements& w) {
    Reach r;
    for (int d = 0; d < w.column_rank; ++d) {
      const int64_t steps = (w.column[d].extent - 1) * w.column[d].stride;
      (steps > 0 ? r.high : r.low) += steps;
    }
    return r;
  }

  ViewAccess view_;
  TileAccess data_, index_;
  bool by_row_;
  Extent rows_, columns_;
  CopyFn copy_;
};

struct Gather final : Indexed {
  Gather(const isa::mgather& i, Decoder& d) : Indexed(i.src_, i.dst_, i.index_, i.mode_, d) {}

  void run(Core& core) const override {
    const int64_t rows = rows_(core), columns = columns_(core), bytes = data_.element_bytes(),
                  origin = view_.offset(core);
    std::byte* dst = data_.at(core);
    if (rows == 0 || columns == 0) return;
    if (by_row_) {
      ViewElements w = row_window(core, columns);
      const Reach reach = Indexed::reach(w);
      for (int64_t r = 0; r < rows; ++r) {
        w.base = at(core, origin, offset(core, r, 0), reach.low, reach.high);
        std::byte* to = dst + r * data_.row_stride() * bytes;
        if (w.column_rank == 1 && w.column_stride() == 1) {
          std::memcpy(to, w.base, columns * bytes);
        } else {
          copy_in(w, 0, 1, to, columns, bytes, copy_);
        }
      }
    } else {
      for (int64_t r = 0; r < rows; ++r) move_row(core, elements, origin, dst, r, columns);
    }
  }
  ElementRowFn elements = find_gather(static_cast<int>(data_.element_bytes()), index_.dtype());
};

struct Scatter final : Indexed {
  Scatter(const isa::mscatter& i, Decoder& d) : Indexed(i.dst_, i.src_, i.index_, i.mode_, d) {
    if (i.atomic_ != 0) {
      update = find_combine(static_cast<AtomicMode>(i.atomic_), view_.dtype(), view_.site());
    }
    elements = find_scatter(static_cast<AtomicMode>(i.atomic_), view_.dtype(), index_.dtype());
    d.run_serially();  // two blocks may hit the same place, and the last one wins
  }
  VectorFn update = nullptr;
  ElementRowFn elements = nullptr;  // or none: by the vector body

  void run(Core& core) const override {
    const int64_t rows = rows_(core), columns = columns_(core), bytes = data_.element_bytes(),
                  origin = view_.offset(core);
    std::byte* src = data_.at(core);
    if (rows == 0 || columns == 0) return;
    if (by_row_) {
      ViewElements w = row_window(core, columns);
      const Reach reach = Indexed::reach(w);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t o = offset(core, r, 0);
        if (o < 0) continue;
        w.base = at(core, origin, o, reach.low, reach.high);
        write_row(core, w, src + r * data_.row_stride() * bytes, columns, bytes);
      }
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        if (elements)
          move_row(core, elements, origin, src, r, columns);
        else
          update_row(core, origin, src + r * data_.row_stride() * bytes, r, columns);
      }
    }
  }

  void update_row(Core& core, int64_t origin, const std::byte* from, int64_t r, int64_t columns) const {
    VectorArgs args{};
    args.rows = args.columns = 1;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t o = offset(core, r, c);
      if (o < 0) continue;
      args.dst = at(core, origin, o, 0, 0);
      args.src[0] = args.dst, args.src[1] = from + c * data_.element_bytes();
      update(args);
    }
  }

  void write_row(Core& core, const ViewElements& w, const std::byte* src, int64_t columns,
                 int64_t bytes) const {
    const bool contiguous = w.column_rank == 1 && w.column_stride() == 1;
    if (!update) {
      copy_out(w, 0, 1, src, columns, bytes, copy_);
    } else if (contiguous) {
      combine(update, w.base, src, columns * bytes, columns * bytes, 1, columns);
    } else {
      copy_in(w, 0, 1, core.scratch, columns, bytes, copy_);
      combine(update, core.scratch, src, columns * bytes, columns * bytes, 1, columns);
      copy_out(w, 0, 1, core.scratch, columns, bytes, copy_);
    }
  }
};

}  // namespace

ActionPtr decode(const isa::tload& i, Decoder& d) {
  if (d.source().tiles[i.dst_.tile].loc == Loc::kmat) return decode_load_to_l1(i, d);
  return std::make_unique<LoadAction>(i, d);
}

ActionPtr decode(const isa::tstore& i, Decoder& d) {
  const TileSpec& tile = d.source().tiles[i.src_.tile];
  const DType to = d.source().arguments[i.dst_.argument].dtype;
  if (i.atomic_ != 0 || i.activation_ != 0 || host_dtype(tile.loc, tile.dtype) != to)
    return std::make_unique<StoreThroughScratch>(i, d);
  return std::make_unique<StoreAction>(i, d);
}

ActionPtr decode(const isa::mgather& i, Decoder& d) { return std::make_unique<Gather>(i, d); }
ActionPtr decode(const isa::mscatter& i, Decoder& d) { return std::make_unique<Scatter>(i, d); }

}  // namespace ascend

// From GM into L1: elements are widened and laid out as the cube unit reads them.
#include <algorithm>
#include <cstring>

#include "plugin/device/execute/left_right.h"
#include "plugin/device/execute/memory.h"
#include "plugin/device/pack_cache.h"
#include "plugin/isa/message.h"
#include "plugin/isa/uses.h"

namespace ascend {
namespace {

// Whole fractals: 16 rows of 32 bytes.
int64_t to_fractal(int64_t n, int64_t element_bytes, int64_t most) {
  const int64_t side = std::max<int64_t>(16, 32 / element_bytes);
  return std::min((n + side - 1) / side * side, most);
}

// Packed by each of its readers a window stays in the second-level cache; packed once it comes from beyond.
// With two readers the former is faster, by 4 % of a product of 256 x 1024 x 1024, with four they are equal.
constexpr double kReadersWorthACache = 3.5;

struct LoadToL1 final : Action {
  LoadToL1(const isa::tload& i, Decoder& d)
      : tile(d.tile(i.dst_)),
        slot(tile, d.source()),
        view(d.view(i.src_)),
        size(tile, view),
        to(tile, d.cube().panel),
        widen(d.cube().widen(view.dtype())),
        pack(d.cube().pack(view.dtype())),
        repack(d.cube().pack(tile.dtype())) {
    if (!widen || !repack)
      size.site.fail(concat("the cube unit does not take ", dtype_name(view.dtype()), "."));
    d.add_work(tile.spec().bytes() / 10.0);
    if (tile.dtype() == DType::kbf16) least_exponent = d.cube().least_exponent;
    bytes_packed = host_tile_bytes(tile.spec(), d.cube().panel);
    const bool needs_bytes = is_alias(d.source(), d.uses().loaded);
    shared = loaded_again(d) && !needs_bytes;
    in_place = tile.spec().layout == Layout::knz && view.dtype() == tile.dtype() &&
               !d.source().arguments[view.argument()].writes && !needs_bytes;
    if (in_place) d.read_in_place(view.argument());
  }

  // Whether the blocks together load what there is often enough to pack it once for all of them.
  bool loaded_again(Decoder& d) const {
    const ArgumentSpec& argument = d.source().arguments[view.argument()];
    const double loaded = static_cast<double>(tile.spec().rows * tile.spec().columns) * d.trips() *
                          static_cast<double>(d.source().blocks());
    if (argument.writes || loaded < kReadersWorthACache * static_cast<double>(argument.size)) return false;
    d.share_packed(view.argument());
    return true;
  }

  // Whether another tile names the same memory without being loaded itself: then the bytes must really be
  // there.
  bool is_alias(const Kernel& kernel, const std::vector<bool>& loaded) const {
    for (size_t t = 0; t < kernel.tiles.size(); ++t) {
      if (!loaded[t] && overlap(kernel.tiles[t], tile.spec())) return true;
    }
    return false;
  }

  TileAccess tile;
  OperandSlot slot;
  ViewAccess view;
  TransferSize size;
  OperandLayout to;
  CopyFn widen, pack, repack;
  decltype(CubeKernels::least_exponent) least_exponent = nullptr;
  int64_t bytes_packed;
  bool shared, in_place;

  void run(Core& core) const override {
    const ViewElements w = view.resolve(core);
    size.check(w);
    CubeOperand& operand = slot(core);
    // A left operand that fills its tile as it lies in GM is not copied: the product reads its rows from
    // there.
    if (in_place && core.in_place && w.plain() && w.column_stride() == 1 && w.rows == size.rows &&
        w.columns == size.columns) {
      operand.data = w.base, operand.stride = w.row_stride();
      const auto* data = reinterpret_cast<const uint16_t*>(w.base);
      if (least_exponent) operand.least_exponent = least_exponent(data, w.rows, w.columns, w.row_stride());
      return;
    }
    operand.stride = to.stride;
    if (shared && core.packed && w.plain()) {
      PackCache::Entry* own;
      const PackCache::Key key{this, w.base, w.rows, w.columns, w.row_stride(), w.column_stride()};
      const PackCache::Entry* found = core.packed->find(key, bytes_packed, &own);
      if (own) {
        own->least_exponent = load(core, w, own->data);
        PackCache::publish(own);
        found = own;
      }
      if (found) {
        operand.data = found->data, operand.least_exponent = found->least_exponent;
        return;
      }
    }
    std::byte* dst = tile.at(core);
    operand.least_exponent = load(core, w, dst);
    operand.data = dst;
  }

  // Returns the operand's least_exponent.
  int load(Core& core, const ViewElements& w, std::byte* dst) const {
    if (to.panel) {
      load_panels(core, w, dst);
    } else {
      load_rows(w, dst);
    }
    if (!least_exponent) return 0;
    const auto* data = reinterpret_cast<const uint16_t*>(dst);
    if (!to.panel) return least_exponent(data, w.rows, w.columns, to.stride);
    const int64_t rows = (w.rows + to.group - 1) / to.group * to.group;
    return least_exponent(data, (w.columns + to.panel - 1) / to.panel, rows * to.panel, to.stride);
  }

  void load_rows(const ViewElements& w, std::byte* dst) const {
    const int64_t bytes = tile.element_bytes(), stride = tile.row_stride();
    for_each_rectangle(
        w, 0, w.rows,
        [&](int64_t r, int64_t c, int64_t rows, int64_t columns, int64_t offset, int64_t rs, int64_t cs) {
          widen({dst + (r * stride + c) * bytes, w.base + offset * view.element_bytes(), stride, 1, rs, cs,
                 rows, columns});
        });
    if (tile.spec().layout != Layout::knz) return;
    const int64_t rows = to_fractal(w.rows, view.element_bytes(), size.rows),
                  columns = to_fractal(w.columns, view.element_bytes(), size.columns);
    if (columns > w.columns) {
      for (int64_t r = 0; r < w.rows; ++r)
        std::memset(dst + (r * stride + w.columns) * bytes, 0, (columns - w.columns) * bytes);
    }
    for (int64_t r = w.rows; r < rows; ++r) std::memset(dst + r * stride * bytes, 0, columns * bytes);
  }

  void load_panels(Core& core, const ViewElements& w, std::byte* dst) const {
    const int64_t bytes = tile.element_bytes();
    if (w.column_rank == 1 && (w.row_rank == 1 || w.row[w.row_rank - 1].extent % to.group == 0)) {
      for_each_rectangle(
          w, 0, w.rows,
          [&](int64_t r, int64_t, int64_t rows, int64_t columns, int64_t offset, int64_t rs, int64_t cs) {
            pack({dst + to.at(r, 0) * bytes, w.base + offset * view.element_bytes(), to.stride, 0, rs, cs,
                  rows, columns});
          });
    } else {  // rectangles begin inside of panels or pairs of rows: first put the rows together
      for_each_rectangle(
          w, 0, w.rows,
          [&](int64_t r, int64_t c, int64_t rows, int64_t columns, int64_t offset, int64_t rs, int64_t cs) {
            widen({core.scratch + (r * w.columns + c) * bytes, w.base + offset * view.element_bytes(),
                   w.columns, 1, rs, cs, rows, columns});
          });
      repack({dst, core.scratch, to.stride, 0, w.columns, 1, w.rows, w.columns});
    }
    const int64_t first = (w.rows + to.group - 1) / to.group * to.group,
                  rows = to_fractal(w.rows, view.element_bytes(), size.rows);
    for (int64_t c = 0; rows > first && c < w.columns; c += to.panel)
      std::memset(dst + to.at(first, c) * bytes, 0, (rows - first) * to.panel * bytes);
  }
};

}  // namespace

ActionPtr decode_load_to_l1(const isa::tload& i, Decoder& d) { return std::make_unique<LoadToL1>(i, d); }

}  // namespace ascend

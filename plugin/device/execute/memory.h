// Plain loads and stores as actions, and the copies they are made of.
#pragma once
#include "plugin/device/execute/decode.h"
#include "plugin/device/execute/vector.h"

namespace ascend {

// What a tile can hold of a view.
struct TransferSize {
  int64_t rows, columns;
  Site site;
  TransferSize(const TileAccess& tile, const ViewAccess& view);  // throws if a constant view does not fit
  void check(const ViewElements& elements) const;
};

// Rows [from, to) of a window <-> row-major memory whose first row is row `from`; stride in elements.
void copy_in(const ViewElements& elements, int64_t from, int64_t to, std::byte* dst, int64_t dst_stride,
             int64_t bytes, CopyFn copy);
void copy_out(const ViewElements& elements, int64_t from, int64_t to, const std::byte* src,
              int64_t src_stride, int64_t bytes, CopyFn copy);

struct LoadAction final : Action {  // into UB
  LoadAction(const isa::tload& i, Decoder& d);
  void run(Core& core) const override;

  TileAccess tile;
  ViewAccess view;
  TransferSize size;
  CopyFn copy;
};

ActionPtr decode_load_to_l1(const isa::tload& i, Decoder& d);

struct StoreAction final : Action {  // of the tile's own type
  StoreAction(const isa::tstore& i, Decoder& d);
  void run(Core& core) const override;

  TileAccess tile;
  ViewAccess view;
  TransferSize size;
  CopyFn copy;
};

}  // namespace ascend

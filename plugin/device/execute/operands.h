// Decoded operands: tiles and extents. Whatever load could not prove is checked at each use.
#pragma once
#include <string>

#include "plugin/device/core.h"
#include "plugin/isa/ranges.h"

namespace ascend {

// The instruction an operand belongs to, for messages.
struct Site {
  const Kernel* kernel;
  size_t index;
  [[noreturn]] void fail(const std::string& what) const;  // throws Error{kInvalidArgument}
};

// The type the host keeps elements in: that of GM, but f32 for f16 around the cube unit, and for bf16 in BT.
DType host_dtype(Loc loc, DType dtype);

// Elements from row to row of a row-major tile as the host keeps it.
int64_t host_row_stride(const TileSpec& tile);

// Elements from panel to panel of a tile in column panels of width `panel` (cube_kernels.h).
int64_t host_panel_stride(const TileSpec& tile, int64_t panel);

// Host bytes of one slot of a tile; `panel` is the width of the right operand's column panels.
int64_t host_tile_bytes(const TileSpec& tile, int64_t panel);

// Where a tile's elements are.
class TileAccess {
 public:
  TileAccess() = default;
  TileAccess(const TileOperand& operand, const Kernel& kernel, int64_t panel);

  std::byte* at(const Core& core) const {
    std::byte* base = core.memory[loc_] + base_;
    if (slots_ == 1) return base;
    int64_t slot = evaluate(slot_, core) % slots_;
    if (slot < 0) slot += slots_;
    return base + slot * slot_stride_;
  }

  const TileSpec& spec() const { return *spec_; }
  int64_t number() const { return number_; }
  const Affine& slot() const { return slot_; }
  DType dtype() const { return dtype_; }              // as the host keeps it
  int64_t row_stride() const { return row_stride_; }  // elements, of a row-major tile
  int64_t element_bytes() const { return element_bytes_; }

 private:
  const TileSpec* spec_ = nullptr;
  int64_t number_ = 0, base_ = 0, slots_ = 1, slot_stride_ = 0, row_stride_ = 0, element_bytes_ = 0;
  int loc_ = 0;
  DType dtype_{};
  Affine slot_;
};

// A number of rows or columns: 0 to a limit, by proof at load or by a check at run time.
class Extent {
 public:
  Extent() = default;
  Extent(const Affine& value, int64_t limit, const Ranges& ranges, Site site, const char* what);

  int64_t operator()(const Core& core) const {
    if (constant_) return value_.constant;
    const int64_t v = evaluate(value_, core);
    if (!proven_ && (v < 0 || v > limit_)) fail(v);
    return v;
  }
  const Affine& affine() const { return value_; }
  bool is_constant() const { return constant_; }

 private:
  [[noreturn]] void fail(int64_t value) const;

  Affine value_;
  int64_t limit_ = 0;
  bool constant_ = false, proven_ = false;
  Site site_{};
  const char* what_ = "";
};

}  // namespace ascend

#include "plugin/device/execute/operands.h"

#include "plugin/device/execute/cube_kernels.h"
#include "plugin/error.h"
#include "plugin/isa/message.h"

namespace ascend {

void Site::fail(const std::string& what) const {
  throw Error(Code::kInvalidArgument, place(*kernel, index) + what);
}

DType host_dtype(Loc loc, DType dtype) {
  if (loc == Loc::kvec) return dtype;
  switch (dtype) {
    case DType::kbf16:
      return loc == Loc::kbias ? DType::kf32 : DType::kbf16;
    case DType::kf16:
      return DType::kf32;
    default:
      return dtype;
  }
}

int64_t host_row_stride(const TileSpec& tile) {
  if (tile.loc == Loc::kvec || tile.loc == Loc::kbias || tile.layout == Layout::kfmap) return tile.columns;
  // An odd number of 64-byte lines, so that rows do not compete for the same cache sets.
  const int64_t line = 64 / dtype_bytes(host_dtype(tile.loc, tile.dtype));
  const int64_t columns =
      tile.loc == Loc::kacc ? (tile.columns + 31) / 32 * 32 : tile.columns;  // whole panels
  return ((columns + line - 1) / line | 1) * line;
}

int64_t host_panel_stride(const TileSpec& tile, int64_t panel) {
  const int64_t group = panel_group(host_dtype(tile.loc, tile.dtype));
  return (tile.rows + group - 1) / group * group * panel;
}

int64_t host_tile_bytes(const TileSpec& tile, int64_t panel) {
  const int64_t bytes = dtype_bytes(host_dtype(tile.loc, tile.dtype));
  if (tile.layout == Layout::kzn)
    return host_panel_stride(tile, panel) * ((tile.columns + panel - 1) / panel) * bytes;
  return tile.rows * host_row_stride(tile) * bytes;
}

TileAccess::TileAccess(const TileOperand& operand, const Kernel& kernel, int64_t panel)
    : spec_(&kernel.tiles[operand.tile]), number_(operand.tile), slots_(spec_->slots), slot_(operand.slot) {
  slot_.constant = (slot_.constant % slots_ + slots_) % slots_;  // equal buffers, equal slots
  const int64_t scale = spec_->loc == Loc::kvec ? 1 : kCubeScale;
  if (host_tile_bytes(*spec_, panel) > scale * spec_->bytes()) {
    throw Error(Code::kInvalidArgument, concat("[kernel ", kernel.name, "] tile %", number_,
                                               ": expected whole fractals of 32 bytes, got ", spec_->rows,
                                               " x ", spec_->columns, " ", dtype_name(spec_->dtype), "."));
  }
  loc_ = static_cast<int>(spec_->loc);
  base_ = scale * spec_->address;
  slot_stride_ = scale * spec_->slot_stride;
  dtype_ = host_dtype(spec_->loc, spec_->dtype);
  element_bytes_ = dtype_bytes(dtype_);
  row_stride_ = host_row_stride(*spec_);
}

Extent::Extent(const Affine& value, int64_t limit, const Ranges& ranges, Site site, const char* what)
    : value_(value), limit_(limit), constant_(value.terms.empty()), site_(site), what_(what) {
  proven_ = ranges.of(value).within(0, limit);
  if (constant_ && !proven_) fail(value.constant);
}

void Extent::fail(int64_t value) const {
  site_.fail(concat(what_, "; expected 0 to ", limit_, ", got ", value, "."));
}

}  // namespace ascend

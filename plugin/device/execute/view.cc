#include "plugin/device/execute/view.h"

#include <algorithm>

#include "plugin/isa/message.h"

namespace ascend {
namespace {

constexpr int64_t kMaxExtent = int64_t{1}
                               << 20;  // no tile is larger; keeps the arithmetic of bounds from overflowing

// Appends a dimension to a side: merged with the one before it if together they are one run of memory.
void append(Dimension* side, int& rank, int64_t extent, int64_t stride) {
  if (extent == 1) return;
  int64_t run;
  if (rank > 0 && !__builtin_mul_overflow(extent, stride, &run) && side[rank - 1].stride == run) {
    side[rank - 1] = {side[rank - 1].extent * extent, stride};
  } else {
    side[rank++] = {extent, stride};
  }
}

}  // namespace

ViewAccess::ViewAccess(const ViewOperand& view, const Kernel& kernel, const Ranges& ranges, Site site)
    : view_(view), argument_(static_cast<int>(view.argument)), site_(site) {
  const ArgumentSpec& argument = kernel.arguments[view.argument];
  size_ = argument.size;
  dtype_ = argument.dtype;
  bytes_ = dtype_bytes(dtype_);
  Range reach = ranges.of(view.offset);
  int64_t extents[5];
  for (size_t i = 0; i < view.shape.size(); ++i) {
    const Range extent = ranges.of(view.shape[i]);
    constant_shape_ &= view.shape[i].terms.empty();
    extents[i] = view.shape[i].constant;
    if (!extent.within(0, kMaxExtent)) proven_ = false;
    const Range last{0, std::max<int64_t>(extent.high, 1) - 1};
    reach = reach + last * Range{view.strides[i], view.strides[i]};
  }
  proven_ &= reach.within(0, size_ - 1);
  if (!constant_shape_) return;
  check_extents(extents);
  if (view.offset.terms.empty()) proven_ = check(view.offset.constant, extents);
  shape_ = merge(extents);
}

void ViewAccess::check_extents(const int64_t* extents) const {
  for (size_t i = 0; i < view_.shape.size(); ++i) {
    if (extents[i] < 0 || extents[i] > kMaxExtent)
      site_.fail(concat("extent of the view; expected 0 to ", kMaxExtent, ", got ", extents[i], "."));
  }
}

// Every element between the least and the greatest offset of the view exists. Returns whether there is one.
bool ViewAccess::check(int64_t offset, const int64_t* extents) const {
  int64_t low = 0, high = 0;
  bool any = true;
  for (size_t i = 0; i < view_.shape.size(); ++i) {
    any &= extents[i] > 0;
    const __int128 reach = __int128(extents[i] - 1) * view_.strides[i];
    if (reach > (int64_t{1} << 60) || reach < -(int64_t{1} << 60)) site_.fail("the view reaches too far.");
    (reach > 0 ? high : low) += static_cast<int64_t>(reach);
  }
  if (any && (offset < -low || offset >= size_ - high)) {
    const auto element = [&](int64_t by) {
      int64_t at;
      return __builtin_add_overflow(offset, by, &at) ? offset : at;
    };
    site_.fail(concat("the view leaves argument ", argument_, "; expected elements 0 to ", size_ - 1,
                      ", got ", element(low), " to ", element(high), "."));
  }
  return any;
}

ViewElements ViewAccess::merge(const int64_t* extents) const {
  ViewElements w;
  w.base = nullptr;
  w.rows = w.columns = 1;
  w.row_rank = w.column_rank = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(view_.shape.size()); ++i) {
    if (i < view_.split) {
      w.rows *= extents[i];
      append(w.row, w.row_rank, extents[i], view_.strides[i]);
    } else {
      w.columns *= extents[i];
      append(w.column, w.column_rank, extents[i], view_.strides[i]);
    }
    if (w.rows > kMaxExtent || w.columns > kMaxExtent) site_.fail("the view is larger than any tile.");
  }
  if (w.row_rank == 0) w.row[w.row_rank++] = {w.rows, w.columns};  // a single row: any stride will do
  if (w.column_rank == 0) w.column[w.column_rank++] = {w.columns, 1};
  return w;
}

void ViewAccess::resolve(const Core& core, ViewElements& elements) const {
  if (has_constant_shape()) {
    elements = shape_;
  } else {
    int64_t extents[5];
    for (size_t i = 0; i < view_.shape.size(); ++i) extents[i] = evaluate(view_.shape[i], core);
    bool any = true;
    if (!proven_) {
      check_extents(extents);
      any = check(offset(core), extents);
    }
    elements = constant_shape_ ? shape_ : merge(extents);
    if (!any) {  // the offset of nothing may be anything
      elements.base = core.arguments[argument_];
      return;
    }
  }
  elements.base = base(core);
}

}  // namespace ascend

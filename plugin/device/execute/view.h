// A view of GM at run time: proven or checked to lie in its argument, its dimensions merged where memory
// allows.
#pragma once
#include "plugin/device/execute/operands.h"

namespace ascend {

struct Dimension {
  int64_t extent, stride;  // elements
};

// rows x columns elements; each side is a nest of up to five dimensions, outermost first, at least one.
struct ViewElements {
  std::byte* base;
  int64_t rows, columns;
  int row_rank, column_rank;
  Dimension row[5], column[5];

  bool plain() const { return row_rank == 1 && column_rank == 1; }
  // Plain ones are a fraction of all, and copied for every transfer.
  ViewElements() = default;
  ViewElements(const ViewElements& w) { *this = w; }
  ViewElements& operator=(const ViewElements& w) {
    base = w.base, rows = w.rows, columns = w.columns, row_rank = w.row_rank, column_rank = w.column_rank;
    for (int i = 0; i < row_rank; ++i) row[i] = w.row[i];
    for (int i = 0; i < column_rank; ++i) column[i] = w.column[i];
    return *this;
  }

  int64_t row_stride() const { return row[0].stride; }        // of plain elements
  int64_t column_stride() const { return column[0].stride; }  // of plain elements
};

class ViewAccess {
 public:
  ViewAccess(const ViewOperand& view, const Kernel& kernel, const Ranges& ranges, Site site);

  ViewElements resolve(const Core& core) const {
    ViewElements w;
    resolve(core, w);
    return w;
  }
  void resolve(const Core& core, ViewElements& elements) const;
  std::byte* base(const Core& core) const { return core.arguments[argument_] + offset(core) * bytes_; }
  bool has_constant_shape() const { return constant_shape_ && proven_; }  // only its place has to be found
  const ViewElements* constant_shape() const {
    return constant_shape_ ? &shape_ : nullptr;
  }  // without a base
  int argument() const { return argument_; }
  DType dtype() const { return dtype_; }
  int64_t element_bytes() const { return bytes_; }
  int64_t argument_size() const { return size_; }
  int64_t offset(const Core& core) const { return evaluate(view_.offset, core); }
  const ViewOperand& operand() const { return view_; }
  const Site& site() const { return site_; }

 private:
  void check_extents(const int64_t* extents) const;
  bool check(int64_t offset, const int64_t* extents) const;
  ViewElements merge(const int64_t* extents) const;

  ViewOperand view_;
  int argument_;
  int64_t size_, bytes_;
  DType dtype_;
  Site site_;
  bool constant_shape_ = true, proven_ = true;
  ViewElements shape_{};  // merged, where the shape is constant
};

// Calls f(first row, first column, rows, columns, element offset, row stride, column stride) for the
// rectangles that the elements consist of, clipped to rows [from, to).
template <class F>
void for_each_rectangle(const ViewElements& w, int64_t from, int64_t to, F&& f) {
  const Dimension inner_row = w.row[w.row_rank - 1], inner_column = w.column[w.column_rank - 1];
  for (int64_t r = from; r < to;) {
    const int64_t within = r % inner_row.extent;
    const int64_t rows = std::min(inner_row.extent - within, to - r);
    int64_t row_offset = within * inner_row.stride;
    for (int64_t rest = r / inner_row.extent, d = w.row_rank - 2; d >= 0; --d) {
      row_offset += rest % w.row[d].extent * w.row[d].stride;
      rest /= w.row[d].extent;
    }
    for (int64_t c = 0; c < w.columns; c += inner_column.extent) {
      int64_t offset = row_offset;
      for (int64_t rest = c / inner_column.extent, d = w.column_rank - 2; d >= 0; --d) {
        offset += rest % w.column[d].extent * w.column[d].stride;
        rest /= w.column[d].extent;
      }
      f(r, c, rows, inner_column.extent, offset, inner_row.stride, inner_column.stride);
    }
    r += rows;
  }
}

}  // namespace ascend

#include "plugin/runtime/strided_copy.h"

#include <algorithm>
#include <cstring>

namespace ascend {
namespace {

struct Axis {
  int64_t size, from, to;
};

template <class T>
void copy_row(const std::byte* source, std::byte* target, const Axis& axis) {
  for (int64_t i = 0; i < axis.size; ++i, source += axis.from, target += axis.to)
    std::memcpy(target, source, sizeof(T));
}

struct Wide {
  uint64_t words[2];
};

void copy_row(const std::byte* source, std::byte* target, const Axis& axis, int64_t bytes) {
  if (axis.from == bytes && axis.to == bytes) {
    std::memcpy(target, source, axis.size * bytes);
    return;
  }
  switch (bytes) {
    case 1:
      return copy_row<uint8_t>(source, target, axis);
    case 2:
      return copy_row<uint16_t>(source, target, axis);
    case 4:
      return copy_row<uint32_t>(source, target, axis);
    case 8:
      return copy_row<uint64_t>(source, target, axis);
    default:
      return copy_row<Wide>(source, target, axis);
  }
}

// Two innermost axes in square blocks, so that a transposition reads and writes whole cache lines.
constexpr int64_t kBlock = 32;

void copy_plane(const std::byte* source, std::byte* target, const Axis& outer, const Axis& inner,
                int64_t bytes) {
  if (inner.from == bytes && inner.to == bytes) {
    for (int64_t i = 0; i < outer.size; ++i)
      copy_row(source + i * outer.from, target + i * outer.to, inner, bytes);
    return;
  }
  for (int64_t j = 0; j < inner.size; j += kBlock) {
    Axis part{std::min(kBlock, inner.size - j), inner.from, inner.to};
    for (int64_t i = 0; i < outer.size; ++i)
      copy_row(source + i * outer.from + j * inner.from, target + i * outer.to + j * inner.to, part, bytes);
  }
}

void copy_axes(const std::byte* source, std::byte* target, std::span<const Axis> axes, int64_t bytes) {
  if (axes.size() == 1) return copy_row(source, target, axes[0], bytes);
  if (axes.size() == 2) return copy_plane(source, target, axes[0], axes[1], bytes);
  for (int64_t i = 0; i < axes[0].size; ++i)
    copy_axes(source + i * axes[0].from, target + i * axes[0].to, axes.subspan(1), bytes);
}

}  // namespace

uint64_t element_count(std::span<const int64_t> dims) {
  uint64_t count = 1;
  for (int64_t d : dims) count *= static_cast<uint64_t>(d);
  return count;
}

std::vector<int64_t> dense_strides(std::span<const int64_t> dims, int64_t element_bytes) {
  std::vector<int64_t> strides(dims.size());
  for (size_t i = dims.size(); i-- > 0; element_bytes *= dims[i]) strides[i] = element_bytes;
  return strides;
}

std::vector<int64_t> strides_of_layout(std::span<const int64_t> dims, std::span<const int64_t> minor_to_major,
                                       int64_t element_bytes) {
  std::vector<int64_t> strides(dims.size());
  for (int64_t axis : minor_to_major) {
    strides[axis] = element_bytes;
    element_bytes *= dims[axis];
  }
  return strides;
}

bool is_dense(std::span<const int64_t> dims, std::span<const int64_t> strides, int64_t element_bytes) {
  for (size_t i = dims.size(); i-- > 0; element_bytes *= dims[i])
    if (dims[i] != 1 && strides[i] != element_bytes) return false;
  return true;
}

void copy_strided(const std::byte* source, std::span<const int64_t> source_strides, std::byte* target,
                  std::span<const int64_t> target_strides, std::span<const int64_t> dims,
                  int64_t element_bytes) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < dims.size(); ++i) {
    Axis axis{dims[i], source_strides[i], target_strides[i]};
    if (axis.size == 0) return;
    if (axis.size == 1) continue;
    // An axis that continues the previous one on both sides is the same walk.
    if (!axes.empty() && axes.back().from == axis.from * axis.size && axes.back().to == axis.to * axis.size)
      axes.back() = {axes.back().size * axis.size, axis.from, axis.to};
    else
      axes.push_back(axis);
  }
  if (axes.empty()) axes.push_back({1, element_bytes, element_bytes});
  copy_axes(source, target, axes, element_bytes);
}

}  // namespace ascend

// Copies between a dense row-major array and one with any byte strides, negative ones included.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ascend {

uint64_t element_count(std::span<const int64_t> dims);
std::vector<int64_t> dense_strides(std::span<const int64_t> dims, int64_t element_bytes);
// Strides of an array stored densely with the dimensions of `minor_to_major`, fastest varying first.
std::vector<int64_t> strides_of_layout(std::span<const int64_t> dims, std::span<const int64_t> minor_to_major,
                                       int64_t element_bytes);
// Whether walking `strides` is walking dense row-major memory (dimensions of size 1 have no say).
bool is_dense(std::span<const int64_t> dims, std::span<const int64_t> strides, int64_t element_bytes);

// Strides are in bytes.
void copy_strided(const std::byte* source, std::span<const int64_t> source_strides, std::byte* target,
                  std::span<const int64_t> target_strides, std::span<const int64_t> dims,
                  int64_t element_bytes);

}  // namespace ascend

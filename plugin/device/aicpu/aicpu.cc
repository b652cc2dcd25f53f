#include "plugin/device/aicpu/aicpu.h"

#include "plugin/device/aicpu/kernels.h"
#include "plugin/error.h"

namespace ascend {
namespace aicpu {

int64_t IntReader::take(int64_t low, int64_t high, const char* what) {
  if (next_ >= ints_.size()) fail(std::string("the integers end before ") + what);
  int64_t value = ints_[next_++];
  if (value < low || value > high)
    fail(std::string(what) + " is " + std::to_string(value) + "; expected " + std::to_string(low) + " to " +
         std::to_string(high));
  return value;
}

DType IntReader::dtype(const char* what) {
  int64_t code = take(0, 255, what);
  if (!dtype_valid(code)) fail(std::string(what) + " is " + std::to_string(code) + ", no element type");
  return static_cast<DType>(code);
}

void IntReader::finish() const {
  if (next_ != ints_.size())
    fail("takes " + std::to_string(next_) + " integers, got " + std::to_string(ints_.size()));
}

void IntReader::fail(const std::string& message) const {
  throw Error(Code::kInvalidArgument, std::string("[aicpu ") + kernel_ + "] " + message + ".");
}

int64_t IntReader::size(std::span<const int64_t> extents, int64_t unit) const {
  int64_t product = unit;
  for (int64_t extent : extents) {
    if (extent == 0) return 0;
    if (product > (int64_t{1} << 62) / extent) fail("a shape of more than 2^62 bytes");
    product *= extent;
  }
  return product;
}

void IntReader::slot(Bytes slot_bytes, size_t number, int64_t needed) const {
  if (number >= slot_bytes.size()) fail("expected more than " + std::to_string(slot_bytes.size()) + " slots");
  if (slot_bytes[number] < needed)
    fail("slot " + std::to_string(number) + " has " + std::to_string(slot_bytes[number]) +
         " bytes; its shape takes " + std::to_string(needed));
}

namespace {

struct Kernel {
  void (*run)(const RunContext&, Slots, Ints);
  size_t (*verify)(Bytes, Ints);
};

Kernel kernel_of(AicpuOp op) {
  switch (
      op) {  // without a default: a kernel that is declared and missing here is a warning, and so an error
    case AicpuOp::ksort:
      return {sort, verify_sort};
    case AicpuOp::ktop_k:
      return {top_k, verify_top_k};
  }
  throw Error(Code::kInvalidArgument, "[aicpu] no kernel has this number.");
}

}  // namespace
}  // namespace aicpu

void run_aicpu(const RunContext& context, AicpuOp op, std::span<std::byte* const> slots,
               std::span<const int64_t> ints) {
  aicpu::kernel_of(op).run(context, slots, ints);
}

size_t verify_aicpu(AicpuOp op, std::span<const int64_t> slot_bytes, std::span<const int64_t> ints) {
  return aicpu::kernel_of(op).verify(slot_bytes, ints);
}

}  // namespace ascend

#include "plugin/device/aicpu/aicpu.h"

#include "plugin/device/aicpu/kernels.h"
#include "plugin/device/aicpu/lapack_functions.h"
#include "plugin/error.h"

namespace ascend {
namespace aicpu {

void fail(AicpuOp op, const std::string& message) {
  throw Error(Code::kInvalidArgument,
              std::string("[aicpu ") + kAicpuNames[static_cast<int>(op)] + "] " + message + ".");
}

int64_t size(AicpuOp op, std::span<const int64_t> extents, int64_t unit) {
  int64_t product = unit;
  for (int64_t extent : extents) {
    if (extent == 0) return 0;
    if (product > (int64_t{1} << 62) / extent) fail(op, "a shape of more than 2^62 bytes");
    product *= extent;
  }
  return product;
}

void need(AicpuOp op, Bytes slot_bytes, size_t number, int64_t needed) {
  if (slot_bytes[number] < needed)
    fail(op, "slot " + std::to_string(number) + " has " + std::to_string(slot_bytes[number]) +
                 " bytes; its shape takes " + std::to_string(needed));
}

int64_t element_bytes(SlotElement element, DType dtype) {
  const bool wide = dtype == DType::kf64 || dtype == DType::kc128;
  switch (element) {
    case SlotElement::kdtype:
      return dtype_bytes(dtype);
    case SlotElement::kreal:
      return wide ? 8 : 4;
    case SlotElement::kcomplex:
      return wide ? 16 : 8;
    case SlotElement::ki32:
      return 4;
  }
  return 0;
}

void verify_type(AicpuOp op, DType dtype, bool real) {
  if (dtype == DType::kf32 || dtype == DType::kf64) return;
  if (!real && (dtype == DType::kc64 || dtype == DType::kc128)) return;
  fail(op, std::string("is of ") + dtype_name(dtype) + "; expected f32" +
               (real ? " or f64" : ", f64, c64 or c128"));
}

}  // namespace aicpu

// A kernel that is declared and has no body does not compile.
void run_aicpu(const RunContext& context, const AicpuParameters& parameters,
               std::span<std::byte* const> slots) {
  std::visit([&](const auto& p) { aicpu::run(context, p, slots); }, parameters);
}

void verify_aicpu(const AicpuParameters& parameters, std::span<const int64_t> slot_bytes) {
  std::visit(
      [&](const auto& p) {
        if (slot_bytes.size() != p.slots())
          aicpu::fail(p.kOp, "takes " + std::to_string(p.slots()) + " slots, got " +
                                 std::to_string(slot_bytes.size()));
        aicpu::verify(p, slot_bytes);
      },
      parameters);
}

void prepare_aicpu(const AicpuParameters& parameters) {
  std::visit(
      []<class P>(const P& p) {
        if constexpr (aicpu::Batched<P> && requires { p.dtype; } &&
                      !std::is_same_v<P, GtsvPerturbedParameters> && !aicpu::kFourier<P>) {
          int routine = 0;
          if constexpr (requires { p.divide; }) routine = p.divide ? 0 : 1;
          aicpu::load_lapack(P::kOp, routine, p.dtype);
        }
      },
      parameters);
}

}  // namespace ascend

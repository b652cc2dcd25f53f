// The AICPU kernels: for the parameters that each declares, what verifies them and what runs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "isa.gen.h"
#include "plugin/device/run_context.h"

namespace ascend::aicpu {

using Slots = std::span<std::byte* const>;
using Bytes = std::span<const int64_t>;

// For verifiers; they throw Error with the kernel's name.
[[noreturn]] void fail(AicpuOp op, const std::string& message);
// The product of extents times `unit`, refused where it leaves 2^62.
int64_t size(AicpuOp op, std::span<const int64_t> extents, int64_t unit);
void need(AicpuOp op, Bytes slot_bytes, size_t number, int64_t needed);

void run(const RunContext& context, const SortParameters& parameters, Slots slots);
void verify(const SortParameters& parameters, Bytes slot_bytes);
void run(const RunContext& context, const TopKParameters& parameters, Slots slots);
void verify(const TopKParameters& parameters, Bytes slot_bytes);

// Kernels that declare the shapes of their slots: of batches.
template <class P>
concept Batched = requires(const P& p) {
  p.batch;
  P::shapes();
};

void run(const RunContext& context, const PotrfParameters& p, Slots slots);
void run(const RunContext& context, const TrsmParameters& p, Slots slots);
void run(const RunContext& context, const GetrfParameters& p, Slots slots);
void run(const RunContext& context, const PivotsToPermutationParameters& p, Slots slots);
void run(const RunContext& context, const GeqrfParameters& p, Slots slots);
void run(const RunContext& context, const Geqp3Parameters& p, Slots slots);
void run(const RunContext& context, const OrgqrParameters& p, Slots slots);
void run(const RunContext& context, const OrmqrParameters& p, Slots slots);
void run(const RunContext& context, const SyevdParameters& p, Slots slots);
void run(const RunContext& context, const SytrdParameters& p, Slots slots);
void run(const RunContext& context, const GeevParameters& p, Slots slots);
void run(const RunContext& context, const GeesParameters& p, Slots slots);
void run(const RunContext& context, const GehrdParameters& p, Slots slots);
void run(const RunContext& context, const SvdParameters& p, Slots slots);
void run(const RunContext& context, const GtsvParameters& p, Slots slots);
void run(const RunContext& context, const GtsvPerturbedParameters& p, Slots slots);
void run(const RunContext& context, const FftParameters& p, Slots slots);
void run(const RunContext& context, const RfftParameters& p, Slots slots);
void run(const RunContext& context, const IrfftParameters& p, Slots slots);

// The kernels whose dtype is the real one of their complex numbers.
template <class P>
inline constexpr bool kFourier = std::is_same_v<P, FftParameters> || std::is_same_v<P, RfftParameters> ||
                                 std::is_same_v<P, IrfftParameters>;

int64_t element_bytes(SlotElement element, DType dtype);
void verify_type(AicpuOp op, DType dtype, bool real);  // f32, f64 and, unless `real`, c64, c128

template <Batched P>
DType dtype_of(const P& p) {
  if constexpr (requires { p.dtype; })
    return p.dtype;
  else
    return DType::ki32;
}

template <Batched P>
int64_t extent_of(const P& p, const SlotExtent& extent) {
  int64_t value = 0;
  p.visit([&]<class V>(const ParameterInfo& info, const V& given) {
    if constexpr (std::is_same_v<V, int64_t>) {
      if (info.name == extent.parameter) value = given + extent.plus;
    }
  });
  return value < 0 ? 0 : value;
}

// How the parameters of a kernel must be related; LAPACK itself would overrun or refuse.
template <class P>
void verify_relations(const P& p) {
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) fail(P::kOp, std::string("expected ") + what);
  };
  if constexpr (requires { p.left, p.unit; }) expect(p.k == (p.left ? p.m : p.n), "k to be the order of a");
  if constexpr (std::is_same_v<P, GetrfParameters> || std::is_same_v<P, GeqrfParameters> ||
                std::is_same_v<P, Geqp3Parameters> || std::is_same_v<P, SvdParameters>)
    expect(p.k == (p.m < p.n ? p.m : p.n), "k to be the smaller of m and n");
  if constexpr (std::is_same_v<P, OrgqrParameters>) expect(p.m >= p.n && p.n >= p.k, "m >= n >= k");
  if constexpr (std::is_same_v<P, OrmqrParameters>)
    expect(p.r == (p.left ? p.m : p.n) && p.k <= p.columns && p.k <= p.r,
           "r to be as many as the reflections work on, and no more reflections than rows and columns");
  if constexpr (std::is_same_v<P, GehrdParameters>)
    expect(p.n == 0 || (1 <= p.low && p.low <= p.high && p.high <= p.n), "1 <= low <= high <= n");
  if constexpr (std::is_same_v<P, SvdParameters>)
    expect(p.vectors == 0 ||
               (p.columns == (p.vectors == 2 ? p.m : p.k) && p.rows == (p.vectors == 2 ? p.n : p.k)),
           "as many columns of u and rows of vt as vectors says");
  if constexpr (std::is_same_v<P, RfftParameters> || std::is_same_v<P, IrfftParameters>)
    expect(p.n == 0 || p.k == p.n / 2 + 1, "k to be n / 2 + 1");
  // Memory that grows with the square: the smallest that a routine takes is below 6 k^2 + 128 (m + n).
  int64_t order = 0;
  if constexpr (std::is_same_v<P, SyevdParameters>) order = p.n;
  if constexpr (std::is_same_v<P, SvdParameters>) order = p.k;
  expect(order <= 18000, "matrices whose workspace LAPACK can count in 32 bits: an order up to 18000");
  if constexpr (requires { p.dtype; } && !std::is_same_v<P, TrsmParameters> && !kFourier<P>) {
    int64_t most = 0;
    p.visit([&]<class V>(const ParameterInfo& info, const V& given) {
      if constexpr (std::is_same_v<V, int64_t>) {
        if (std::string_view(info.name) != "batch") most = given > most ? given : most;
      }
    });
    expect(most <= 1 << 23, "matrices of up to 2^23 rows and columns, as LAPACK counts in 32 bits");
  }
}

template <Batched P>
void verify(const P& p, Bytes slot_bytes) {
  if constexpr (requires { p.dtype; }) verify_type(P::kOp, p.dtype, kFourier<P>);
  verify_relations(p);
  for (size_t i = 0; i < P::shapes().size(); ++i) {
    const SlotShape& shape = P::shapes()[i];
    std::vector<int64_t> extents{p.batch};
    for (const SlotExtent& extent : shape.extents) extents.push_back(extent_of(p, extent));
    need(P::kOp, slot_bytes, i, size(P::kOp, extents, element_bytes(shape.element, dtype_of(p))));
  }
}

}  // namespace ascend::aicpu

// The scalar unit. 64-bit arithmetic wraps; a division by less than one is refused when it happens.
#include <cstring>

#include "plugin/device/execute/decode.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

// a and b of a scalar instruction, and what it computes of them.
template <class Function>
struct Scalar final : Action {
  bool lets_products_wait() const override { return true; }
  int64_t reg;
  Affine a, b;
  Site site;
  void run(Core& core) const override {
    core.registers[reg] = Function()(evaluate(a, core), evaluate(b, core), site);
  }
};

struct First {
  int64_t operator()(int64_t a, int64_t, const Site&) const { return a; }
};
struct Min {
  int64_t operator()(int64_t a, int64_t b, const Site&) const { return std::min(a, b); }
};
struct Max {
  int64_t operator()(int64_t a, int64_t b, const Site&) const { return std::max(a, b); }
};
struct Mul {
  int64_t operator()(int64_t a, int64_t b, const Site&) const {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};
struct Mod {
  int64_t operator()(int64_t a, int64_t b, const Site& site) const {
    if (b < 1) site.fail(concat("divisor; expected at least 1, got ", b, "."));
    const int64_t rest = a % b;
    return rest < 0 ? rest + b : rest;
  }
};
struct Div {
  int64_t operator()(int64_t a, int64_t b, const Site& site) const {
    if (b < 1) site.fail(concat("divisor; expected at least 1, got ", b, "."));
    return a / b - (a % b < 0);
  }
};

template <class Function>
ActionPtr scalar(int64_t reg, const Affine& a, const Affine& b, Decoder& d) {
  auto action = std::make_unique<Scalar<Function>>();
  action->reg = reg, action->a = a, action->b = b, action->site = d.site();
  return action;
}

template <class T>
int64_t read(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  if constexpr (std::is_same_v<T, uint64_t>) value = std::min<uint64_t>(value, INT64_MAX);
  return static_cast<int64_t>(value);
}

int64_t read_integer(DType dtype, const std::byte* p) {
  switch (dtype) {
    case DType::ki1:
    case DType::ku8:
      return read<uint8_t>(p);
    case DType::ki8:
      return read<int8_t>(p);
    case DType::ki16:
      return read<int16_t>(p);
    case DType::ku16:
      return read<uint16_t>(p);
    case DType::ki32:
      return read<int32_t>(p);
    case DType::ku32:
      return read<uint32_t>(p);
    case DType::ku64:
      return read<uint64_t>(p);
    default:
      return read<int64_t>(p);  // verify_kernel lets integers pass only
  }
}

struct Load final : Action {
  Load(int64_t reg, ViewAccess view) : reg(reg), view(std::move(view)) {}
  int64_t reg;
  ViewAccess view;
  void run(Core& core) const override {
    const ViewElements w = view.resolve(core);
    if (w.rows * w.columns < 1) view.site().fail("the view is empty; expected one element.");
    core.registers[reg] = read_integer(view.dtype(), w.base);
  }
};

}  // namespace

ActionPtr decode(const isa::saffine& i, Decoder& d) { return scalar<First>(i.dst_, i.a_, {}, d); }
ActionPtr decode(const isa::smin& i, Decoder& d) { return scalar<Min>(i.dst_, i.a_, i.b_, d); }
ActionPtr decode(const isa::smax& i, Decoder& d) { return scalar<Max>(i.dst_, i.a_, i.b_, d); }
ActionPtr decode(const isa::smul& i, Decoder& d) { return scalar<Mul>(i.dst_, i.a_, i.b_, d); }
ActionPtr decode(const isa::sdiv& i, Decoder& d) { return scalar<Div>(i.dst_, i.a_, i.b_, d); }
ActionPtr decode(const isa::smod& i, Decoder& d) { return scalar<Mod>(i.dst_, i.a_, i.b_, d); }
ActionPtr decode(const isa::sload& i, Decoder& d) { return std::make_unique<Load>(i.dst_, d.view(i.src_)); }

}  // namespace ascend

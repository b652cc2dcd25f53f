// What the scalar unit does between two instructions of the pipes, loops and conditions around it included:
// a list of steps on registers, each a function that knows the step to go on with.
#pragma once
#include <cstring>
#include <memory>
#include <type_traits>

#include "plugin/device/execute/action.h"
#include "plugin/device/execute/operands.h"

namespace ascend {

struct ScalarStep;
using ScalarFn = const ScalarStep* (*)(const ScalarStep*, Core&);

struct ScalarStep {
  ScalarFn run = nullptr;
  uint16_t dst = 0, a = 0, b = 0, c = 0;  // registers
  int32_t jump = 0;                       // to the step so far away
  int32_t index = 0;                      // of the instruction
  int64_t value = 0;
  const void* more = nullptr;  // what the function says

  const ScalarStep* next() const { return this + 1; }
  const ScalarStep* to() const { return this + jump; }
};

// How a step ends that goes on with `s`: by a jump where the compiler makes one of a call at the end, so that
// every step has a branch of its own, which the CPU predicts; else by returning to the loop in
// ScalarCode::run. A step with locals that need a frame returns.
#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(clang::musttail)
#define ASCEND_STEP_TO(s) [[clang::musttail]] return (s)->run(s, core)
#elif defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define ASCEND_STEP_TO(s) return (s)->run(s, core)
#endif
#endif
#ifndef ASCEND_STEP_TO
#define ASCEND_STEP_TO(s) return s
#endif

class ScalarCode final : public Action {
 public:
  void run(Core& core) const override;
  bool lets_products_wait() const override { return true; }

  void add(const ScalarStep& step) { steps_.push_back(step); }
  template <class T>
  const T* keep(T value) {  // as long as the steps
    auto kept = std::make_shared<T>(std::move(value));
    kept_.push_back(kept);
    return kept.get();
  }
  void append(const ScalarCode& other);
  void finish();  // nothing is added any more, but for more code
  // Makes the steps, which follow a first that tests, the body of a loop: `back` repeats it, or falls
  // through.
  void close_loop(ScalarStep first, ScalarStep back);
  void close_condition(ScalarStep first);
  bool may_leave() const { return leaves_; }  // the loop around it, which then has core.leaves set
  void leave(const ScalarStep& step);

 private:
  std::vector<ScalarStep> steps_;
  std::vector<std::shared_ptr<const void>> kept_;
  bool leaves_ = false;
};

// The function of an scompute or sconvert on values of these types; nullptr if vectors have none either.
// Where it is a vector function, `more` tells which.
struct ScalarBody {
  ScalarFn run = nullptr;
  std::shared_ptr<const void> more;
};
ScalarBody find_scalar(ScalarOp op, DType type);
ScalarBody find_scalar_conversion(DType from, DType to, int mode);

enum class Bit : uint8_t {
};  // an i1: a hostile program may fill it with any byte, of which the lowest bit counts

// Calls f with a value of the C++ type that holds elements of a computed type: floats of 16 bits as uint16_t.
template <class F>
auto with_element(DType dtype, F&& f) {
  switch (dtype) {
    case DType::ki1:
      return f(Bit());
    case DType::ki8:
      return f(int8_t());
    case DType::ki16:
      return f(int16_t());
    case DType::ki32:
      return f(int32_t());
    case DType::ku8:
      return f(uint8_t());
    case DType::ku16:
    case DType::kf16:
    case DType::kbf16:
      return f(uint16_t());
    case DType::ku32:
    case DType::kf32:
      return f(uint32_t());
    default:  // verify_kernel lets computed types pass only
      return f(int64_t());
  }
}

// What a register holds of such an element.
template <class T>
int64_t held_at(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return std::is_same_v<T, Bit> ? static_cast<int64_t>(value) & 1 : static_cast<int64_t>(value);
}

}  // namespace ascend

// Loops, conditions and the two vector cores; flags mean nothing to values, as blocks run in program order.
#include <algorithm>
#include <utility>

#include "plugin/device/execute/decode.h"
#include "plugin/device/execute/scalar_code.h"
#include "plugin/device/execute/strip_run.h"

namespace ascend {
namespace {

bool let_products_wait(const Actions& body) {
  return std::all_of(body.begin(), body.end(), [](const ActionPtr& a) { return a->lets_products_wait(); });
}

struct Loop final : Action {
  int64_t reg, step;
  Affine start, stop;
  Actions body;
  const StripRun* strips = nullptr;  // the body, if it is nothing but a run that repeats
  bool steps = false;                // of products alone, which wait until the loop ends
  bool leaves = false;               // until is among the actions
  void take_steps() {
    steps = let_products_wait(body);
    for (const ActionPtr& action : body)
      if (steps) action->wait();
  }
  void run(Core& core) const override {
    const int64_t last = evaluate(stop, core);
    if (strips) return strips->repeat(core, {reg, evaluate(start, core), last, step});
    for (int64_t i = evaluate(start, core); i < last;) {
      core.context->check();
      core.registers[reg] = i;
      if (leaves) {
        if (!goes_on(core)) break;
      } else {
        ascend::run(body, core);
      }
      if (__builtin_add_overflow(i, step, &i)) break;
    }
    if (steps) core.product.flush();
  }
  bool goes_on(Core& core) const {
    for (const ActionPtr& action : body) {
      action->run(core);
      if (std::exchange(core.leaves, false)) return false;
    }
    return true;
  }
  void describe(std::vector<std::string>& lines) const override { ascend::describe(body, lines); }
};

struct When final : Action {
  Affine value;
  Actions body;
  void run(Core& core) const override {
    if (evaluate(value, core) > 0) ascend::run(body, core);
  }
  void describe(std::vector<std::string>& lines) const override { ascend::describe(body, lines); }
  bool lets_products_wait() const override { return let_products_wait(body); }
  void wait() override {
    for (const ActionPtr& action : body) action->wait();
  }
};

struct Subblocks final : Action {
  int64_t reg;
  Actions body;
  void run(Core& core) const override {
    for (int64_t vector_core :
         {1, 0}) {  // no order is promised; ending at 0 leaves UB as blocks outside see it
      core.select_subblock(vector_core);
      core.registers[reg] = vector_core;
      ascend::run(body, core);
    }
  }
  void describe(std::vector<std::string>& lines) const override { ascend::describe(body, lines); }
};

}  // namespace

ActionPtr decode(const isa::end&, Decoder&) { return nullptr; }
ActionPtr decode(const isa::set_flag&, Decoder&) { return nullptr; }
ActionPtr decode(const isa::wait_flag&, Decoder&) { return nullptr; }
ActionPtr decode(const isa::pipe_barrier&, Decoder&) { return nullptr; }
ActionPtr decode(const isa::set_cross_flag&, Decoder&) { return nullptr; }
ActionPtr decode(const isa::wait_cross_flag&, Decoder&) { return nullptr; }

ActionPtr decode(const isa::loop& i, Decoder& d) {
  auto a = std::make_unique<Loop>();
  a->reg = i.dst_, a->step = i.step_.constant, a->start = i.start_, a->stop = i.stop_;
  const int64_t first = d.ranges().of(i.start_).low, last = d.ranges().of(i.stop_).high;
  const double trips = std::max(0.0, static_cast<double>(last) - static_cast<double>(first));
  const bool known = first != Range::kLeast && last != Range::kMost && trips < 1e15;  // more: until ends it
  if (!known) d.run_unbounded();
  const double outer = d.enter_loop(known ? trips / static_cast<double>(a->step) : 16.0);
  d.step();
  a->body = d.span();
  if (ActionPtr code = loop_of_steps(i, a->body, d)) {
    d.leave_loop(outer);
    return code;
  }
  d.leave_loop(outer);
  for (const ActionPtr& action : a->body) {
    const auto* code = dynamic_cast<const ScalarCode*>(action.get());
    a->leaves |= code && code->may_leave();
  }
  if (a->body.size() == 1) {
    const auto* strips = dynamic_cast<const StripRun*>(a->body.front().get());
    if (strips && strips->plan().repeats(a->reg)) a->strips = strips;
  }
  a->take_steps();
  return a;
}

ActionPtr decode(const isa::when& i, Decoder& d) {
  auto a = std::make_unique<When>();
  a->value = i.value_;
  d.step();
  a->body = d.span();
  if (ActionPtr code = condition_of_steps(i, a->body, d)) return code;
  return a;
}

ActionPtr decode(const isa::subblocks& i, Decoder& d) {
  auto a = std::make_unique<Subblocks>();
  a->reg = i.dst_;
  const double outer = d.enter_loop(2);
  d.step();
  a->body = d.span();
  d.leave_loop(outer);
  return a;
}

}  // namespace ascend

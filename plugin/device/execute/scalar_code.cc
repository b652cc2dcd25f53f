#include "plugin/device/execute/scalar_code.h"

#include "plugin/device/execute/scalar_steps.h"

namespace ascend {
namespace {

const ScalarStep* stop(const ScalarStep*, Core&) { return nullptr; }

const ScalarStep* leave_loop(const ScalarStep* s, Core& core) {
  const ScalarStep* next = core.registers[s->a] > 0 ? s->to() : s->next();
  ASCEND_STEP_TO(next);
}

// Of a loop that is no step: the actions around have to hear of it.
const ScalarStep* leave_actions(const ScalarStep* s, Core& core) {
  if (core.registers[s->a] <= 0) ASCEND_STEP_TO(s->next());
  core.leaves = true;
  return nullptr;
}

}  // namespace

void ScalarCode::run(Core& core) const {
  for (const ScalarStep* step = steps_.data(); step;) step = step->run(step, core);
}

void ScalarCode::append(const ScalarCode& other) {
  if (!steps_.empty() && steps_.back().run == stop) steps_.pop_back();
  steps_.insert(steps_.end(), other.steps_.begin(), other.steps_.end());
  kept_.insert(kept_.end(), other.kept_.begin(), other.kept_.end());
  leaves_ |= other.leaves_;
}

void ScalarCode::leave(const ScalarStep& step) {
  steps_.push_back(step);
  steps_.back().run = leave_actions;
  leaves_ = true;
}

void ScalarCode::close_loop(ScalarStep first, ScalarStep back) {
  if (!steps_.empty() && steps_.back().run == stop) steps_.pop_back();
  const auto count = static_cast<int32_t>(steps_.size());
  for (int32_t i = 0; i < count; ++i)
    if (steps_[i].run == leave_actions) steps_[i].run = leave_loop, steps_[i].jump = count + 1 - i;
  leaves_ = false;
  first.jump = count + 2, back.jump = -count;
  steps_.insert(steps_.begin(), first);
  steps_.push_back(back);
}

void ScalarCode::close_condition(ScalarStep first) {
  if (!steps_.empty() && steps_.back().run == stop) steps_.pop_back();
  first.jump = static_cast<int32_t>(steps_.size()) + 1;
  steps_.insert(steps_.begin(), first);
}

void ScalarCode::finish() {
  if (steps_.empty() || steps_.back().run != stop) steps_.push_back({stop});
  join_steps(steps_);
}

}  // namespace ascend

// A run of vector instructions as one action, executed a strip of elements at a time.
#pragma once
#include <atomic>

#include "plugin/device/execute/strip_plan.h"

namespace ascend {

class StripRun final : public Action {
 public:
  StripRun(Actions actions, const Kernel& kernel, const KernelUses& uses)
      : actions_(std::move(actions)), plan_(actions_, kernel, uses) {}
  ~StripRun() override;
  void run(Core& core) const override;
  void describe(std::vector<std::string>& lines) const override;

  // What a loop does whose body this is: run for every value of a register. It takes that no extent depends
  // on it, so that only places differ, if anything does.
  struct Values {
    int64_t reg, start, stop, step;
  };
  void repeat(Core& core, Values values) const;

  const StripPlan& plan() const { return plan_; }
  Actions release() { return std::move(actions_); }

 private:
  struct State;
  struct Model;
  enum class Chained { kNot, kWhole, kByRows };
  bool prepare(Core& core, State& state) const;
  bool prepare_anew(Core& core, State& state) const;
  bool resolve_extents(Core& core, State& state) const;
  bool memory_allows(State& state) const;
  bool is_flat(const State& state) const;
  bool is_dense(int part, const State& state) const;
  bool in_place(const State& state) const;
  void place_tiles(Core& core, State& state) const;
  VectorArgs operands(const StripPart& part, const State& state) const;
  void place_operands(Core& core, State& state) const;
  void set_count(State& state, int part, int64_t count) const;
  void run_strips(State& state) const;
  void run_strip(State& state, int64_t from, int64_t count) const;
  bool moves_nothing(int part, const State& state) const;
  Chained how_chained(const StripChain& chain, const State& state) const;
  void place_stages(State& state) const;
  void run_chain(State& state, const StripChain& chain, Stage* stages, int64_t from, int64_t count) const;
  void run_rest(const State& state, const StripChain& chain, int64_t from, int64_t row, int64_t done,
                int64_t n) const;
  bool move(Core& core, State& state) const;

  Actions actions_;
  StripPlan plan_;
  ChainFn chain_function_ = find_chain();
  mutable std::atomic<const Model*> model_ = nullptr;  // of the first execution, if all later ones are alike
};

}  // namespace ascend

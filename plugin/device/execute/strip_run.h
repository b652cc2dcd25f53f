// A run of vector instructions: what load finds out about it (strip_plan.cc), and its execution
// (strip_run.cc).
#pragma once
#include "plugin/device/execute/memory.h"
#include "plugin/device/execute/vector_action.h"

namespace ascend {

// A tile (or one slot of it) as a run uses it; positions are indices of parts.
struct StripTile {
  TileAccess tile;
  bool local = false;  // nobody outside of the run reads it: it needs no place in UB
  int first_write = -1, last_write = -1, last_read = -1;
  int load = -1, store = -1;  // the part that is its only writer, or the first that stores it
  bool written_by_vector = false;
  int scratch = 0;  // strip of scratch memory, for local tiles
};

struct StripPart {
  const LoadAction* load = nullptr;  // one of the three
  const StoreAction* store = nullptr;
  const VectorAction* vector = nullptr;
  bool elementwise = false;  // every operand has the same rows and columns
  int dst = -1;              // indices of tiles; of a store none
  int src[3] = {-1, -1, -1};
};

// Vector parts that are executed as one chain, loads and stores between them being none where tiles stay in
// GM.
struct StripChain {
  struct Step {
    StageFn function;
    int tile;       // of the operand; -1: the scalar of the part
    int mask = -1;  // tile
    int part;
  };
  int first, last;  // parts
  std::vector<Step> steps;
};

class StripRun final : public Action {
 public:
  static constexpr int kMostParts = 96, kMostTiles = 96;
  static constexpr int64_t kCacheLine = 64;

  StripRun(Actions actions, const Kernel& kernel, const KernelUses& uses);
  void run(Core& core) const override;

  // What a loop does whose body this is: run for every value of a register. It takes that no extent depends
  // on it, so that only places differ, if anything does.
  struct Values {
    int64_t reg, start, stop, step;
  };
  bool repeats(int64_t reg) const;
  void repeat(Core& core, Values values) const;

  // Whether tiles that keep their place in UB get in each other's way; if so, the first part that does, else
  // -1.
  int conflict() const { return conflict_; }
  Actions release() { return std::move(actions_); }

 private:
  struct State;
  void find_tiles(const KernelUses& uses);
  void assign_scratch();
  void find_conflict();
  void find_padding(const Kernel& kernel);
  void find_chains();
  bool read_later(int tile, int part, int except) const;
  bool moves(int64_t reg) const;
  int tile_index(const TileAccess& tile);

  bool prepare(Core& core, State& state) const;
  bool resolve_extents(Core& core, State& state) const;
  bool memory_allows(State& state) const;
  bool is_flat(const State& state) const;
  bool is_dense(size_t part, const State& state) const;
  bool in_place(const State& state) const;
  void place_tiles(Core& core, State& state) const;
  VectorArgs operands(const VectorAction& v, const StripPart& part, const State& state) const;
  void place_operands(Core& core, State& state) const;
  void set_count(State& state, size_t part, int64_t count) const;
  void run_strips(State& state) const;
  void run_strip(State& state, int64_t from, int64_t count) const;
  bool moves_nothing(size_t part, const State& state) const;
  bool can_chain(const StripChain& chain, const State& state) const;
  void place_stages(State& state) const;
  void run_chain(State& state, const StripChain& chain, Stage* stages, int64_t from, int64_t count) const;
  bool move(Core& core, State& state) const;

  Actions actions_;
  std::vector<StripPart> parts_;
  std::vector<StripTile> tiles_;
  std::vector<StripChain> chains_;
  ChainFn chain_function_ = find_chain();
  int scratch_strips_ = 0;
  bool may_be_flat_ = true;
  bool may_be_padded_ = false;  // up to a cache line of each tile is its own
  int conflict_ = -1;
};

}  // namespace ascend

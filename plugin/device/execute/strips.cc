#include "plugin/device/execute/strips.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "plugin/device/execute/strip_run.h"

namespace ascend {
namespace {

// Whether rows are computed independently of each other.
bool rows_independent(const VectorAction& v) {
  const InstructionInfo& info = kInstructions[static_cast<int>(v.opcode)];
  if (v.opcode == Opcode::ktci || v.opcode == Opcode::ktmov) return true;
  if (info.group == "reduction") return info.name.starts_with("trow");
  return info.group == "elementwise" || info.group == "broadcast";
}

// The valid rows an action works on, or nullptr if it cannot be part of a run.
const Affine* rows_of(const Action& action) {
  if (const auto* load = dynamic_cast<const LoadAction*>(&action)) return &load->tile.spec().valid_rows;
  if (const auto* store = dynamic_cast<const StoreAction*>(&action)) {
    return store->tile.spec().loc == Loc::kvec ? &store->tile.spec().valid_rows : nullptr;
  }
  const auto* vector = dynamic_cast<const VectorAction*>(&action);
  return vector && rows_independent(*vector) ? &vector->rows.affine() : nullptr;
}

bool writes_memory_of(const Action& action, const TileAccess& tile) {
  if (const auto* load = dynamic_cast<const LoadAction*>(&action))
    return overlap(load->tile.spec(), tile.spec());
  const auto* vector = dynamic_cast<const VectorAction*>(&action);
  return vector && overlap(vector->dst.spec(), tile.spec());
}

bool uses_memory_of(const Action& action, const TileAccess& tile) {
  if (writes_memory_of(action, tile)) return true;
  if (const auto* store = dynamic_cast<const StoreAction*>(&action))
    return overlap(store->tile.spec(), tile.spec());
  const auto* vector = dynamic_cast<const VectorAction*>(&action);
  for (int i = 0; vector && i < vector->count; ++i) {
    if (overlap(vector->sources[i].tile.spec(), tile.spec())) return true;
  }
  return false;
}

class Merger {
 public:
  Merger(const Kernel& kernel, const KernelUses& uses) : kernel_(kernel), uses_(uses) {}

  Actions run(Actions actions) {
    mixed_ = !std::all_of(actions.begin(), actions.end(), [](const ActionPtr& a) { return rows_of(*a); });
    for (ActionPtr& action : actions) add(std::move(action));
    close();
    return std::move(merged_);
  }

 private:
  void add(ActionPtr action) {
    const Affine* rows = rows_of(*action);
    if (rows && !run_.empty() && !same(*rows, *rows_)) {
      // A load of something else (a row of weights, say) may go first if the run so far has nothing to do
      // with it.
      if (goes_first(*action)) {
        merged_.push_back(std::move(action));
        return;
      }
      close();
    }
    if (!rows || reads_row_of_run(*action)) close();
    if (run_.size() >= StripPlan::kMostParts) {
      const int most = static_cast<int>(run_.size());
      close_before(cut({most / 2, most}));
    }
    if (!rows) {
      merged_.push_back(std::move(action));
      return;
    }
    if (run_.empty()) rows_ = rows;
    run_.push_back(std::move(action));
  }

  bool goes_first(const Action& action) const {
    const auto* load = dynamic_cast<const LoadAction*>(&action);
    if (!load) return false;
    for (const ActionPtr& earlier : run_) {
      if (dynamic_cast<const StoreAction*>(earlier.get()) || uses_memory_of(*earlier, load->tile))
        return false;
    }
    return true;
  }

  // A row that every row of the run reads must be complete before the run.
  bool reads_row_of_run(const Action& action) const {
    const auto* vector = dynamic_cast<const VectorAction*>(&action);
    for (int i = 0; vector && i < vector->count; ++i) {
      if (vector->sources[i].shape != VectorAction::Shape::kRow) continue;
      for (const ActionPtr& earlier : run_) {
        if (writes_memory_of(*earlier, vector->sources[i].tile)) return true;
      }
    }
    return false;
  }

  // A strip costs more to set up than an instruction on a few elements takes.
  static bool is_small(const Action& action) {
    constexpr int64_t kFew = 256;  // elements
    const auto few = [](const TileAccess& tile) { return tile.spec().rows * tile.spec().columns <= kFew; };
    if (const auto* load = dynamic_cast<const LoadAction*>(&action)) return few(load->tile);
    if (const auto* store = dynamic_cast<const StoreAction*>(&action)) return few(store->tile);
    const auto& vector = dynamic_cast<const VectorAction&>(action);
    return few(vector.dst) && (vector.count == 0 || few(vector.sources[0].tile));
  }

  // Where to cut the run: before the part up to which the fewest tiles hold what somebody reads later. These
  // get a place in UB, and what is there may be in the way of other tiles.
  int cut(StripPlan::Conflict between) const {
    std::unordered_map<int64_t, int64_t> left;  // reads that are still to come, of the tiles written so far
    int64_t holding = 0;
    int best = between.later;
    int64_t fewest = std::numeric_limits<int64_t>::max();
    const auto written = [&](const TileAccess& tile) {
      const auto [entry, first] = left.try_emplace(tile.number(), uses_.reads[tile.number()]);
      holding += first && entry->second > 0;
    };
    const auto read = [&](const TileAccess& tile) {
      const auto entry = left.find(tile.number());
      if (entry != left.end() && --entry->second == 0) --holding;
    };
    for (int p = 0; p < between.later; ++p) {
      if (p > between.earlier && holding <= fewest) best = p, fewest = holding;
      const Action* action = run_[p].get();
      if (const auto* load = dynamic_cast<const LoadAction*>(action)) written(load->tile);
      if (const auto* store = dynamic_cast<const StoreAction*>(action)) read(store->tile);
      if (const auto* vector = dynamic_cast<const VectorAction*>(action)) {
        for (int i = 0; i < vector->count; ++i) read(vector->sources[i].tile);
        written(vector->dst);
      }
    }
    return holding <= fewest ? between.later : best;
  }

  // Closes the first parts of the run, which goes on with the others.
  void close_before(int part) {
    Actions rest(std::make_move_iterator(run_.begin() + part), std::make_move_iterator(run_.end()));
    run_.resize(part);
    close();
    run_ = std::move(rest);
  }

  void close() {
    // A loop around nothing but a run prepares it once.
    if (mixed_ && std::all_of(run_.begin(), run_.end(), [](const ActionPtr& a) { return is_small(*a); })) {
      for (ActionPtr& action : run_) merged_.push_back(std::move(action));
      run_.clear();
    }
    while (run_.size() > 1) {
      auto strip = std::make_unique<StripRun>(std::move(run_), kernel_, uses_);
      run_.clear();
      const std::optional<StripPlan::Conflict> conflict = strip->plan().conflict;
      if (!conflict) {
        merged_.push_back(std::move(strip));
        return;
      }
      run_ = strip->release();
      close_before(cut(*conflict));
    }
    for (ActionPtr& action : run_) merged_.push_back(std::move(action));
    run_.clear();
  }

  const Kernel& kernel_;
  const KernelUses& uses_;
  Actions merged_, run_;
  const Affine* rows_ = nullptr;
  bool mixed_ = false;  // with other instructions between the runs
};

}  // namespace

Actions merge_strips(Actions actions, const Kernel& kernel, const KernelUses& uses) {
  return Merger(kernel, uses).run(std::move(actions));
}

}  // namespace ascend

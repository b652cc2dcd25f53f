// What load finds out about a run of vector instructions, and how StripRun executes it: which tiles need no
// place in memory, what is computed as one chain. docs/strips.md shows plans.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plugin/device/execute/memory.h"
#include "plugin/device/execute/vector_action.h"

namespace ascend {

// A tile (or one slot of it) as a run uses it. Parts are named by their index in the plan.
struct StripTile {
  TileAccess tile;
  bool local = false;  // nobody outside of the run reads it: it needs no place in UB
  std::optional<int> first_write, last_write, last_read;
  std::optional<int> load;   // its only writer, if that is a load
  std::optional<int> store;  // the first part that stores it
  bool written_by_vector = false;
  int strip = 0;  // of scratch memory; of a local tile

  // Whether a local tile may stay in GM, where views are in place: where it is loaded from, or where it is
  // stored to once it is complete.
  bool stays_loaded() const { return local && load; }
  bool is_made_in_gm() const {
    return local && !load && store && last_write && *store > *last_write && written_by_vector;
  }
};

struct StripPart {
  const LoadAction* load = nullptr;  // one of the three
  const StoreAction* store = nullptr;
  const VectorAction* vector = nullptr;
  bool elementwise = false;    // every operand has the same rows and columns
  std::optional<int> written;  // a tile, as those that follow; a store writes none
  int sources[3] = {};
  int count = 0;  // of sources

  std::span<const int> read() const { return {sources, static_cast<size_t>(count)}; }
  const ViewAccess& view() const { return load ? load->view : store->view; }
  int moved() const { return load ? *written : sources[0]; }  // the tile that a load or store moves
};

// Vector parts that are executed as one loop over their elements, or over those of each row, loads and stores
// between them being none where tiles stay in GM.
struct StripChain {
  using Shape = VectorAction::Shape;
  struct Step {
    StageFn function;
    const char* name;         // load, store, or what computes
    std::optional<int> tile;  // of the operand; none: the scalar of the part
    std::optional<int> mask;  // tile; of a result that is set aside, where it goes
    int part;
    Shape shape = Shape::kFull;  // of the operand
    bool aside = false;
  };
  int first, last;       // parts
  bool by_rows = false;  // a column or a row is expanded: each row of the run is a loop
  std::vector<Step> steps;
};

class StripPlan {
 public:
  static constexpr int kMostParts = 256, kMostTiles = 288;
  static constexpr int64_t kCacheLine = 64;

  // `actions` are loads, stores and vector instructions, and outlive the plan.
  StripPlan(const Actions& actions, const Kernel& kernel, const KernelUses& uses);

  // Whether the run's extents are the same for all values of a register, so that a loop over it repeats the
  // run.
  bool repeats(int64_t reg) const;
  // Whether they are the same whatever any register holds.
  bool repeats() const;
  // Whether anything is at another place for another value of a register.
  bool moves(int64_t reg) const;

  std::vector<StripPart> parts;
  std::vector<StripTile> tiles;
  std::vector<StripChain> chains;
  int scratch_strips = 0;
  bool may_be_flat = true;     // elements may be taken whatever their rows, where all is contiguous
  bool may_be_padded = false;  // up to a cache line of each tile is its own
  // The first part whose tile gets in the way of another's place in UB, and the last part that has that other
  // tile: such a run has to be cut between the two. Of a run with too many tiles, parts around its middle.
  struct Conflict {
    int earlier, later;
  };
  std::optional<Conflict> conflict;

 private:
  int tile_index(const TileAccess& tile);
  void add(const Action& action);
  void find_local_tiles(const KernelUses& uses);
  void find_conflict();
  void find_padding(const Kernel& kernel);
  void find_chains();
  void assign_scratch();
  std::optional<int> in_the_way(int part, int tile, bool written) const;
  struct Range {
    int first, last;
  };
  bool read_later(int tile, int part, std::optional<Range> except) const;
  bool expands(int part, int tile) const;
  bool joins(int first, int part) const;
  bool rotates(int part) const;
  std::optional<int> set_aside(int first, int part, std::optional<int> held) const;
};

// A line for each part, then one for each chain.
std::vector<std::string> print(const StripPlan& plan);

}  // namespace ascend

// What load finds out about a run of vector instructions: which tiles it needs no place for, what chains.
#include <algorithm>
#include <map>

#include "plugin/device/execute/strip_run.h"
#include "plugin/isa/uses.h"

namespace ascend {
namespace {

using Shape = VectorAction::Shape;

bool same_slot(const TileAccess& a, const TileAccess& b) {
  return a.number() == b.number() && (a.spec().slots == 1 || same(a.slot(), b.slot()));
}

// Certainly different buffers: other slots of the same tile.
bool other_slot(const TileAccess& a, const TileAccess& b) {
  if (a.number() != b.number()) return false;
  Affine moved = a.slot();
  moved.constant = b.slot().constant;
  return same(moved, b.slot()) && (a.slot().constant - b.slot().constant) % a.spec().slots != 0;
}

}  // namespace

StripRun::StripRun(Actions actions, const Kernel& kernel, const KernelUses& uses)
    : actions_(std::move(actions)) {
  for (const ActionPtr& action : actions_) {
    const int position = static_cast<int>(parts_.size());
    StripPart part;
    part.load = dynamic_cast<const LoadAction*>(action.get());
    part.store = dynamic_cast<const StoreAction*>(action.get());
    part.vector = dynamic_cast<const VectorAction*>(action.get());
    const auto read = [&](const TileAccess& tile) {
      const int t = tile_index(tile);
      tiles_[t].last_read = position;
      return t;
    };
    if (part.store) {
      part.src[0] = read(part.store->tile);
      if (tiles_[part.src[0]].store < 0) tiles_[part.src[0]].store = position;
    } else if (part.load) {
      part.dst = tile_index(part.load->tile);
    } else {
      const VectorAction& v = *part.vector;
      const std::string_view group = kInstructions[static_cast<int>(v.opcode)].group;
      part.elementwise = v.dst_shape == Shape::kFull && group != "reduction" && v.opcode != Opcode::ktci;
      for (int i = 0; i < v.count; ++i) {
        part.src[i] = read(v.sources[i].tile);
        part.elementwise &= v.sources[i].shape == Shape::kFull;
      }
      part.dst = tile_index(v.dst);
      may_be_flat_ &= part.elementwise;
    }
    if (part.dst >= 0) {
      StripTile& t = tiles_[part.dst];
      if (t.first_write < 0) {
        t.first_write = position;
        if (part.load && t.last_read < 0) t.load = position;
      } else {
        t.load = -1;  // written again: it cannot stay where it was loaded from
      }
      t.last_write = position;
      t.written_by_vector |= part.vector != nullptr;
    }
    parts_.push_back(part);
  }
  find_tiles(uses);
  find_conflict();
  find_padding(kernel);
  find_chains();
  assign_scratch();
}

int StripRun::tile_index(const TileAccess& tile) {
  for (size_t i = 0; i < tiles_.size(); ++i) {
    if (same_slot(tiles_[i].tile, tile)) return static_cast<int>(i);
  }
  tiles_.push_back({});
  tiles_.back().tile = tile;
  return static_cast<int>(tiles_.size()) - 1;
}

// A tile is local if the run writes it before it reads it and nothing else in the kernel reads it.
void StripRun::find_tiles(const KernelUses& uses) {
  std::map<int64_t, int64_t> own;  // reads of a tile by the run
  for (const StripPart& part : parts_) {
    for (int t : part.src) {
      if (t >= 0) ++own[tiles_[t].tile.number()];
    }
  }
  for (StripTile& t : tiles_)
    t.local = t.first_write >= 0 && uses.reads[t.tile.number()] == own[t.tile.number()];
  for (size_t p = 0; p < parts_.size(); ++p) {
    for (int t : parts_[p].src) {
      if (t >= 0 && tiles_[t].first_write >= static_cast<int>(p))
        tiles_[t].local = false;  // first read, then written
    }
  }
}

void StripRun::find_conflict() {
  for (size_t p = 0; p < parts_.size(); ++p) {
    const auto in_the_way = [&](int t, bool written) {
      if (t < 0 || tiles_[t].local) return false;
      for (size_t q = 0; q < p; ++q) {
        for (int i = -1; i < 3; ++i) {
          const int other = i < 0 ? parts_[q].dst : parts_[q].src[i];
          if (other < 0 || other == t || tiles_[other].local || (!written && i >= 0)) continue;
          if (overlap(tiles_[t].tile.spec(), tiles_[other].tile.spec()) &&
              !other_slot(tiles_[t].tile, tiles_[other].tile)) {
            return true;
          }
        }
      }
      return false;
    };
    bool found = in_the_way(parts_[p].dst, true);
    for (int t : parts_[p].src) found = found || in_the_way(t, false);
    if (found || tiles_.size() > kMostTiles) {
      conflict_ = std::max<int>(static_cast<int>(found ? p : parts_.size() / 2), 1);
      return;
    }
  }
}

// Tiles of less than a vector can be computed as one, if what follows their elements belongs to nobody.
void StripRun::find_padding(const Kernel& kernel) {
  may_be_padded_ = may_be_flat_;
  for (const StripTile& t : tiles_) {
    if (t.local) continue;
    TileSpec line = t.tile.spec();
    may_be_padded_ &= line.slots == 1;
    line.rows = 1, line.columns = std::max(line.columns, kCacheLine / t.tile.element_bytes());
    for (size_t i = 0; i < kernel.tiles.size(); ++i)
      may_be_padded_ &= static_cast<int64_t>(i) == t.tile.number() || !overlap(line, kernel.tiles[i]);
  }
}

bool StripRun::repeats(int64_t reg) const {
  for (const StripPart& part : parts_) {
    if (part.vector) {
      if (depends(part.vector->rows.affine(), reg) || depends(part.vector->columns.affine(), reg))
        return false;
    } else if (!(part.load ? part.load->view : part.store->view).has_constant_shape()) {
      return false;
    }
  }
  return true;
}

// Whether anything is at another place for another value of a register.
bool StripRun::moves(int64_t reg) const {
  for (const StripPart& part : parts_) {
    if (!part.vector) {
      if (depends((part.load ? part.load->view : part.store->view).operand().offset, reg)) return true;
    } else if (part.vector->has_params) {
      for (const Affine& a : part.vector->params) {
        if (depends(a, reg)) return true;
      }
    }
  }
  return std::any_of(tiles_.begin(), tiles_.end(),
                     [=](const StripTile& t) { return depends(t.tile.slot(), reg); });
}

// Whether anybody but part `except` reads what part `part` leaves in a tile.
bool StripRun::read_later(int tile, int part, int except) const {
  if (!tiles_[tile].local) return true;
  for (int p = part + 1; p < static_cast<int>(parts_.size()); ++p) {
    const StripPart& reader = parts_[p];
    if (p != except && (reader.src[0] == tile || reader.src[1] == tile || reader.src[2] == tile)) return true;
    if (reader.dst == tile) return false;
  }
  return false;
}

// A chain goes on as long as instructions have stages; what one of them computes the next takes from
// registers if it is an operand.
void StripRun::find_chains() {
  const int count = static_cast<int>(parts_.size());
  const auto chained = [&](int p) {
    return parts_[p].elementwise && parts_[p].vector->stages.operate[0] != nullptr;
  };
  for (int first = 0; first < count; ++first) {
    if (!parts_[first].vector || !chained(first)) continue;
    StripChain chain{first, first, {}};
    int vectors = 0, held = -1;  // the tile whose value registers hold
    for (int p = first; p < count && (!parts_[p].vector || chained(p)); ++p) {
      if (!parts_[p].vector) {
        if (parts_[p].dst == held) held = -1;
        continue;
      }
      const StripPart& part = parts_[p];
      const VectorAction& v = *part.vector;
      const StageFns& stages = v.stages;
      const bool masked = v.opcode == Opcode::ktsel;
      const int mask = masked ? part.src[0] : -1, operands = v.count - masked;
      const int a = part.src[masked], b = operands > 1 ? part.src[masked + 1] : -1;
      Held form = Held::kFirst;
      if (operands > 1 && held >= 0 && b == held) form = a == held ? Held::kBoth : Held::kSecond;
      if (operands > 0 && form == Held::kFirst && a != held) {
        chain.steps.push_back({stages.load, a, -1, p});
        if (a == b) form = Held::kBoth;
      }
      const int other = form == Held::kSecond ? a : form == Held::kBoth ? -1 : b;
      chain.steps.push_back({stages.operate[static_cast<int>(form)], other, mask, p});
      held = stages.kept ? part.dst : -1;
      int next = p + 1;
      while (next < count && !parts_[next].vector && parts_[next].dst != held) ++next;
      const bool goes_on = held >= 0 && next < count && parts_[next].vector && chained(next);
      if (read_later(part.dst, p, goes_on ? next : -1))
        chain.steps.push_back({stages.store, part.dst, -1, p});
      chain.last = p;
      ++vectors;
    }
    first = chain.last;
    if (vectors > 1) chains_.push_back(std::move(chain));
  }
}

// Strips of scratch memory are given out again once their tile has been used for the last time, to elements
// of the same size: a chain has written later elements of the one before earlier ones of the other are read.
void StripRun::assign_scratch() {
  std::vector<int> free_after;  // per strip the last part that needs it
  std::vector<int64_t> element_bytes;
  for (size_t p = 0; p < parts_.size(); ++p) {
    for (size_t i = 0; i < tiles_.size(); ++i) {
      StripTile& t = tiles_[i];
      if (!t.local || t.first_write != static_cast<int>(p)) continue;
      size_t s = 0;
      const int64_t bytes = t.tile.element_bytes();
      while (s < free_after.size() && (free_after[s] >= static_cast<int>(p) || element_bytes[s] != bytes))
        ++s;
      if (s == free_after.size()) free_after.push_back(0), element_bytes.push_back(bytes);
      free_after[s] = std::max(t.last_read, t.last_write);
      t.scratch = static_cast<int>(s);
    }
  }
  scratch_strips_ = static_cast<int>(free_after.size());
}

}  // namespace ascend

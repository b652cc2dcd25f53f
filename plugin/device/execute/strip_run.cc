#include "plugin/device/execute/strip_run.h"

#include <algorithm>
#include <cstring>

#include "plugin/isa/uses.h"

namespace ascend {
namespace {

// Elements of a strip: few enough for several strips in 32 KiB, enough to hide a call per instruction.
constexpr int64_t kFlatStrip = 1024, kRowsStrip = 2048;

constexpr int64_t kCacheLine = 64;

// Of a part at most a load, an operation and a store, and the end of its chain.
constexpr int kMostStages = 4 * StripRun::kMostParts;

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

StripRun::StripRun(Block actions, const Kernel& kernel) : actions_(std::move(actions)) {
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
  find_tiles(kernel);
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
void StripRun::find_tiles(const Kernel& kernel) {
  std::vector<int64_t> reads(kernel.tiles.size(), 0);  // by instructions outside of the run
  for (const Instruction& instruction : kernel.body) {
    for (const TileUse& use : tile_uses(instruction)) {
      if (use.reads() || instruction.opcode() == Opcode::ktreshape) ++reads[use.tile->tile];
    }
  }
  for (size_t p = 0; p < parts_.size(); ++p) {
    for (int t : parts_[p].src) {
      if (t >= 0) --reads[tiles_[t].tile.number()];
    }
  }
  for (StripTile& t : tiles_) t.local = t.first_write >= 0 && reads[t.tile.number()] == 0;
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

// Everything about one execution of the run.
struct StripRun::State {
  struct Place {
    std::byte* base;
    int64_t step;    // bytes from one row (flat: element) of the run to the next; 0 in scratch memory
    int64_t stride;  // bytes from row to row within a strip
  };
  struct Span {
    const std::byte *begin, *end;
    bool overlaps(const Span& o) const { return begin < o.end && o.begin < end; }
  };
  int64_t rows = 0, most_columns = 0, element_bytes = 0, flat_columns = -1;
  bool flat = false;
  bool padded = false;  // less than a vector, computed as one
  Window windows[kMostParts];
  Span spans[kMostParts];
  int64_t columns[kMostParts];       // of each part
  int64_t tile_columns[kMostTiles];  // written by the run, or the capacity
  bool in_gm[kMostTiles];            // local and where it is loaded from or stored to
  Place places[kMostTiles];
  VectorArgs args[kMostParts];  // of the next strip
  bool dense[kMostParts];       // the rows of a strip are one after the other in all operands
  Stage stages[kMostStages];    // of the chains one after the other, each with room for its end
  int64_t advance[kMostStages][2];
  bool chained[kMostParts];  // of each chain, whether it runs as one

  // Rows (flat: elements), and how many of them a strip has.
  int64_t total() const { return flat ? rows * most_columns : rows; }
  int64_t at_once() const { return flat ? kFlatStrip : std::max<int64_t>(1, kRowsStrip / most_columns); }
};

void StripRun::run(Core& core) const {
  State state;
  if (prepare(core, state)) {
    run_strips(state);
  } else {
    ascend::run(actions_, core);
  }
}

void StripRun::repeat(Core& core, Values v) const {
  if (v.start >= v.stop) return;
  core.registers[v.reg] = v.start;
  State state;
  const bool prepared = prepare(core, state), moves = this->moves(v.reg);
  if (prepared && !moves && in_place(state)) {
    const int64_t more = (v.stop - 1 - v.start) / v.step;
    const bool chained = std::any_of(state.chained, state.chained + chains_.size(), [](bool c) { return c; });
    for (int64_t i = 0; chained && i <= more; ++i) run_strip(state, 0, state.total());
    const size_t count = chained ? 0 : parts_.size();
    VectorFn functions[kMostParts];
    for (size_t p = 0; p < count; ++p) functions[p] = parts_[p].vector->function;
    for (int64_t i = 0; !chained && i <= more; ++i) {
      for (size_t p = 0; p < count; ++p) functions[p](state.args[p]);
    }
    core.registers[v.reg] += more * v.step;
    return;
  }
  for (bool fits = prepared;;) {
    if (fits) {
      run_strips(state);
    } else {
      ascend::run(actions_, core);
    }
    int64_t next;
    if (__builtin_add_overflow(core.registers[v.reg], v.step, &next) || next >= v.stop) return;
    core.registers[v.reg] = next;
    if (!prepared) continue;
    fits = !moves || move(core, state);
    place_operands(core, state);
  }
}

// Whether the state's operands are those of the only strip, and nothing is loaded or stored.
bool StripRun::in_place(const State& s) const {
  for (const StripPart& part : parts_) {
    if (!part.vector) return false;
  }
  return s.total() <= s.at_once();
}

// Finds everything in its place for another value of a register, with the extents it had.
bool StripRun::move(Core& core, State& s) const {
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (parts_[p].vector) continue;
    std::byte* const base = (parts_[p].load ? parts_[p].load->view : parts_[p].store->view).base(core);
    const int64_t by = base - s.windows[p].base;
    s.windows[p].base = base;
    s.spans[p].begin += by, s.spans[p].end += by;
  }
  if (!memory_allows(s)) return false;
  place_tiles(core, s);
  return true;
}

bool StripRun::prepare(Core& core, State& s) const {
  if (!resolve_extents(core, s) || s.rows == 0 || s.most_columns == 0) return false;
  s.flat = is_flat(s);
  s.padded = may_be_padded_ && s.flat && s.total() * s.element_bytes < kCacheLine;
  if (!memory_allows(s)) return false;
  const int64_t strip = (s.flat ? kFlatStrip : std::max(kRowsStrip, s.most_columns)) * s.element_bytes;
  if (scratch_strips_ * (strip + 64) > kStripBytes) return false;
  place_tiles(core, s);
  place_operands(core, s);
  return true;
}

// False if the tiles' actual extents do not agree; then each instruction runs by itself and reports what is
// wrong.
bool StripRun::resolve_extents(Core& core, State& s) const {
  s.rows = -1;
  for (size_t t = 0; t < tiles_.size(); ++t) {
    s.tile_columns[t] = tiles_[t].tile.spec().columns;
    s.element_bytes = std::max(s.element_bytes, tiles_[t].tile.element_bytes());
  }
  for (size_t p = 0; p < parts_.size(); ++p) {
    const StripPart& part = parts_[p];
    int64_t rows;
    if (part.vector) {
      rows = part.vector->rows(core);
      s.columns[p] = part.vector->columns(core);
      for (int i = 0; i < part.vector->count; ++i) {
        const Shape shape = part.vector->sources[i].shape;
        if (s.tile_columns[part.src[i]] < (shape == Shape::kColumn ? 1 : s.columns[p])) return false;
      }
      if (part.vector->dst_shape == Shape::kColumn) {
        if (tiles_[part.dst].local) s.tile_columns[part.dst] = 1;
      } else if (tiles_[part.dst].local) {
        if (tiles_[part.dst].first_write == static_cast<int>(p)) s.tile_columns[part.dst] = s.columns[p];
        if (s.tile_columns[part.dst] != s.columns[p]) return false;
      }
    } else {
      const ViewAccess& view = part.load ? part.load->view : part.store->view;
      Window& w = s.windows[p];
      view.resolve(core, w);
      (part.load ? part.load->size : part.store->size).check(w);
      rows = w.rows;
      s.columns[p] = w.columns;
      if (rows <= 0 || w.columns <= 0) return false;
      if (part.load && tiles_[part.dst].local) {
        if (tiles_[part.dst].first_write == static_cast<int>(p)) s.tile_columns[part.dst] = w.columns;
        if (s.tile_columns[part.dst] != w.columns) return false;
      }
      if (part.store && s.tile_columns[part.src[0]] < w.columns) return false;
      int64_t low = 0, high = 0;
      for (int d = 0; d < w.row_rank; ++d)
        (w.row[d].stride > 0 ? high : low) += (w.row[d].extent - 1) * w.row[d].stride;
      for (int d = 0; d < w.column_rank; ++d)
        (w.column[d].stride > 0 ? high : low) += (w.column[d].extent - 1) * w.column[d].stride;
      const int64_t bytes = view.element_bytes();
      s.spans[p] = {w.base + low * bytes, w.base + (high + 1) * bytes};
    }
    if (s.rows < 0) s.rows = rows;
    if (rows != s.rows) return false;
    s.most_columns = std::max(s.most_columns, s.columns[p]);
  }
  return true;
}

// Strips change the order of accesses to GM. That is harmless if loads and stores touch different memory, or
// each row's the same place; it also decides which tiles can stay in GM.
bool StripRun::memory_allows(State& s) const {
  const auto in_place = [](const Window& w) {
    return w.plain() && (w.column_stride() == 1 || w.columns == 1);
  };
  for (size_t t = 0; t < tiles_.size(); ++t) {
    const StripTile& tile = tiles_[t];
    s.in_gm[t] = tile.local && !s.padded &&
                 ((tile.load >= 0 && in_place(s.windows[tile.load])) ||
                  (tile.load < 0 && tile.store > tile.last_write && tile.written_by_vector &&
                   in_place(s.windows[tile.store]) && s.windows[tile.store].columns == s.tile_columns[t] &&
                   (s.rows == 1 || s.windows[tile.store].row_stride() >= s.windows[tile.store].columns)));
  }
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (!parts_[p].store) continue;
    const Window& w = s.windows[p];
    const int stored = parts_[p].src[0];
    for (size_t q = 0; q < parts_.size(); ++q) {
      if (q == p || parts_[q].vector || !s.spans[p].overlaps(s.spans[q])) continue;
      const Window& o = s.windows[q];
      const bool same_place =
          w.base == o.base && in_place(w) && in_place(o) && w.columns == o.columns &&
          (s.rows == 1 || (w.row_stride() == o.row_stride() && w.row_stride() >= w.columns));
      if (!same_place) return false;
      if (parts_[q].store) {
        s.in_gm[stored] = s.in_gm[parts_[q].src[0]] = false;
        continue;
      }
      // The loaded tile must have been read before its place is written: at the store, or where the stored
      // tile is made.
      const StripTile& loaded = tiles_[parts_[q].dst];
      if (loaded.last_read > static_cast<int>(p)) s.in_gm[parts_[q].dst] = false;
      if (tiles_[stored].store == static_cast<int>(p) && tiles_[stored].load < 0 &&
          (std::max<int>(loaded.last_read, static_cast<int>(q)) > tiles_[stored].first_write)) {
        s.in_gm[stored] = false;
      }
    }
  }
  return true;
}

bool StripRun::is_flat(const State& s) const {
  if (!may_be_flat_) return false;
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (s.columns[p] != s.most_columns) return false;
    if (parts_[p].vector) continue;
    const Window& w = s.windows[p];
    if (!w.plain() || (w.columns > 1 && w.column_stride() != 1) ||
        (w.rows > 1 && w.row_stride() != w.columns))
      return false;
  }
  for (const StripTile& t : tiles_) {
    if (!t.local && s.rows > 1 && t.tile.spec().columns != s.most_columns) return false;
  }
  return true;
}

void StripRun::place_tiles(Core& core, State& s) const {
  const int64_t strip =
      ((s.flat ? kFlatStrip : std::max(kRowsStrip, s.most_columns)) * s.element_bytes + 63) & -64;
  for (size_t i = 0; i < tiles_.size(); ++i) {
    const StripTile& t = tiles_[i];
    const int64_t bytes = t.tile.element_bytes();
    State::Place& place = s.places[i];
    if (s.in_gm[i]) {
      const Window& w = s.windows[t.load >= 0 ? t.load : t.store];
      place = {w.base, w.row_stride() * bytes, w.row_stride() * bytes};
    } else if (t.local) {
      place = {core.strips + t.scratch * strip, 0, s.tile_columns[i] * bytes};
    } else {
      place = {t.tile.at(core), t.tile.row_stride() * bytes, t.tile.row_stride() * bytes};
    }
    if (s.flat && place.step != 0) place.step = bytes;
    if (s.flat && s.in_gm[i]) place.step = bytes;
  }
}

// In scratch memory rows are dense, and a strip may be computed to the end of its cache line.
bool StripRun::is_dense(size_t p, const State& s) const {
  const StripPart& part = parts_[p];
  const auto dense = [&](int t) {
    return t < 0 || (tiles_[t].local && !s.in_gm[t] && s.tile_columns[t] == s.columns[p]);
  };
  return part.elementwise && dense(part.dst) && dense(part.src[0]) && dense(part.src[1]) &&
         dense(part.src[2]);
}

void StripRun::set_count(State& s, size_t p, int64_t count) const {
  VectorArgs& args = s.args[p];
  args.rows = s.dense[p] ? 1 : count;
  const int64_t columns = s.flat ? count : s.dense[p] ? count * s.columns[p] : s.columns[p];
  const bool spare = s.flat ? s.padded : s.dense[p];
  args.columns = spare ? std::max(columns, kCacheLine / s.element_bytes) : columns;
}

VectorArgs StripRun::operands(const VectorAction& v, const StripPart& part, const State& s) const {
  VectorArgs args = v.constants;
  args.dst = s.places[part.dst].base;
  args.dst_stride = s.places[part.dst].stride;
  for (int i = 0; i < v.count; ++i) {
    args.src[i] = s.places[part.src[i]].base;
    args.src_stride[i] = s.places[part.src[i]].stride;
  }
  return args;
}

void StripRun::place_operands(Core& core, State& s) const {
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (parts_[p].vector) s.dense[p] = s.flat || is_dense(p, s);
  }
  place_stages(s);
  size_t chain = 0;
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (chain < chains_.size() && static_cast<int>(p) == chains_[chain].first) {
      if (s.chained[chain]) p = chains_[chain].last;
      if (s.chained[chain++]) continue;
    }
    if (!parts_[p].vector) continue;
    const VectorAction& v = *parts_[p].vector;
    s.args[p] = operands(v, parts_[p], s);
    set_count(s, p, std::min(s.total(), s.at_once()));
    for (int i = 0; v.has_params && i < 3; ++i) s.args[p].param[i] = evaluate(v.params[i], core);
  }
}

// Whether a load or store moves nothing since its tile stays in GM.
bool StripRun::moves_nothing(size_t p, const State& s) const {
  const int t = parts_[p].load ? parts_[p].dst : parts_[p].src[0];
  return s.in_gm[t] && (tiles_[t].load >= 0 ? tiles_[t].load : tiles_[t].store) == static_cast<int>(p);
}

bool StripRun::can_chain(const StripChain& chain, const State& s) const {
  const int64_t columns = s.columns[chain.first];
  if (std::min(s.total(), s.at_once()) * (s.flat ? 1 : columns) < kMostBlock) return false;
  for (int p = chain.first; p <= chain.last; ++p) {
    if (!(parts_[p].vector ? s.dense[p] && s.columns[p] == columns : moves_nothing(p, s))) return false;
  }
  return true;
}

void StripRun::place_stages(State& s) const {
  Stage* stage = s.stages;
  int64_t (*advance)[2] = s.advance;
  for (size_t c = 0; c < chains_.size(); ++c, ++stage, ++advance) {
    s.chained[c] = can_chain(chains_[c], s);
    for (const StripChain::Step& step : chains_[c].steps) {
      // Nobody writes a scalar.
      auto* scalar = const_cast<int64_t*>(&parts_[step.part].vector->constants.scalar);
      stage->function = step.function;
      stage->operand = step.tile < 0 ? reinterpret_cast<std::byte*>(scalar) : s.places[step.tile].base;
      stage->mask = step.mask < 0 ? nullptr : s.places[step.mask].base;
      (*advance)[0] = step.tile < 0 ? 0 : s.at_once() * s.places[step.tile].step;
      (*advance)[1] = step.mask < 0 ? 0 : s.at_once() * s.places[step.mask].step;
      ++stage, ++advance;
    }
  }
}

// A chain on rows (flat: elements) [from, from + count) of the run.
void StripRun::run_chain(State& s, const StripChain& chain, Stage* stages, int64_t from,
                         int64_t count) const {
  const int64_t n = s.flat ? count : count * s.columns[chain.first];
  const int64_t steps = static_cast<int64_t>(chain.steps.size());
  const int64_t done = chain_function_(stages, steps, n);
  // Less than a block is left to the instructions one by one.
  for (int p = chain.first; done < n && p <= chain.last; ++p) {
    if (!parts_[p].vector) continue;
    const StripPart& part = parts_[p];
    VectorArgs args = operands(*part.vector, part, s);
    const auto offset = [&](int t) {
      return from * s.places[t].step + done * tiles_[t].tile.element_bytes();
    };
    args.rows = 1, args.columns = n - done;
    args.dst += offset(part.dst);
    for (int i = 0; i < part.vector->count; ++i) args.src[i] += offset(part.src[i]);
    part.vector->function(args);
  }
  if (from + count == s.total()) return;
  const int64_t (*advance)[2] = s.advance + (stages - s.stages);
  for (int64_t i = 0; i < steps; ++i) {
    stages[i].operand += advance[i][0];
    stages[i].mask += advance[i][1];
  }
}

void StripRun::run_strips(State& s) const {
  const int64_t total = s.total(), at_once = s.at_once();
  for (int64_t from = 0; from < total; from += at_once) run_strip(s, from, std::min(at_once, total - from));
}

// Rows (flat: elements) [from, from + count) of the whole run; called for one strip after the other.
void StripRun::run_strip(State& s, int64_t from, int64_t count) const {
  const bool last = from + count == s.total();
  Stage* stages = s.stages;
  size_t chain = 0;
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (chain < chains_.size() && static_cast<int>(p) == chains_[chain].first) {
      const StripChain& c = chains_[chain];
      const bool chained = s.chained[chain++];
      if (chained) {
        run_chain(s, c, stages, from, count);
        p = c.last;
      }
      stages += c.steps.size() + 1;
      if (chained) continue;
    }
    const StripPart& part = parts_[p];
    if (part.vector) {
      const VectorAction& v = *part.vector;
      VectorArgs& args = s.args[p];
      if (last) set_count(s, p, count);
      v.function(args);
      if (last) continue;
      args.dst += count * s.places[part.dst].step;
      for (int i = 0; i < v.count; ++i) {
        if (v.sources[i].shape != Shape::kRow) args.src[i] += count * s.places[part.src[i]].step;
      }
      if (v.has_params) args.param[0] += count * args.param[1];
      continue;
    }
    if (moves_nothing(p, s)) continue;
    const int t = part.load ? part.dst : part.src[0];
    const Window& w = s.windows[p];
    const int64_t bytes = tiles_[t].tile.element_bytes();
    std::byte* const at = s.places[t].base + from * s.places[t].step;
    if (s.flat) {
      std::byte* gm = w.base + from * bytes;
      std::memcpy(part.load ? at : gm, part.load ? gm : at, count * bytes);
    } else if (part.load) {
      copy_in(w, from, from + count, at, s.places[t].stride / bytes, bytes, part.load->copy);
    } else {
      copy_out(w, from, from + count, at, s.places[t].stride / bytes, bytes, part.store->copy);
    }
  }
}

}  // namespace ascend

#include "plugin/device/execute/strip_run.h"

#include <algorithm>
#include <cstring>

namespace ascend {
namespace {

// Elements of a strip: few enough for several strips in 32 KiB, enough to hide a call per instruction.
constexpr int64_t kFlatStrip = 1024, kRowsStrip = 2048;

// Of a part at most a load, an operation and a store, and the end of its chain.
constexpr int kMostStages = 4 * StripPlan::kMostParts;

using Shape = VectorAction::Shape;

}  // namespace

// Everything about one execution of the run. What stands in arrays is set before it is used.
struct StripRun::State {
  struct Bytes {
    const std::byte *begin, *end;
    bool overlaps(const Bytes& o) const { return begin < o.end && o.begin < end; }
  };

  // Of a part in one execution.
  struct Part {
    ViewElements elements;  // of a load or store
    Bytes bytes;            // that those lie in
    int64_t columns;
    VectorArgs args;  // of the next strip
    bool dense;       // the rows of a strip are one after the other in all operands
  };

  // Of a tile in one execution.
  struct Tile {
    int64_t columns;  // written by the run, or the capacity
    bool in_gm;       // local and where it is loaded from or stored to
    std::byte* base;
    int64_t step;    // bytes from one row (flat: element) of the run to the next; 0 in scratch memory
    int64_t stride;  // bytes from row to row within a strip
  };

  // How far a stage's pointers move from strip to strip, and from row to row, in bytes.
  struct Advance {
    int64_t operand, mask, row_operand, row_mask;
  };

  int64_t rows = 0, most_columns = 0, element_bytes = 0;
  bool flat = false;
  bool padded = false;  // less than a vector, computed as one
  Part parts[StripPlan::kMostParts];
  Tile tiles[StripPlan::kMostTiles];
  Stage stages[kMostStages];  // of the chains one after the other, each with room for its end
  Advance advance[kMostStages];
  Chained chained[StripPlan::kMostParts];  // of each chain, how it runs

  // Rows (flat: elements), and how many of them a strip has.
  int64_t total() const { return flat ? rows * most_columns : rows; }
  int64_t at_once() const { return flat ? kFlatStrip : std::max<int64_t>(1, kRowsStrip / most_columns); }
};

// What all executions of a run share if no register says how large anything is: all but places.
struct StripRun::Model {
  Model(const State& s, const StripPlan& plan)
      : rows(s.rows),
        most_columns(s.most_columns),
        element_bytes(s.element_bytes),
        flat(s.flat),
        padded(s.padded),
        parts(plan.parts.size()),
        tiles(s.tiles, s.tiles + plan.tiles.size()) {
    for (size_t p = 0; p < parts.size(); ++p) {
      parts[p].columns = s.parts[p].columns;
      if (!plan.parts[p].vector) parts[p].moved = {s.parts[p].elements, s.parts[p].bytes};
    }
  }

  void copy_to(State& s) const {
    s.rows = rows, s.most_columns = most_columns, s.element_bytes = element_bytes;
    s.flat = flat, s.padded = padded;
    for (size_t p = 0; p < parts.size(); ++p) {
      s.parts[p].columns = parts[p].columns;
      if (parts[p].moved)
        s.parts[p].elements = parts[p].moved->elements, s.parts[p].bytes = parts[p].moved->bytes;
    }
    std::ranges::copy(tiles, s.tiles);
  }

  struct Moved {
    ViewElements elements;
    State::Bytes bytes;
  };
  struct Part {
    int64_t columns;
    std::optional<Moved> moved;  // by a load or store
  };
  int64_t rows, most_columns, element_bytes;
  bool flat, padded;
  std::vector<Part> parts;
  std::vector<State::Tile> tiles;
};

StripRun::~StripRun() { delete model_.load(); }

void StripRun::describe(std::vector<std::string>& lines) const {
  for (std::string& line : print(plan_)) lines.push_back(std::move(line));
}

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
  const bool prepared = prepare(core, state), moves = plan_.moves(v.reg);
  if (prepared && !moves && in_place(state)) {
    // Unsigned: from the least of 64 bits to the greatest there are more than a signed number counts.
    const uint64_t more =
        (static_cast<uint64_t>(v.stop) - 1 - static_cast<uint64_t>(v.start)) / static_cast<uint64_t>(v.step);
    const bool chained = std::any_of(state.chained, state.chained + plan_.chains.size(),
                                     [](Chained c) { return c != Chained::kNot; });
    for (uint64_t i = 0; chained && i <= more; ++i) {
      core.context->check();
      run_strip(state, 0, state.total());
    }
    const size_t count = chained ? 0 : plan_.parts.size();
    VectorFn functions[StripPlan::kMostParts];
    for (size_t p = 0; p < count; ++p) functions[p] = plan_.parts[p].vector->function;
    for (uint64_t i = 0; !chained && i <= more; ++i) {
      core.context->check();
      for (size_t p = 0; p < count; ++p) functions[p](state.parts[p].args);
    }
    core.registers[v.reg] = static_cast<int64_t>(static_cast<uint64_t>(v.start) + more * v.step);
    return;
  }
  for (bool fits = prepared;;) {
    core.context->check();
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
  return std::ranges::all_of(plan_.parts, [](const StripPart& part) { return part.vector != nullptr; }) &&
         s.total() <= s.at_once();
}

// Finds everything in its place for another value of a register, with the extents it had.
bool StripRun::move(Core& core, State& s) const {
  for (size_t p = 0; p < plan_.parts.size(); ++p) {
    if (plan_.parts[p].vector) continue;
    State::Part& state = s.parts[p];
    std::byte* const base = plan_.parts[p].view().base(core);
    const int64_t by = base - state.elements.base;
    state.elements.base = base;
    state.bytes.begin += by, state.bytes.end += by;
  }
  if (!memory_allows(s)) return false;
  place_tiles(core, s);
  return true;
}

bool StripRun::prepare(Core& core, State& s) const {
  if (const Model* model = model_.load(std::memory_order_acquire)) {
    model->copy_to(s);
    if (!move(core, s)) return false;
    place_operands(core, s);
    return true;
  }
  if (!prepare_anew(core, s)) return false;
  if (plan_.repeats()) {
    auto model = std::make_unique<const Model>(s, plan_);
    const Model* none = nullptr;
    if (model_.compare_exchange_strong(none, model.get(), std::memory_order_release)) model.release();
  }
  return true;
}

bool StripRun::prepare_anew(Core& core, State& s) const {
  if (!resolve_extents(core, s) || s.rows == 0 || s.most_columns == 0) return false;
  s.flat = is_flat(s);
  s.padded = plan_.may_be_padded && s.flat && s.total() * s.element_bytes < StripPlan::kCacheLine;
  if (!memory_allows(s)) return false;
  const int64_t strip = (s.flat ? kFlatStrip : std::max(kRowsStrip, s.most_columns)) * s.element_bytes;
  if (plan_.scratch_strips * (strip + 64) > kStripBytes) return false;
  place_tiles(core, s);
  place_operands(core, s);
  return true;
}

// False if the tiles' actual extents do not agree; then each instruction runs by itself and reports what is
// wrong.
bool StripRun::resolve_extents(Core& core, State& s) const {
  std::optional<int64_t> rows_of_all;
  for (size_t t = 0; t < plan_.tiles.size(); ++t) {
    s.tiles[t].columns = plan_.tiles[t].tile.spec().columns;
    s.element_bytes = std::max(s.element_bytes, plan_.tiles[t].tile.element_bytes());
  }
  for (int p = 0; p < static_cast<int>(plan_.parts.size()); ++p) {
    const StripPart& part = plan_.parts[p];
    State::Part& state = s.parts[p];
    int64_t rows;
    // A local tile has the columns that its first writer gives it, and all others too.
    const auto agrees = [&](int tile) {
      if (!plan_.tiles[tile].local) return true;
      if (plan_.tiles[tile].first_write == p) s.tiles[tile].columns = state.columns;
      return s.tiles[tile].columns == state.columns;
    };
    if (part.vector) {
      rows = part.vector->rows(core);
      state.columns = part.vector->columns(core);
      for (int i = 0; i < part.count; ++i) {
        const bool column = part.vector->sources[i].shape == Shape::kColumn;
        if (s.tiles[part.sources[i]].columns < (column ? 1 : state.columns)) return false;
      }
      if (part.vector->dst_shape != Shape::kColumn) {
        if (!agrees(*part.written)) return false;
      } else if (plan_.tiles[*part.written].local) {
        s.tiles[*part.written].columns = 1;
      }
    } else {
      ViewElements& e = state.elements;
      part.view().resolve(core, e);
      (part.load ? part.load->size : part.store->size).check(e);
      rows = e.rows;
      state.columns = e.columns;
      if (rows <= 0 || e.columns <= 0) return false;
      if (part.load && !agrees(*part.written)) return false;
      if (part.store && s.tiles[part.sources[0]].columns < e.columns) return false;
      int64_t low = 0, high = 0;
      for (int d = 0; d < e.row_rank; ++d)
        (e.row[d].stride > 0 ? high : low) += (e.row[d].extent - 1) * e.row[d].stride;
      for (int d = 0; d < e.column_rank; ++d)
        (e.column[d].stride > 0 ? high : low) += (e.column[d].extent - 1) * e.column[d].stride;
      const int64_t bytes = part.view().element_bytes();
      state.bytes = {e.base + low * bytes, e.base + (high + 1) * bytes};
    }
    if (rows_of_all.value_or(rows) != rows) return false;
    rows_of_all = rows;
    s.most_columns = std::max(s.most_columns, state.columns);
  }
  s.rows = rows_of_all.value_or(0);
  return true;
}

// Strips change the order of accesses to GM. That is harmless if loads and stores touch different memory, or
// each row's the same place; it also decides which tiles can stay in GM.
bool StripRun::memory_allows(State& s) const {
  const auto in_place = [](const ViewElements& e) {
    return e.plain() && (e.column_stride() == 1 || e.columns == 1);
  };
  for (size_t t = 0; t < plan_.tiles.size(); ++t) {
    const StripTile& tile = plan_.tiles[t];
    State::Tile& state = s.tiles[t];
    state.in_gm = false;
    if (s.padded) continue;
    if (tile.stays_loaded()) {
      state.in_gm = in_place(s.parts[*tile.load].elements);
    } else if (tile.is_made_in_gm()) {
      const ViewElements& e = s.parts[*tile.store].elements;
      state.in_gm = in_place(e) && e.columns == state.columns && (s.rows == 1 || e.row_stride() >= e.columns);
    }
  }
  const int count = static_cast<int>(plan_.parts.size());
  for (int p = 0; p < count; ++p) {
    if (!plan_.parts[p].store) continue;
    const ViewElements& e = s.parts[p].elements;
    const int stored = plan_.parts[p].moved();
    for (int q = 0; q < count; ++q) {
      const StripPart& other = plan_.parts[q];
      if (q == p || other.vector || !s.parts[p].bytes.overlaps(s.parts[q].bytes)) continue;
      const ViewElements& o = s.parts[q].elements;
      const bool same_place =
          e.base == o.base && in_place(e) && in_place(o) && e.columns == o.columns &&
          (s.rows == 1 || (e.row_stride() == o.row_stride() && e.row_stride() >= e.columns));
      if (!same_place) return false;
      if (other.store) {
        s.tiles[stored].in_gm = s.tiles[other.moved()].in_gm = false;
        continue;
      }
      // The loaded tile must have been read before its place is written: at the store, or where the stored
      // tile is made.
      const StripTile &loaded = plan_.tiles[other.moved()], &made = plan_.tiles[stored];
      if (loaded.last_read > p) s.tiles[other.moved()].in_gm = false;
      if (made.store == p && !made.load && (loaded.last_read > made.first_write || q > made.first_write))
        s.tiles[stored].in_gm = false;
    }
  }
  return true;
}

bool StripRun::is_flat(const State& s) const {
  if (!plan_.may_be_flat) return false;
  for (size_t p = 0; p < plan_.parts.size(); ++p) {
    if (s.parts[p].columns != s.most_columns) return false;
    if (plan_.parts[p].vector) continue;
    const ViewElements& e = s.parts[p].elements;
    if (!e.plain() || (e.columns > 1 && e.column_stride() != 1) ||
        (e.rows > 1 && e.row_stride() != e.columns))
      return false;
  }
  return std::ranges::all_of(plan_.tiles, [&](const StripTile& t) {
    return t.local || s.rows <= 1 || t.tile.spec().columns == s.most_columns;
  });
}

void StripRun::place_tiles(Core& core, State& s) const {
  const int64_t strip =
      ((s.flat ? kFlatStrip : std::max(kRowsStrip, s.most_columns)) * s.element_bytes + 63) & -64;
  for (size_t i = 0; i < plan_.tiles.size(); ++i) {
    const StripTile& t = plan_.tiles[i];
    State::Tile& state = s.tiles[i];
    const int64_t bytes = t.tile.element_bytes();
    if (state.in_gm) {
      const ViewElements& e = s.parts[t.load ? *t.load : *t.store].elements;
      state.base = e.base, state.step = state.stride = e.row_stride() * bytes;
      if (s.flat) state.step = bytes;
    } else if (t.local) {
      state.base = core.strips + t.strip * strip, state.step = 0, state.stride = state.columns * bytes;
    } else {
      state.base = t.tile.at(core), state.step = state.stride = t.tile.row_stride() * bytes;
      if (s.flat && state.step != 0) state.step = bytes;
    }
  }
}

// In scratch memory rows are dense, and a strip may be computed to the end of its cache line.
bool StripRun::is_dense(int p, const State& s) const {
  const StripPart& part = plan_.parts[p];
  const auto dense = [&](int t) {
    return plan_.tiles[t].local && !s.tiles[t].in_gm && s.tiles[t].columns == s.parts[p].columns;
  };
  return part.elementwise && (!part.written || dense(*part.written)) &&
         std::ranges::all_of(part.read(), dense);
}

void StripRun::set_count(State& s, int p, int64_t count) const {
  State::Part& part = s.parts[p];
  part.args.rows = part.dense ? 1 : count;
  const int64_t columns = s.flat ? count : part.dense ? count * part.columns : part.columns;
  const bool spare = s.flat ? s.padded : part.dense;
  part.args.columns = spare ? std::max(columns, StripPlan::kCacheLine / s.element_bytes) : columns;
}

// The operands of a vector part at its first strip.
VectorArgs StripRun::operands(const StripPart& part, const State& s) const {
  VectorArgs args = part.vector->constants;
  args.dst = s.tiles[*part.written].base;
  args.dst_stride = s.tiles[*part.written].stride;
  for (int i = 0; i < part.count; ++i) {
    args.src[i] = s.tiles[part.sources[i]].base;
    args.src_stride[i] = s.tiles[part.sources[i]].stride;
  }
  return args;
}

void StripRun::place_operands(Core& core, State& s) const {
  const int count = static_cast<int>(plan_.parts.size());
  for (int p = 0; p < count; ++p) {
    if (plan_.parts[p].vector) s.parts[p].dense = s.flat || is_dense(p, s);
  }
  place_stages(s);
  size_t chain = 0;
  for (int p = 0; p < count; ++p) {
    if (chain < plan_.chains.size() && p == plan_.chains[chain].first) {
      const bool chained = s.chained[chain] != Chained::kNot;
      if (chained) p = plan_.chains[chain].last;
      ++chain;
      if (chained) continue;
    }
    if (!plan_.parts[p].vector) continue;
    const VectorAction& v = *plan_.parts[p].vector;
    s.parts[p].args = operands(plan_.parts[p], s);
    set_count(s, p, std::min(s.total(), s.at_once()));
    for (int i = 0; v.has_params && i < 3; ++i) s.parts[p].args.param[i] = evaluate(v.params[i], core);
  }
}

// Whether a load or store moves nothing since its tile stays in GM.
bool StripRun::moves_nothing(int p, const State& s) const {
  const int t = plan_.parts[p].moved();
  const StripTile& tile = plan_.tiles[t];
  return s.tiles[t].in_gm && (tile.load ? tile.load : tile.store) == p;
}

StripRun::Chained StripRun::how_chained(const StripChain& chain, const State& s) const {
  const int64_t columns = s.parts[chain.first].columns;
  bool dense = !chain.by_rows;
  for (int p = chain.first; p <= chain.last; ++p) {
    if (plan_.parts[p].vector ? s.parts[p].columns != columns : !moves_nothing(p, s)) return Chained::kNot;
    if (plan_.parts[p].vector) dense &= s.parts[p].dense;
  }
  if (dense) {
    const bool block = std::min(s.total(), s.at_once()) * (s.flat ? 1 : columns) >= kMostBlock;
    return block ? Chained::kWhole : Chained::kNot;
  }
  // What blocks leave of a row costs a call per part.
  const bool blocks = columns % kMostBlock == 0 || columns > 8 * kMostBlock;
  return blocks ? Chained::kByRows : Chained::kNot;
}

void StripRun::place_stages(State& s) const {
  Stage* stage = s.stages;
  State::Advance* advance = s.advance;
  for (size_t c = 0; c < plan_.chains.size(); ++c, ++stage, ++advance) {
    s.chained[c] = how_chained(plan_.chains[c], s);
    for (const StripChain::Step& step : plan_.chains[c].steps) {
      // Nobody writes a scalar.
      auto* scalar = const_cast<int64_t*>(&plan_.parts[step.part].vector->constants.scalar);
      stage->function = step.function;
      stage->operand = step.tile ? s.tiles[*step.tile].base : reinterpret_cast<std::byte*>(scalar);
      stage->mask = step.mask ? s.tiles[*step.mask].base : nullptr;
      const bool moves = step.tile && step.shape != Shape::kRow;
      advance->operand = moves ? s.at_once() * s.tiles[*step.tile].step : 0;
      advance->mask = step.mask ? s.at_once() * s.tiles[*step.mask].step : 0;
      advance->row_operand = moves ? s.tiles[*step.tile].stride : 0;
      advance->row_mask = step.mask ? s.tiles[*step.mask].stride : 0;
      ++stage, ++advance;
    }
  }
}

// A chain on rows (flat: elements) [from, from + count) of the run.
void StripRun::run_chain(State& s, const StripChain& chain, Stage* stages, int64_t from,
                         int64_t count) const {
  const bool by_rows = s.chained[&chain - plan_.chains.data()] == Chained::kByRows;
  const int64_t columns = s.parts[chain.first].columns, rows = by_rows ? count : 1,
                n = s.flat    ? count
                    : by_rows ? columns
                              : count * columns,
                steps = static_cast<int64_t>(chain.steps.size());
  const State::Advance* advance = s.advance + (stages - s.stages);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; row > 0 && i < steps; ++i) {
      stages[i].operand += advance[i].row_operand;
      stages[i].mask += advance[i].row_mask;
    }
    const int64_t done = chain_function_(stages, steps, n);
    if (done < n) run_rest(s, chain, from, row, done, n);
  }
  const bool last = from + count == s.total();
  if (last && rows == 1) return;
  for (int64_t i = 0; i < steps; ++i) {
    stages[i].operand += (last ? 0 : advance[i].operand) - (rows - 1) * advance[i].row_operand;
    stages[i].mask += (last ? 0 : advance[i].mask) - (rows - 1) * advance[i].row_mask;
  }
}

// Less than a block is left to the instructions one by one: elements [done, n) of a row of the strip that
// begins with row (flat: element) `from` of the run.
void StripRun::run_rest(const State& s, const StripChain& chain, int64_t from, int64_t row, int64_t done,
                        int64_t n) const {
  for (int p = chain.first; p <= chain.last; ++p) {
    const StripPart& part = plan_.parts[p];
    if (!part.vector) continue;
    VectorArgs args = operands(part, s);
    const auto offset = [&](int t, Shape shape) {
      const int64_t down = shape == Shape::kRow ? 0 : from * s.tiles[t].step + row * s.tiles[t].stride;
      return down + (shape == Shape::kColumn ? 0 : done * plan_.tiles[t].tile.element_bytes());
    };
    args.rows = 1, args.columns = n - done;
    args.dst += offset(*part.written, Shape::kFull);
    for (int i = 0; i < part.count; ++i)
      args.src[i] += offset(part.sources[i], part.vector->sources[i].shape);
    part.vector->function(args);
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
  for (int p = 0; p < static_cast<int>(plan_.parts.size()); ++p) {
    if (chain < plan_.chains.size() && p == plan_.chains[chain].first) {
      const StripChain& c = plan_.chains[chain];
      const bool chained = s.chained[chain++] != Chained::kNot;
      if (chained) {
        run_chain(s, c, stages, from, count);
        p = c.last;
      }
      stages += c.steps.size() + 1;
      if (chained) continue;
    }
    const StripPart& part = plan_.parts[p];
    if (part.vector) {
      const VectorAction& v = *part.vector;
      VectorArgs& args = s.parts[p].args;
      if (last) set_count(s, p, count);
      v.function(args);
      if (last) continue;
      args.dst += count * s.tiles[*part.written].step;
      for (int i = 0; i < part.count; ++i) {
        if (v.sources[i].shape != Shape::kRow) args.src[i] += count * s.tiles[part.sources[i]].step;
      }
      if (v.has_params) {  // wraps, as tci itself does
        args.param[0] =
            static_cast<int64_t>(static_cast<uint64_t>(args.param[0]) +
                                 static_cast<uint64_t>(count) * static_cast<uint64_t>(args.param[1]));
      }
      continue;
    }
    if (moves_nothing(p, s)) continue;
    const State::Tile& tile = s.tiles[part.moved()];
    const ViewElements& e = s.parts[p].elements;
    const int64_t bytes = plan_.tiles[part.moved()].tile.element_bytes();
    std::byte* const at = tile.base + from * tile.step;
    if (s.flat) {
      std::byte* gm = e.base + from * bytes;
      std::memcpy(part.load ? at : gm, part.load ? gm : at, count * bytes);
    } else if (part.load) {
      copy_in(e, from, from + count, at, tile.stride / bytes, bytes, part.load->copy);
    } else {
      copy_out(e, from, from + count, at, tile.stride / bytes, bytes, part.store->copy);
    }
  }
}

}  // namespace ascend

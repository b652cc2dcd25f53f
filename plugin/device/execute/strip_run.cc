#include "plugin/device/execute/strip_run.h"

#include <algorithm>
#include <cstring>

namespace ascend {
namespace {

// Elements of a strip: few enough for several strips in 32 KiB, enough to hide a call per instruction.
constexpr int64_t kFlatStrip = 1024, kRowsStrip = 2048;

// Of a part at most a load, an operation and a store, and the end of its chain.
constexpr int kMostStages = 4 * StripRun::kMostParts;

using Shape = VectorAction::Shape;

}  // namespace

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
  ViewElements windows[kMostParts];
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
    // Unsigned: from the least of 64 bits to the greatest there are more than a signed number counts.
    const uint64_t more =
        (static_cast<uint64_t>(v.stop) - 1 - static_cast<uint64_t>(v.start)) / static_cast<uint64_t>(v.step);
    const bool chained = std::any_of(state.chained, state.chained + chains_.size(), [](bool c) { return c; });
    for (uint64_t i = 0; chained && i <= more; ++i) {
      core.context->check();
      run_strip(state, 0, state.total());
    }
    const size_t count = chained ? 0 : parts_.size();
    VectorFn functions[kMostParts];
    for (size_t p = 0; p < count; ++p) functions[p] = parts_[p].vector->function;
    for (uint64_t i = 0; !chained && i <= more; ++i) {
      core.context->check();
      for (size_t p = 0; p < count; ++p) functions[p](state.args[p]);
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
      ViewElements& w = s.windows[p];
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
  const auto in_place = [](const ViewElements& w) {
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
    const ViewElements& w = s.windows[p];
    const int stored = parts_[p].src[0];
    for (size_t q = 0; q < parts_.size(); ++q) {
      if (q == p || parts_[q].vector || !s.spans[p].overlaps(s.spans[q])) continue;
      const ViewElements& o = s.windows[q];
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
    const ViewElements& w = s.windows[p];
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
      const ViewElements& w = s.windows[t.load >= 0 ? t.load : t.store];
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
      if (v.has_params) {  // wraps, as tci itself does
        args.param[0] =
            static_cast<int64_t>(static_cast<uint64_t>(args.param[0]) +
                                 static_cast<uint64_t>(count) * static_cast<uint64_t>(args.param[1]));
      }
      continue;
    }
    if (moves_nothing(p, s)) continue;
    const int t = part.load ? part.dst : part.src[0];
    const ViewElements& w = s.windows[p];
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

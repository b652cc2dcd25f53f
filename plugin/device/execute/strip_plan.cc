#include "plugin/device/execute/strip_plan.h"

#include <algorithm>
#include <map>

#include "plugin/isa/message.h"
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

bool reads(const StripPart& part, int tile) {
  return std::ranges::find(part.read(), tile) != part.read().end();
}

}  // namespace

StripPlan::StripPlan(const Actions& actions, const Kernel& kernel, const KernelUses& uses) {
  for (const ActionPtr& action : actions) add(*action);
  find_local_tiles(uses);
  find_conflict();
  find_padding(kernel);
  find_chains();
  assign_scratch();
}

int StripPlan::tile_index(const TileAccess& tile) {
  for (size_t i = 0; i < tiles.size(); ++i) {
    if (same_slot(tiles[i].tile, tile)) return static_cast<int>(i);
  }
  tiles.push_back({});
  tiles.back().tile = tile;
  return static_cast<int>(tiles.size()) - 1;
}

void StripPlan::add(const Action& action) {
  const int position = static_cast<int>(parts.size());
  StripPart part;
  part.load = dynamic_cast<const LoadAction*>(&action);
  part.store = dynamic_cast<const StoreAction*>(&action);
  part.vector = dynamic_cast<const VectorAction*>(&action);
  const auto read = [&](const TileAccess& tile) {
    const int t = tile_index(tile);
    tiles[t].last_read = position;
    part.sources[part.count++] = t;
  };
  if (part.store) {
    read(part.store->tile);
    StripTile& stored = tiles[part.sources[0]];
    if (!stored.store) stored.store = position;
  } else if (part.load) {
    part.written = tile_index(part.load->tile);
  } else {
    const VectorAction& v = *part.vector;
    const std::string_view group = kInstructions[static_cast<int>(v.opcode)].group;
    part.elementwise = v.dst_shape == Shape::kFull && group != "reduction" && v.opcode != Opcode::ktci;
    for (int i = 0; i < v.count; ++i) {
      read(v.sources[i].tile);
      part.elementwise &= v.sources[i].shape == Shape::kFull;
    }
    part.written = tile_index(v.dst);
    may_be_flat &= part.elementwise;
  }
  if (part.written) {
    StripTile& t = tiles[*part.written];
    if (!t.first_write) {
      t.first_write = position;
      if (part.load && !t.last_read) t.load = position;
    } else {
      t.load = std::nullopt;  // written again: it cannot stay where it was loaded from
    }
    t.last_write = position;
    t.written_by_vector |= part.vector != nullptr;
  }
  parts.push_back(part);
}

// A tile is local if the run writes it before it reads it and nothing else in the kernel reads it.
void StripPlan::find_local_tiles(const KernelUses& uses) {
  std::map<int64_t, int64_t> own;  // reads of a tile by the run
  for (const StripPart& part : parts) {
    for (int t : part.read()) ++own[tiles[t].tile.number()];
  }
  for (StripTile& t : tiles) t.local = t.first_write && uses.reads[t.tile.number()] == own[t.tile.number()];
  for (int p = 0; p < static_cast<int>(parts.size()); ++p) {
    for (int t : parts[p].read()) {
      if (tiles[t].first_write >= p) tiles[t].local = false;  // first read, then written
    }
  }
}

// The last of the earlier parts that use another tile whose place in UB is also this tile's.
std::optional<int> StripPlan::in_the_way(int part, int tile, bool written) const {
  if (tiles[tile].local) return std::nullopt;
  const auto conflicts = [&](int other) {
    return other != tile && !tiles[other].local &&
           overlap(tiles[tile].tile.spec(), tiles[other].tile.spec()) &&
           !other_slot(tiles[tile].tile, tiles[other].tile);
  };
  for (int p = part - 1; p >= 0; --p) {
    const StripPart& earlier = parts[p];
    if ((earlier.written && conflicts(*earlier.written)) ||
        (written && std::ranges::any_of(earlier.read(), conflicts)))
      return p;
  }
  return std::nullopt;
}

void StripPlan::find_conflict() {
  for (int p = 0; p < static_cast<int>(parts.size()); ++p) {
    const StripPart& part = parts[p];
    std::optional<int> earlier = part.written ? in_the_way(p, *part.written, true) : std::nullopt;
    for (int tile : part.read()) earlier = std::max(earlier, in_the_way(p, tile, false));
    if (!earlier) continue;
    conflict = {*earlier, p};
    return;
  }
  const int quarter = static_cast<int>(parts.size() / 4);
  if (tiles.size() > kMostTiles) conflict = {quarter, std::max(3 * quarter, quarter + 1)};
}

// Tiles of less than a vector can be computed as one, if what follows their elements belongs to nobody.
void StripPlan::find_padding(const Kernel& kernel) {
  may_be_padded = may_be_flat;
  for (const StripTile& t : tiles) {
    if (t.local) continue;
    TileSpec line = t.tile.spec();
    may_be_padded &= line.slots == 1;
    line.rows = 1, line.columns = std::max(line.columns, kCacheLine / t.tile.element_bytes());
    for (size_t i = 0; i < kernel.tiles.size(); ++i)
      may_be_padded &= static_cast<int64_t>(i) == t.tile.number() || !overlap(line, kernel.tiles[i]);
  }
}

bool StripPlan::repeats(int64_t reg) const {
  return std::ranges::all_of(parts, [=](const StripPart& part) {
    if (!part.vector) return part.view().has_constant_shape();
    return !depends(part.vector->rows.affine(), reg) && !depends(part.vector->columns.affine(), reg);
  });
}

bool StripPlan::repeats() const {
  return std::ranges::all_of(parts, [](const StripPart& part) {
    if (!part.vector) return part.view().has_constant_shape();
    return part.vector->rows.is_constant() && part.vector->columns.is_constant();
  });
}

bool StripPlan::moves(int64_t reg) const {
  const auto part_moves = [=](const StripPart& part) {
    if (!part.vector) return depends(part.view().operand().offset, reg);
    return part.vector->has_params &&
           std::ranges::any_of(part.vector->params, [=](const Affine& a) { return depends(a, reg); });
  };
  return std::ranges::any_of(parts, part_moves) ||
         std::ranges::any_of(tiles, [=](const StripTile& t) { return depends(t.tile.slot(), reg); });
}

// Whether anybody but the parts `except` reads what part `part` leaves in a tile.
bool StripPlan::read_later(int tile, int part, std::optional<Range> except) const {
  if (!tiles[tile].local) return true;
  for (int p = part + 1; p < static_cast<int>(parts.size()); ++p) {
    if ((!except || p < except->first || p > except->last) && reads(parts[p], tile)) return true;
    if (parts[p].written == tile) return false;
  }
  return false;
}

// Whether a vector part reads the tile as a column or a row that it expands.
bool StripPlan::expands(int part, int tile) const {
  const VectorAction* v = parts[part].vector;
  for (int i = 0; v && i < parts[part].count; ++i) {
    if (parts[part].sources[i] == tile && v->sources[i].shape != Shape::kFull) return true;
  }
  return false;
}

// Whether a vector part can be in a chain that begins with part `first`: it has stages, and what one of the
// chain expands none of them writes, since each row of a chain runs through all of it before the next row.
bool StripPlan::joins(int first, int part) const {
  const StripPart& p = parts[part];
  const VectorAction& v = *p.vector;
  if (v.stages.operate[0] == nullptr || v.dst_shape != Shape::kFull) return false;
  for (int i = 0; i < p.count; ++i) {
    const Shape shape = v.sources[i].shape;
    if (shape != Shape::kFull && (i + 1 < p.count || (shape != Shape::kColumn && shape != Shape::kRow)))
      return false;
  }
  for (int q = first; q <= part; ++q) {
    if (!parts[q].vector) continue;
    if (expands(q, *p.written) || expands(part, *parts[q].written)) return false;
  }
  return true;
}

// Whether this part and the next two rotate 32 bits, by shifts to either side, of which nobody reads the
// halves: random bits are made so.
bool StripPlan::rotates(int part) const {
  if (part + 2 >= static_cast<int>(parts.size())) return false;
  const StripPart &left = parts[part], &right = parts[part + 1], &both = parts[part + 2];
  if (!left.vector || !right.vector || !both.vector || left.vector->opcode != Opcode::ktshls ||
      right.vector->opcode != Opcode::ktshrls || both.vector->opcode != Opcode::ktor ||
      !left.vector->stages.rotate)
    return false;
  const int64_t by = left.vector->constants.scalar;
  return by > 0 && by < 32 && right.vector->constants.scalar == 32 - by &&
         left.sources[0] == right.sources[0] && left.written != left.sources[0] &&
         left.written != right.written && reads(both, *left.written) && reads(both, *right.written) &&
         !read_later(*left.written, part, Range{part + 2, part + 2}) &&
         !read_later(*right.written, part + 1, Range{part + 2, part + 2});
}

// Whether the result of a part of the chain that begins with part `first` is better set aside in memory,
// where somebody reads it later: the next part takes nothing but the tile that registers hold and this part
// reads. If so, the last part of that next step.
std::optional<int> StripPlan::set_aside(int first, int part, std::optional<int> held) const {
  const int next = part + 1;
  if (!held || next >= static_cast<int>(parts.size())) return std::nullopt;
  const StripPart &p = parts[part], &q = parts[next];
  if (!p.vector || !q.vector || !joins(first, part) || !joins(first, next)) return std::nullopt;
  const bool binary = p.count == 2 && p.sources[0] != p.sources[1] && p.written != held &&
                      p.vector->sources[0].shape == Shape::kFull &&
                      p.vector->sources[1].shape == Shape::kFull;
  if (!binary || !reads(p, *held) || !p.vector->stages.aside[p.sources[1] == held]) return std::nullopt;
  if (q.count != 1 || q.sources[0] != held || q.vector->sources[0].shape != Shape::kFull ||
      !read_later(*p.written, part, std::nullopt))
    return std::nullopt;
  return rotates(next) && joins(first, next + 1) && joins(first, next + 2) ? next + 2 : next;
}

// A chain goes on as long as instructions have stages; what one of them computes the next takes from
// registers if it is an operand.
void StripPlan::find_chains() {
  const int count = static_cast<int>(parts.size());
  for (int first = 0; first < count; ++first) {
    if (!parts[first].vector || !joins(first, first)) continue;
    StripChain chain{first, first, false, {}};
    int vectors = 0;
    std::optional<int> held;  // the tile whose value registers hold
    for (int p = first; p < count && (!parts[p].vector || joins(first, p)); ++p) {
      const StripPart& part = parts[p];
      if (!part.vector) {
        if (part.written == held) held = std::nullopt;
        continue;
      }
      const VectorAction& v = *part.vector;
      const char* name = kInstructions[static_cast<int>(v.opcode)].name.data();
      if (set_aside(first, p, held)) {
        const int in_register = part.sources[1] == held;
        chain.steps.push_back({v.stages.aside[in_register], name, part.sources[1 - in_register], part.written,
                               p, Shape::kFull, true});
        chain.last = p;
        ++vectors;
        continue;
      }
      const bool masked = v.opcode == Opcode::ktsel;
      const auto source = [&](int i) {
        return i < part.count ? std::optional(part.sources[i]) : std::nullopt;
      };
      const std::optional<int> mask = masked ? source(0) : std::nullopt, a = source(masked),
                               b = source(masked + 1);
      Held form = Held::kFirst;
      if (b && b == held) form = a == held ? Held::kBoth : Held::kSecond;
      const Shape shape = part.count > 0 ? v.sources[part.count - 1].shape : Shape::kFull;
      chain.by_rows |= shape != Shape::kFull;
      const bool loads =
          part.count > 1 || shape == Shape::kFull;  // what is expanded alone is no first operand
      if (a && loads && form == Held::kFirst && a != held) {
        chain.steps.push_back({v.stages.load, "load", a, std::nullopt, p});
        if (a == b && shape == Shape::kFull) form = Held::kBoth;
      }
      const std::optional<int> other = form == Held::kSecond ? a
                                       : form == Held::kBoth ? std::nullopt
                                       : loads               ? b
                                                             : a;
      chain.steps.push_back({v.stages.operate[static_cast<int>(form)], name, other, mask, p, shape});
      if (rotates(p) && joins(first, p + 1) && joins(first, p + 2)) {
        chain.steps.back().function = v.stages.rotate, chain.steps.back().name = "rotate";
        p += 2, vectors += 2;
      }
      const StripPart& result = parts[p];
      held = result.vector->stages.kept ? result.written : std::nullopt;
      int next = p + 1;
      while (next < count && !parts[next].vector && parts[next].written != held) ++next;
      const bool goes_on = held && next < count && parts[next].vector && joins(first, next);
      std::optional<Range> from_registers;
      if (goes_on) from_registers = {next, set_aside(first, next, held).value_or(next)};
      if (read_later(*result.written, p, from_registers))
        chain.steps.push_back({result.vector->stages.store, "store", result.written, std::nullopt, p});
      chain.last = p;
      ++vectors;
    }
    first = chain.last;
    if (vectors > 1) chains.push_back(std::move(chain));
  }
}

// Strips of scratch memory are given out again once their tile has been used for the last time, to elements
// of the same size: a chain has written later elements of the one before earlier ones of the other are read.
void StripPlan::assign_scratch() {
  struct Strip {
    int last_use;  // part
    int64_t element_bytes;
  };
  std::vector<Strip> strips;
  for (int p = 0; p < static_cast<int>(parts.size()); ++p) {
    for (StripTile& t : tiles) {
      if (!t.local || t.first_write != p) continue;
      const int64_t bytes = t.tile.element_bytes();
      const auto free = std::ranges::find_if(
          strips, [=](const Strip& s) { return s.last_use < p && s.element_bytes == bytes; });
      t.strip = static_cast<int>(free - strips.begin());
      int last_use = *std::max(t.last_read, t.last_write);
      for (const StripChain& c : chains) {  // a chain expands it for each of its rows
        for (int q = c.first; q <= c.last; ++q) {
          if (expands(q, static_cast<int>(&t - tiles.data()))) last_use = std::max(last_use, c.last);
        }
      }
      if (free == strips.end())
        strips.push_back({last_use, bytes});
      else
        free->last_use = last_use;
    }
  }
  scratch_strips = static_cast<int>(strips.size());
}

namespace {

std::string name_of(const StripTile& t) {
  const std::string slot = t.tile.spec().slots > 1 ? "[" + print(t.tile.slot()) + "]" : "";
  return concat("%t", t.tile.number(), slot);
}

std::string place_of(const StripTile& t) {
  if (!t.local) return "UB";
  const std::string strip = concat("strip ", t.strip);
  if (t.stays_loaded()) return "GM, or loaded to " + strip;
  return t.is_made_in_gm() ? "GM, or " + strip + " and stored" : strip;
}

}  // namespace

std::vector<std::string> print(const StripPlan& plan) {
  std::vector<std::string> lines;
  const auto name = [&](int tile) { return name_of(plan.tiles[tile]); };
  for (size_t p = 0; p < plan.parts.size(); ++p) {
    const StripPart& part = plan.parts[p];
    std::string line = concat("part ", p, ": ");
    if (part.vector)
      line += kInstructions[static_cast<int>(part.vector->opcode)].name;
    else
      line += concat(part.load ? "tload" : "tstore", " %g", part.view().argument());
    for (int tile : part.read()) line += " " + name(tile);
    if (part.written)
      line += concat(" -> ", name(*part.written), " in ", place_of(plan.tiles[*part.written]));
    lines.push_back(std::move(line));
  }
  for (const StripChain& chain : plan.chains) {
    std::string line = concat("chain of parts ", chain.first, " to ", chain.last, ":");
    for (const StripChain::Step& step : chain.steps) {
      line += concat(&step == &chain.steps.front() ? " " : ", ", step.name);
      if (step.mask && !step.aside) line += " " + name(*step.mask);
      if (step.tile) line += " " + name(*step.tile);
      if (step.aside) line += " -> " + name(*step.mask);
    }
    if (chain.by_rows) line += "; row by row";
    lines.push_back(std::move(line));
  }
  lines.push_back(concat(plan.scratch_strips, " strips of scratch memory",
                         plan.may_be_flat ? ", rows one after the other where all is contiguous" : ""));
  return lines;
}

}  // namespace ascend

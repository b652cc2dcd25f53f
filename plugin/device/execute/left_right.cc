#include "plugin/device/execute/left_right.h"

#include <algorithm>

#include "plugin/isa/uses.h"

namespace ascend {
namespace {

int64_t slots_before(const Kernel& kernel, int64_t tile) {
  int64_t n = 0;
  for (int64_t i = 0; i < tile; ++i) n += is_operand(kernel.tiles[i]) ? kernel.tiles[i].slots : 0;
  return n;
}

// Per instruction the end of the innermost span around it.
struct Spans {
  explicit Spans(const Kernel& kernel)
      : begin(kernel.body.size()), end(kernel.body.size(), kernel.body.size()) {
    std::vector<size_t> open;
    std::vector<std::vector<size_t>> members(1);
    for (size_t i = 0; i < kernel.body.size(); ++i) {
      if (kernel.body[i].opcode() == Opcode::kend && !open.empty()) {
        for (size_t m : members.back()) end[m] = i, begin[m] = open.back();
        members.pop_back();
        open.pop_back();
      }
      members.back().push_back(i);
      if (kernel.body[i].info().opens) open.push_back(i), members.emplace_back();
    }
  }
  std::vector<size_t> begin, end;
};

// The two slots are certainly different buffers, or certainly the same (0), or not known (-1).
enum class SlotRelation { kSame, kDifferent, kUnknown };
SlotRelation relate(const Affine& a, const Affine& b, int64_t slots) {
  if (slots == 1) return SlotRelation::kSame;
  Affine rest = a;
  rest.constant = b.constant;
  if (!same(rest, b)) return SlotRelation::kUnknown;
  return (a.constant % slots - b.constant % slots) % slots == 0 ? SlotRelation::kSame
                                                                : SlotRelation::kDifferent;
}

}  // namespace

bool is_operand(const TileSpec& t) {
  return t.loc == Loc::kmat || t.loc == Loc::kleft || t.loc == Loc::kright || t.loc == Loc::kacc;
}

bool may_alias(const Kernel& kernel, const KernelUses& uses, int64_t tile) {
  const Spans spans(kernel);
  const size_t n = kernel.body.size();
  struct Write {
    size_t at;
    const isa::textract* extract;
  };
  std::vector<Write> writes;
  for (size_t i = 0; i < n; ++i) {
    for (const TileUse& u : uses.tiles[i]) {
      if (u.tile->tile != tile) continue;
      if (u.writes()) {
        if (kernel.body[i].opcode() != Opcode::ktextract) return false;
        writes.push_back({i, &kernel.body[i].as<isa::textract>()});
        continue;
      }
      // A reader: the last write before it whose block encloses it.
      const auto w =
          std::find_if(writes.rbegin(), writes.rend(), [&](const Write& w) { return i < spans.end[w.at]; });
      if (w == writes.rend()) return false;
      if (relate(w->extract->dst_.slot, u.tile->slot, kernel.tiles[tile].slots) != SlotRelation::kSame)
        return false;
      // Up to the end of the spans around the reader that the write is outside of: they may run again.
      size_t stop = i;
      for (size_t at = i; spans.begin[at] > w->at && spans.end[at] < n; at = spans.begin[at])
        stop = spans.end[at];
      const TileOperand& source = w->extract->src_;
      for (size_t j = w->at + 1; j < stop; ++j) {
        for (const TileUse& other : uses.tiles[j]) {
          if (!other.writes()) continue;
          const int64_t written = other.tile->tile;
          if (!overlap(kernel.tiles[written], kernel.tiles[source.tile])) continue;
          const bool other_buffer =
              written == source.tile &&
              relate(other.tile->slot, source.slot, kernel.tiles[written].slots) == SlotRelation::kDifferent;
          if (!other_buffer) return false;
        }
        // The registers in the slots must not change on the way.
        if (const int64_t reg = uses.registers[j]; reg >= 0) {
          for (const Affine* a : {&u.tile->slot, &source.slot}) {
            for (const Term& t : a->terms) {
              if (t.reg == reg) return false;
            }
          }
        }
      }
    }
  }
  return true;
}

OperandSlot::OperandSlot(const TileAccess& tile, const Kernel& kernel)
    : first_(slots_before(kernel, tile.number())), slots_(tile.spec().slots), slot_(tile.slot()) {}

}  // namespace ascend

#include "plugin/isa/uses.h"

#include <algorithm>

#include "plugin/isa/operands.h"

namespace ascend {

std::vector<TileUse> tile_uses(const Instruction& instruction) {
  std::vector<TileUse> tiles;
  for (const OperandRef& o : Operands(instruction))
    if (o.kind() == OperandKind::ktile) tiles.push_back({&o.tile(), o.info().effect});
  return tiles;
}

KernelUses::KernelUses(const Kernel& kernel) : reads(kernel.tiles.size()), loaded(kernel.tiles.size()) {
  tiles.reserve(kernel.body.size());
  registers.reserve(kernel.body.size());
  for (const Instruction& instruction : kernel.body) {
    registers.push_back(written_register(instruction));
    for (const TileUse& use : tiles.emplace_back(tile_uses(instruction))) {
      if (use.reads() || instruction.opcode() == Opcode::ktreshape) ++reads[use.tile->tile];
      if (instruction.opcode() == Opcode::ktload) loaded[use.tile->tile] = true;
    }
  }
}

int64_t written_register(const Instruction& instruction) {
  for (const OperandRef& o : Operands(instruction))
    if (o.kind() == OperandKind::kregister) return o.number();
  return -1;
}

std::vector<bool> registers_read(const Kernel& kernel) {
  std::vector<bool> read(kernel.registers, false);
  const auto take = [&](const Affine& a) {
    for (const Term& t : a.terms) read[t.reg] = true;
  };
  for (const Instruction& instruction : kernel.body) {
    if (instruction.info().group == "sync") continue;
    for (const OperandRef& o : Operands(instruction)) for_each_affine(o, take);
  }
  for (const TileSpec& t : kernel.tiles) take(t.valid_rows), take(t.valid_columns);
  return read;
}

bool overlap(const TileSpec& a, const TileSpec& b) {
  const auto end = [](const TileSpec& t) { return t.address + (t.slots - 1) * t.slot_stride + t.bytes(); };
  return a.loc == b.loc && a.address < end(b) && b.address < end(a);
}

bool same(const Affine& a, const Affine& b) {
  if (a.constant != b.constant || a.terms.size() != b.terms.size()) return false;
  for (size_t i = 0; i < a.terms.size(); ++i) {
    if (a.terms[i].reg != b.terms[i].reg || a.terms[i].coefficient != b.terms[i].coefficient) return false;
  }
  return true;
}

bool depends(const Affine& a, int64_t reg) {
  return std::any_of(a.terms.begin(), a.terms.end(), [=](const Term& t) { return t.reg == reg; });
}

}  // namespace ascend

#include "plugin/isa/uses.h"

#include <algorithm>

namespace ascend {
namespace {

struct Collector {
  const InstructionInfo& info;
  std::vector<TileUse>& tiles;
  int64_t reg = -1;
  size_t next = 0;

  [[gnu::noinline]] void take(const TileOperand& t) { tiles.push_back({&t, info.operands[next].access}); }
  void take(const Affine&) {}
  void take(const ViewOperand&) {}
  void take(const Immediate&) {}
  void take(const std::vector<int64_t>&) {}
  void take(int64_t value) {
    if (info.operands[next].kind == OperandKind::kregister) reg = value;
  }
  template <class... Operands>
  void operator()(const Operands&... operands) {
    ((take(operands), ++next), ...);
  }
};

struct RegisterCollector {
  std::vector<bool>& read;

  void take(const Affine& a) {
    for (const Term& t : a.terms) read[t.reg] = true;
  }
  void take(const TileOperand& t) { take(t.slot); }
  void take(const ViewOperand& v) {
    take(v.offset);
    for (const Affine& extent : v.shape) take(extent);
  }
  void take(const Immediate&) {}
  void take(const std::vector<int64_t>&) {}
  void take(int64_t) {}
  template <class... Operands>
  void operator()(const Operands&... operands) {
    (take(operands), ...);
  }
};

}  // namespace

std::vector<TileUse> tile_uses(const Instruction& instruction) {
  std::vector<TileUse> tiles;
  Collector collector{instruction.info(), tiles};
  visit(instruction, [&](const auto& i) { i.visit(collector); });
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
  std::vector<TileUse> tiles;
  Collector collector{instruction.info(), tiles};
  visit(instruction, [&](const auto& i) { i.visit(collector); });
  return collector.reg;
}

std::vector<bool> registers_read(const Kernel& kernel) {
  std::vector<bool> read(kernel.registers, false);
  RegisterCollector collector{read};
  for (const Instruction& instruction : kernel.body) {
    if (instruction.info().group != "sync") visit(instruction, [&](const auto& i) { i.visit(collector); });
  }
  for (const TileSpec& t : kernel.tiles) collector.take(t.valid_rows), collector.take(t.valid_columns);
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

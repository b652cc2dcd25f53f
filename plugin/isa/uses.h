// What an instruction touches: its tiles with the effect its declaration states, and the register it writes.
#pragma once
#include <vector>

#include "plugin/isa/module.h"

namespace ascend {

struct TileUse {
  const TileOperand* tile;
  int effect;  // 1 read, 2 write, 3 update
  bool reads() const { return effect & 1; }
  bool writes() const { return effect & 2; }
};

std::vector<TileUse> tile_uses(const Instruction& instruction);

// The same of all instructions of a kernel, and what follows of its tiles. Found once: to ask every
// instruction again for each of them would make load quadratic.
struct KernelUses {
  explicit KernelUses(const Kernel& kernel);
  std::vector<std::vector<TileUse>> tiles;  // by instruction
  std::vector<int64_t> registers;           // by instruction: the one it writes, or -1
  std::vector<int64_t> reads;               // by tile: operands that read it, or give it another name
  std::vector<bool> loaded;                 // by tile: whether a tload fills it
};
int64_t written_register(const Instruction& instruction);  // or -1

// Per register, whether values depend on it: flags alone do not count.
std::vector<bool> registers_read(const Kernel& kernel);

// Whether two tiles share memory, in any of their slots.
bool overlap(const TileSpec& a, const TileSpec& b);

bool same(const Affine& a, const Affine& b);
bool depends(const Affine& a, int64_t reg);

}  // namespace ascend

#include "plugin/device/cycles/hazards.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "plugin/device/cycles/cost.h"
#include "plugin/device/cycles/walk.h"
#include "plugin/isa/message.h"
#include "plugin/isa/operands.h"

namespace ascend::cycles {
namespace {

constexpr int kCores = 3, kQueues = kPipes * kCores;
constexpr int64_t kGranule = 32;

using Clock = std::array<int32_t, kQueues>;

void join(Clock& a, const Clock& b) {
  for (int i = 0; i < kQueues; ++i) a[i] = std::max(a[i], b[i]);
}

struct LastUse {  // the last one of a queue to some bytes
  int32_t time = 0;
  int instruction = -1;
};

struct Granule {
  int writer = -1;  // queue
  LastUse write;
  std::array<LastUse, kPipes> read;  // by pipe of the core that owns the memory; of GM, by core and unit
};

// Of GM only arguments that the kernel both writes and reads can be raced for: windows from one core to
// another.
std::vector<bool> shared_arguments(const Kernel& kernel) {
  std::vector<bool> read(kernel.arguments.size()), shared(kernel.arguments.size());
  for (const Instruction& instruction : kernel.body)
    for (const OperandRef& o : Operands(instruction))
      if (o.kind() == OperandKind::kview && o.info().effect != 2) read[o.view().argument] = true;
  for (size_t a = 0; a < read.size(); ++a) shared[a] = read[a] && kernel.arguments[a].writes;
  return shared;
}

class HazardChecker {
 public:
  HazardChecker(const Kernel& kernel, const Target& target, const Shape& shape,
                std::vector<std::string>& found)
      : kernel_(kernel), target_(target), shape_(shape), found_(found), shared_(shared_arguments(kernel)) {}

  void check(int64_t block) {
    const int cores = kernel_.core == CoreKind::kMix ? kCores : 1;
    for (int c = 0; c < cores; ++c) {
      const Role role = cores == 1 ? Role::kOnly : static_cast<Role>(static_cast<int>(Role::kCube) + c);
      walks_[c].emplace(shape_, block, role);
      left_[c] = kMostInstructions;
      for (int loc = 0; loc < kLocs; ++loc)
        memory_[c][loc].assign(memory_bytes(target_, static_cast<Loc>(loc)) / kGranule + 1, {});
    }
    bool moved = true;
    while (moved) {
      moved = false;
      for (int c = 0; c < cores; ++c) moved |= run(c);
    }
    for (int c = 0; c < cores; ++c) {
      if (held_[c] >= 0) {
        report(held_[c], held_[c], "waits for a cross-core flag that nobody sets");
      } else if (left_[c] > 0) {
        for (const auto& [key, sets] : flags_[c])
          if (!sets.empty())
            report(sets.front().instruction, sets.front().instruction, "sets a flag that nobody waits for");
      }
    }
    if (std::all_of(left_, left_ + cores, [](int64_t left) { return left > 0; })) report_cross_flags();
  }

 private:
  struct Set {
    Clock clock;
    int instruction;
  };

  void report(int a, int b, const std::string& what) {
    if (!seen_.insert({a, b}).second) return;
    std::string text = concat(place(kernel_, b), what);
    if (a != b) text += concat(" of ", place(kernel_, a));
    found_.push_back(text);
  }

  // A counter still up when the kernel ends would let a wait of the next one pass.
  void report_cross_flags() {
    for (auto& from : cross_)
      for (auto& to : from)
        for (const std::deque<Set>& sets : to)
          if (!sets.empty())
            report(sets.front().instruction, sets.front().instruction,
                   "sets a cross-core flag that nobody waits for");
  }

  // Runs a core until it ends, reaches the limit, or waits for another core.
  bool run(int c) {
    bool moved = false;
    for (;;) {
      if (held_[c] < 0) {
        const int index = left_[c] > 0 ? walks_[c]->next() : -1;
        if (index < 0) return moved;
        --left_[c];
        held_[c] = index;
      }
      if (!step(c, held_[c])) return moved;
      held_[c] = -1;
      moved = true;
    }
  }

  int queue(int c, int64_t pipe) const { return c * kPipes + static_cast<int>(pipe); }

  bool step(int c, int index) {
    const Instruction& instruction = kernel_.body[index];
    const Walk& walk = *walks_[c];
    switch (instruction.opcode()) {
      case Opcode::kset_flag: {
        const auto& i = instruction.as<isa::set_flag>();
        auto& sets = flags_[c][{i.src_, i.dst_, walk.value(i.event_)}];
        if (!sets.empty())
          report(sets.front().instruction, index, "sets a flag again before anybody waited for the set");
        sets.push_back({clocks_[queue(c, i.src_)], index});
        return true;
      }
      case Opcode::kwait_flag: {
        const auto& i = instruction.as<isa::wait_flag>();
        auto& sets = flags_[c][{i.src_, i.dst_, walk.value(i.event_)}];
        if (sets.empty()) {
          report(index, index, "waits for a flag that nobody has set");
          return true;
        }
        wait(c, i.dst_, sets.front().clock);
        sets.pop_front();
        return true;
      }
      case Opcode::kset_cross_flag: {
        const auto& i = instruction.as<isa::set_cross_flag>();
        const Set set{clocks_[queue(c, i.pipe_)], index};
        for (int to = 0; to < kCores; ++to)
          if ((c == 0) != (to == 0)) {
            auto& sets = cross_[c][to][walk.value(i.flag_) & (kCrossFlags - 1)];
            sets.push_back(set);
            if (static_cast<int64_t>(sets.size()) > Limits::cross_flag_count)
              report(sets.front().instruction, index, "may raise a cross-core flag further than it counts");
          }
        return true;
      }
      case Opcode::kwait_cross_flag: {
        const auto& i = instruction.as<isa::wait_cross_flag>();
        const int64_t flag = walk.value(i.flag_) & (kCrossFlags - 1);
        for (int from = 0; from < kCores; ++from)
          if ((c == 0) != (from == 0) && cross_[from][c][flag].empty()) return false;
        for (int from = 0; from < kCores; ++from) {
          if ((c == 0) == (from == 0)) continue;
          wait(c, i.pipe_, cross_[from][c][flag].front().clock);
          cross_[from][c][flag].pop_front();
        }
        return true;
      }
      case Opcode::kpipe_barrier:
        return true;
      default:
        touch_operands(c, index);
        return true;
    }
  }

  // A pipe, or the scalar unit and with it everything issued afterwards, waits.
  void wait(int c, int64_t pipe, const Clock& clock) {
    join(clocks_[queue(c, pipe)], clock);
    if (pipe == static_cast<int>(Pipe::kS))
      for (int p = 0; p < kPipes; ++p) join(clocks_[queue(c, p)], clock);
  }

  void touch_operands(int c, int index) {
    const Instruction& instruction = kernel_.body[index];
    const int pipe = static_cast<int>(pipe_of(kernel_, instruction));
    ++clocks_[queue(c, pipe)][queue(c, pipe)];
    const Operands operands(instruction);
    // reads before writes: an instruction does not race with itself
    for (const bool write : {false, true}) {
      for (const OperandRef& o : operands) {
        if (o.kind() == OperandKind::kview) operand(c, pipe, index, o.view(), o.info(), write);
        if (o.kind() != OperandKind::ktile) continue;
        const int when = o.info().reads_if;
        const bool reads = when < 0 || walks_[c]->value(operands[when].affine()) > 0;
        if (write ? o.info().effect != 1 : o.info().effect != 2 && reads)
          operand(c, pipe, index, o.tile(), write);
      }
    }
  }

  void operand(int c, int pipe, int index, const TileOperand& t, bool write) {
    if (kernel_.body[index].opcode() == Opcode::ktreshape && write) return;  // nothing moves
    const Walk& walk = *walks_[c];
    const TileSpec& tile = kernel_.tiles[t.tile];
    const int64_t slot = ((walk.value(t.slot) % tile.slots) + tile.slots) % tile.slots;
    const int64_t base = tile.address + slot * tile.slot_stride, size = dtype_bytes(tile.dtype);
    const int64_t rows = walk.value(tile.valid_rows), columns = walk.value(tile.valid_columns);
    if (rows <= 0 || columns <= 0) return;
    if (tile.layout != Layout::knd || columns == tile.columns) {
      const int64_t bytes = tile.layout != Layout::knd ? tile.bytes() : rows * columns * size;
      bytes_at(c, pipe, index, tile.loc, base, bytes, write);
    } else {
      for (int64_t r = 0; r < rows; ++r)
        bytes_at(c, pipe, index, tile.loc, base + r * tile.columns * size, columns * size, write);
    }
  }

  void operand(int c, int pipe, int index, const ViewOperand& v, const OperandInfo& info, bool write) {
    const Walk& walk = *walks_[c];
    int64_t low = walk.value(v.offset), high = low;
    for (size_t d = 0; d < v.shape.size(); ++d) {
      const int64_t n = walk.value(v.shape[d]);
      if (n <= 0) return;
      (v.strides[d] < 0 ? low : high) += (n - 1) * v.strides[d];
    }
    const ArgumentSpec& argument = kernel_.arguments[v.argument];
    if (low < 0 || high >= argument.size)
      report(index, index,
             concat("touches elements ", low, " to ", high, " of argument ", v.argument, ", which has ",
                    argument.size));
    if (!shared_[v.argument] || info.indexed) return;
    if ((info.effect == 1) == write) return;
    const int64_t size = dtype_bytes(argument.dtype);
    // A core reads GM by MTE2 and by its scalar unit.
    const auto queue_of = [&](int reader) {
      return queue(reader / 2, static_cast<int>(reader % 2 ? Pipe::kS : Pipe::kMTE2));
    };
    const int reader = 2 * c + (pipe == static_cast<int>(Pipe::kS));
    for_each_run(walk, v, [&](int64_t first, int64_t count) {
      for (int64_t g = first * size / kGranule; g <= ((first + count) * size - 1) / kGranule; ++g)
        touch(gm_[{v.argument, g}], queue(c, pipe), index, write, reader, 2 * kCores, queue_of);
      return true;
    });
  }

  void bytes_at(int c, int pipe, int index, Loc loc, int64_t address, int64_t bytes, bool write) {
    auto& memory = memory_[c][static_cast<int>(loc)];
    const int64_t last = std::min<int64_t>((address + bytes - 1) / kGranule, memory.size() - 1);
    for (int64_t g = address / kGranule; g <= last; ++g) {
      Granule& granule = memory[g];
      if (!write && granule.writer < 0) {
        report(index, index,
               concat("reads bytes of ", kMemories[static_cast<int>(loc)].name, " that nobody has written"));
        granule.writer = queue(c, pipe);
        granule.write = {clocks_[granule.writer][granule.writer], index};
      }
      touch(granule, queue(c, pipe), index, write, pipe, kPipes, [&](int p) { return queue(c, p); });
    }
  }

  // Reports what the access races with, and remembers it; readers are numbered, each with its queue.
  template <class QueueOf>
  void touch(Granule& granule, int q, int index, bool write, int reader, int readers, QueueOf queue_of) {
    const Clock& now = clocks_[q];
    if (granule.writer >= 0 && granule.writer != q && granule.write.time > now[granule.writer])
      report(granule.write.instruction, index,
             write ? "may overwrite a tile before the write" : "may read a tile before the write");
    if (!write) {
      granule.read[reader] = {now[q], index};
      return;
    }
    for (int r = 0; r < readers; ++r) {
      const LastUse& read = granule.read[r];
      if (queue_of(r) != q && read.instruction >= 0 && read.time > now[queue_of(r)])
        report(read.instruction, index, "may overwrite a tile before the read");
    }
    granule.writer = q;
    granule.write = {now[q], index};
  }

  const Kernel& kernel_;
  const Target& target_;
  const Shape& shape_;
  std::vector<std::string>& found_;
  const std::vector<bool> shared_;
  std::optional<Walk> walks_[kCores];
  int64_t left_[kCores] = {};
  int held_[kCores] = {-1, -1, -1};
  std::array<Clock, kQueues> clocks_{};
  std::map<std::array<int64_t, 3>, std::deque<Set>> flags_[kCores];
  std::deque<Set> cross_[kCores][kCores][kCrossFlags];
  std::vector<Granule> memory_[kCores][kLocs];
  std::map<std::pair<int64_t, int64_t>, Granule> gm_;  // by argument and granule, of shared arguments
  std::set<std::pair<int, int>> seen_;
};

}  // namespace

std::vector<std::string> find_hazards(const Kernel& kernel, const Target& target) {
  std::vector<std::string> found;
  const Shape shape(kernel);
  const int64_t last = kernel.blocks() - 1;
  HazardChecker(kernel, target, shape, found).check(0);
  if (last > 0 && found.empty()) HazardChecker(kernel, target, shape, found).check(last);
  return found;
}

}  // namespace ascend::cycles

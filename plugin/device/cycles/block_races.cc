#include "plugin/device/cycles/block_races.h"

#include <algorithm>
#include <set>

#include "plugin/device/cycles/walk.h"
#include "plugin/isa/message.h"

namespace ascend::cycles {
namespace {

constexpr int64_t kMostUnits = 1 << 22;  // of storage that is followed element by element

struct Element {                          // of storage
  int32_t writer = -1, reader = -1;       // blocks; a reader of kSeveral stands for more than one
  int32_t written_by = -1, read_by = -1;  // instructions
  int32_t through = -1;                   // the argument it was written through
};
constexpr int32_t kSeveral = -2;

struct Storage {
  int64_t unit = 0;  // bytes
  std::vector<Element> units;
};

// Per argument of a launch the storage it lies in: arguments of one number share it.
using Sharing = std::vector<int>;

class RaceChecker {
 public:
  RaceChecker(const Kernel& kernel, const Sharing& sharing, std::vector<std::string>& found)
      : kernel_(kernel), shape_(kernel), sharing_(sharing), found_(found), storages_(sharing.size()) {
    std::vector<bool> written(sharing.size());
    for (size_t a = 0; a < sharing.size(); ++a)
      if (kernel.arguments[a].writes) written[sharing[a]] = true;
    for (size_t a = 0; a < sharing.size(); ++a) {
      if (!written[sharing[a]]) continue;
      Storage& s = storages_[sharing[a]];
      const int64_t bytes = dtype_bytes(kernel.arguments[a].dtype);
      s.unit = s.unit == 0 ? bytes : std::min(s.unit, bytes);
    }
    for (size_t a = 0; a < sharing.size(); ++a) {
      Storage& s = storages_[sharing[a]];
      const int64_t bytes = dtype_bytes(kernel.arguments[a].dtype) * kernel.arguments[a].size;
      if (s.unit > 0 && bytes / s.unit <= kMostUnits)
        s.units.resize(std::max<size_t>(s.units.size(), bytes / s.unit));
    }
  }

  void run() {
    const bool mixed = kernel_.core == CoreKind::kMix;
    for (int64_t block = 0; block < kernel_.blocks(); ++block)
      for (int c = 0; c < (mixed ? 3 : 1); ++c)
        walk(block, mixed ? static_cast<Role>(static_cast<int>(Role::kCube) + c) : Role::kOnly);
  }

 private:
  void walk(int64_t block, Role role) {
    Walk walk(shape_, block, role);
    for (int64_t left = kMostInstructions; left > 0; --left) {
      const int index = walk.next();
      if (index < 0) return;
      const Instruction& instruction = kernel_.body[index];
      if (instruction.info().group != "memory") continue;
      const Opcode opcode = instruction.opcode();
      if (opcode == Opcode::ktload)
        touch(walk, block, index, instruction.as<isa::tload>().src_, false);
      else if (opcode == Opcode::ktstore && instruction.as<isa::tstore>().atomic_ == 0)
        touch(walk, block, index, instruction.as<isa::tstore>().dst_, true);
    }
  }

  void touch(const Walk& walk, int64_t block, int index, const ViewOperand& v, bool write) {
    Storage& s = storages_[sharing_[v.argument]];
    if (s.units.empty()) return;
    const int64_t per = dtype_bytes(kernel_.arguments[v.argument].dtype) / s.unit;
    for_each_run(walk, v, [&](int64_t first, int64_t count) {
      const int64_t end = (first + count) * per;
      if (first < 0 || end > static_cast<int64_t>(s.units.size())) return false;  // reported elsewhere
      for (int64_t u = first * per; u < end; ++u)
        if (!(write ? wrote(s.units[u], block, index, v.argument)
                    : read(s.units[u], block, index, v.argument)))
          return false;
      return true;
    });
  }

  bool read(Element& u, int64_t block, int index, int64_t argument) {
    if (u.writer >= 0 && u.writer != block)
      return report(u.written_by, index, "reads what another block writes");
    if (u.writer >= 0 && u.through != argument)
      return report(u.written_by, index, "reads an input that has been overwritten in its place");
    u.reader = u.reader == -1 || u.reader == block ? static_cast<int32_t>(block) : kSeveral;
    u.read_by = static_cast<int32_t>(index);
    return true;
  }

  bool wrote(Element& u, int64_t block, int index, int64_t argument) {
    if (u.writer >= 0 && u.writer != block)
      return report(u.written_by, index, "writes what another block writes");
    if (u.reader == kSeveral || (u.reader >= 0 && u.reader != block))
      return report(u.read_by, index, "writes what another block reads");
    u.writer = static_cast<int32_t>(block);
    u.written_by = static_cast<int32_t>(index);
    u.through = static_cast<int32_t>(argument);
    return true;
  }

  bool report(int first, int second, const char* what) {
    if (seen_.insert({first, second}).second)
      found_.push_back(concat(place(kernel_, second), " ", what, "; the other is ", place(kernel_, first)));
    return false;
  }

  const Kernel& kernel_;
  const Shape shape_;
  const Sharing& sharing_;
  std::vector<std::string>& found_;
  std::vector<Storage> storages_;
  std::set<std::pair<int, int>> seen_;
};

// Slots of the entry that JAX gave one buffer are one; slots of the frame are where their bytes begin.
Sharing sharing_of(const Module& module, const Function& function, const LaunchCommand& launch) {
  const auto storage = [&](int64_t slot) {
    Slot s = function.slots[slot];
    if (&function == &module.functions[0] && s.kind == SlotKind::kResult &&
        module.result_alias[s.offset] >= 0)
      s = {SlotKind::kParameter, module.result_alias[s.offset], s.bytes};
    return std::pair{s.kind, s.offset};
  };
  Sharing sharing;
  for (size_t a = 0; a < launch.slots.size(); ++a) {
    size_t b = 0;
    while (storage(launch.slots[b]) != storage(launch.slots[a])) ++b;
    sharing.push_back(static_cast<int>(b));
  }
  return sharing;
}

}  // namespace

std::vector<std::string> find_block_races(const Module& module) {
  std::vector<std::string> found;
  std::set<std::pair<int64_t, Sharing>> done;
  for (const Function& function : module.functions)
    for_each_command(function.commands, [&](const Command& command) {
      const auto* launch = std::get_if<LaunchCommand>(&command.value);
      if (!launch) return;
      const Sharing sharing = sharing_of(module, function, *launch);
      if (done.insert({launch->kernel, sharing}).second)
        RaceChecker(module.kernels[launch->kernel], sharing, found).run();
    });
  return found;
}

}  // namespace ascend::cycles

#include "plugin/device/program.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "plugin/device/stream.h"
#include "plugin/device/together/together.h"
#include "plugin/error.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

class LoadedProgram final : public Program {
 public:
  explicit LoadedProgram(std::span<const std::byte> bytes)
      : bytes_(bytes.begin(), bytes.end()),
        module_(read_verified(bytes_)),
        constants_(copy_constants(module_)),
        stream_(module_, constants_.get()),
        plans_(plan_exchanges(module_)),
        exchanges_hash_(hash_of_exchanges(module_)) {}

  const ProgramHeader& header() const override { return module_; }
  uint64_t workspace_bytes() const override {
    return static_cast<uint64_t>(module_.functions.front().frame_bytes);
  }
  std::span<const std::byte> bytes() const override { return bytes_; }

  bool may_block() const override {
    return stream_.unbounded() || !host_calls().empty() || !ffi_calls().empty();
  }
  const std::vector<int64_t>& host_calls() const override { return stream_.host_calls(); }

  const std::vector<const FfiCallCommand*>& ffi_calls() const override { return stream_.ffi_calls(); }

  std::unordered_map<const Command*, std::pair<int, int>> command_numbers() const override {
    return stream_.numbers();
  }

  bool is_collective() const override { return stream_.collective(); }

  uint64_t exchanges_hash() const override { return exchanges_hash_; }

  using Program::execute;
  void execute(std::span<const DeviceRun> runs, bool spread, Others* others) const override {
    if (is_collective() && !others &&
        static_cast<int64_t>(runs.size()) != module_.replicas * module_.partitions)
      throw Error(Code::kInvalidArgument, concat("[execute ", module_.name, "] expected runs of all ",
                                                 module_.replicas * module_.partitions,
                                                 " devices of the program, got ", runs.size(), "."));
    run_together(stream_, plans_, runs, spread, others);
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  using Memory = std::unique_ptr<std::byte[], Free>;

  // Aligned as device memory is; the bytes given to load need not be.
  static Memory copy_constants(const Module& module) {
    const size_t size = (module.constants.size() + 64) / 64 * 64;
    Memory memory(static_cast<std::byte*>(std::aligned_alloc(64, size)));
    if (!memory) throw Error(Code::kResourceExhausted, "[program] no memory for the constants.");
    std::memcpy(memory.get(), module.constants.data(), module.constants.size());
    return memory;
  }

  std::vector<std::byte> bytes_;
  Module module_;
  Memory constants_;
  Stream stream_;
  ExchangePlans plans_;
  const uint64_t exchanges_hash_;
};

}  // namespace

std::shared_ptr<const Program> Program::load(std::span<const std::byte> bytes) {
  return std::make_shared<LoadedProgram>(bytes);
}

}  // namespace ascend

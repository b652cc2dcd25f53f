// A loaded program: verified and decoded once, ready to be executed any number of times, by many threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "isa.gen.h"  // DType (codes are those of PJRT_Buffer_Type), Target, MemoryKind
#include "plugin/device/run_context.h"

namespace ascend {

class Others;

struct TensorSpec {
  DType dtype;
  std::vector<int64_t> dims;
  uint64_t bytes;  // dense row-major; sub-byte types take one byte per element
};

// What a program says of itself besides its code; every number in it is checked when it is loaded.
struct ProgramHeader {
  std::string name;
  Target target;
  std::vector<TensorSpec> parameters, results;
  std::vector<MemoryKind> parameter_memory, result_memory;
  std::vector<int>
      donated;  // parameters that a run consumes, whether a result takes them over or not; ascending
  std::vector<int> result_alias;  // per result the parameter whose storage it takes over (donation), or -1
  std::vector<std::string> parameter_sharding, result_sharding;  // as an OpSharding each; empty: unknown
  int64_t replicas, partitions;
  double flops, transcendentals, bytes_accessed;  // of one run, as the compiler counts them
  std::string stablehlo;                          // the module it was compiled from; may be empty
  std::string debug;                              // where its commands come from; may be empty
};

struct DeviceRun {
  RunContext context;
  std::span<std::byte* const> parameters, results;
  std::byte* workspace;
};

class Program {
 public:
  // Verifies checksum, ISA hash, structure and static bounds; throws Error{kInvalidArgument | kDataLoss}.
  static std::shared_ptr<const Program> load(std::span<const std::byte> bytes);
  virtual ~Program() = default;

  virtual const ProgramHeader& header() const = 0;
  const std::vector<TensorSpec>& parameters() const { return header().parameters; }
  const std::vector<TensorSpec>& results() const { return header().results; }
  const std::vector<int>& result_alias() const { return header().result_alias; }
  virtual uint64_t workspace_bytes() const = 0;
  virtual std::span<const std::byte> bytes() const = 0;  // what load() was given

  // Whether data decide how long it runs: it has loops whose trips are not known. Such a program, and one
  // that waits for something, must not run in a thread that has other things to do.
  virtual bool may_block() const = 0;

  // Whether its devices have to run it together: it has exchanges.
  virtual bool is_collective() const = 0;

  // Equal for programs whose devices can meet: they have the same exchanges.
  virtual uint64_t exchanges_hash() const = 0;

  // The functions of the host that it calls, by number: without them, as after loading its bytes, it cannot
  // run.
  virtual const std::vector<int64_t>& host_calls() const = 0;

  // Its calls of handlers, which whoever runs it has to look up.
  virtual const std::vector<const FfiCallCommand*>& ffi_calls() const = 0;

  // For each command its function's number and its own there, as in the debug section.
  virtual std::unordered_map<const Command*, std::pair<int, int>> command_numbers() const = 0;

  // Runs to completion, or until the context is cancelled, on the calling thread and the shared worker pool.
  // No allocation, and no Python but the functions of the host that it calls. All pointers are 64-byte
  // aligned device memory. Where result i aliases parameter p the caller passes results[i] == parameters[p].
  // Throws Error if the program fails or was cancelled.
  void execute(const RunContext& context, std::span<std::byte* const> parameters,
               std::span<std::byte* const> results, std::byte* workspace) const {
    const DeviceRun run{context, parameters, results, workspace};
    execute({&run, 1});
  }

  // As above on several devices at once, which their contexts name. Those of a program that is collective
  // must all be there, or `others` have them. In an order that the values do not depend on, on the pool's
  // threads if `spread` says so. What fails on one ends it on all.
  virtual void execute(std::span<const DeviceRun> runs, bool spread = false,
                       Others* others = nullptr) const = 0;
};

}  // namespace ascend

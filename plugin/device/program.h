// A loaded program: verified and decoded once, ready to be executed any number of times, by many threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa.gen.h"  // ascend::DType (codes are those of PJRT_Buffer_Type)
#include "plugin/device/run_context.h"

namespace ascend {

struct TensorSpec {
  DType dtype;
  std::vector<int64_t> dims;
  uint64_t bytes;  // dense row-major; sub-byte types take one byte per element
};

class Program {
 public:
  // Verifies checksum, ISA hash, structure and static bounds; throws Error{kInvalidArgument | kDataLoss}.
  static std::shared_ptr<const Program> load(std::span<const std::byte> bytes);
  virtual ~Program() = default;

  virtual const std::vector<TensorSpec>& parameters() const = 0;
  virtual const std::vector<TensorSpec>& results() const = 0;
  // result_alias()[i] is the parameter whose storage result i takes over (donation), or -1.
  virtual const std::vector<int>& result_alias() const = 0;
  virtual uint64_t workspace_bytes() const = 0;
  // Free-form facts the compiler recorded ("name", "stablehlo", "cost.flops", ...); empty if absent.
  virtual std::string_view metadata(std::string_view key) const = 0;
  virtual std::span<const std::byte> bytes() const = 0;  // what load() was given

  // Whether data decide how long it runs: it has loops whose trips are not known. Such a program, and one
  // that waits for something, must not run in a thread that has other things to do.
  virtual bool may_block() const = 0;

  // Runs to completion, or until the context is cancelled, on the calling thread and the shared worker pool.
  // No allocation, no Python. All pointers are 64-byte aligned device memory. Where result i aliases
  // parameter p the caller passes results[i] == parameters[p]. Throws Error if the program fails or was
  // cancelled.
  virtual void execute(const RunContext& context, std::span<std::byte* const> parameters,
                       std::span<std::byte* const> results, std::byte* workspace) const = 0;
};

}  // namespace ascend

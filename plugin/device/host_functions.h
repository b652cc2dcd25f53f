// Functions of the process that compiled a program, which the program calls by number.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "isa.gen.h"

namespace ascend {

class HostDesk;

class HostFunctions {
 public:
  virtual ~HostFunctions() = default;
  // Calls function `number` on device memory, results first, and returns when it has: at `desk`, if there is
  // one. It may take as long as it likes and use the device itself; so nobody may hold a lock. Throws Error
  // if the function fails.
  virtual void call(HostDesk* desk, int64_t number, std::span<std::byte* const> slots,
                    std::span<const TensorType> results, std::span<const TensorType> operands) const = 0;
};

struct RunContext;

// Handlers that a program calls by name.
class ForeignFunctions {
 public:
  virtual ~ForeignFunctions() = default;
  // Calls the handler of `command`, which is one of the program's, on device memory, results first, and
  // returns when it is done. As for HostFunctions, nobody may hold a lock. Throws Error if the handler fails.
  virtual void call(const RunContext& context, const FfiCallCommand& command,
                    std::span<std::byte* const> slots) const = 0;
};

}  // namespace ascend

// A Program's bytes as structs: what compiler/program/program.py and kernel.py wrote, before it is decoded
// for execution.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "isa.gen.h"
#include "plugin/device/program.h"

namespace ascend {

// One of the generated operand structs and its opcode. (A std::variant of all of them takes seconds to
// compile.)
class Instruction {
 public:
  template <class I>
  I& emplace() {
    auto* box = new Box<I>;
    opcode_ = I::kOpcode;
    operands_.reset(static_cast<Any*>(box));
    return box->operands;
  }
  Opcode opcode() const { return opcode_; }
  const InstructionInfo& info() const { return kInstructions[static_cast<int>(opcode_)]; }
  template <class I>
  const I& as() const {  // I::kOpcode == opcode()
    return static_cast<const Box<I>*>(operands_.get())->operands;
  }

 private:
  struct Any {
    virtual ~Any() = default;
  };
  template <class I>
  struct Box final : Any {
    I operands;
  };
  Opcode opcode_{};
  std::shared_ptr<const Any> operands_;
};

// Calls f with the operand struct of the instruction: f must accept every one of them.
template <class F>
decltype(auto) visit(const Instruction& i, F&& f) {
  switch (i.opcode()) {
#define ASCEND_VISIT(name) \
  case Opcode::k##name:    \
    return f(i.as<isa::name>());
    ASCEND_FOR_EACH_INSTRUCTION(ASCEND_VISIT)
#undef ASCEND_VISIT
  }
  __builtin_unreachable();
}

enum class CoreKind : uint8_t { kAiv, kAic, kMix };

struct ArgumentSpec {
  DType dtype;
  int64_t size;  // elements
  bool writes;
};

struct TileSpec {
  Loc loc;
  DType dtype;
  int64_t rows, columns;
  Layout layout;
  int64_t address, slots, slot_stride;
  Affine valid_rows, valid_columns;
  int64_t bytes() const { return rows * columns * dtype_bytes(dtype); }
};

struct Kernel {
  std::string name;
  CoreKind core;
  std::vector<int64_t> grid;
  std::vector<ArgumentSpec> arguments;
  std::vector<TileSpec> tiles;
  int64_t registers;
  std::vector<Instruction> body;
  int64_t blocks() const;
};

enum class SlotKind : uint8_t { kParameter, kResult, kConstant, kFrame };

struct Slot {
  SlotKind kind;
  int64_t offset;  // parameter or result number, or bytes into constants or frame
  int64_t bytes;
};

struct Command;
using Region = std::vector<Command>;

struct LaunchCommand {
  int64_t kernel;
  std::vector<int64_t> slots;
};
struct AicpuCommand {
  AicpuOp op;
  std::vector<int64_t> slots, ints;
};
struct CopyCommand {
  int64_t destination, source, bytes;
};
struct LoopCommand {
  int64_t predicate;
  std::vector<std::pair<int64_t, int64_t>> swaps;
  Region condition, body;
  int64_t trips;  // of body, as far as the compiler knows, or -1
};
struct CaseCommand {
  int64_t index;
  std::vector<Region> branches;
};
struct CallCommand {
  int64_t function;
  std::vector<int64_t> slots;
};
struct Command {  // alternatives in the order of CommandCode
  std::variant<LaunchCommand, AicpuCommand, CopyCommand, LoopCommand, CaseCommand, CallCommand> value;
};
// Calls f with every command of a region, those of loops and branches among them.
template <class F>
void for_each_command(const Region& region, const F& f) {
  for (const Command& c : region) {
    f(c);
    if (const auto* loop = std::get_if<LoopCommand>(&c.value)) {
      for_each_command(loop->condition, f);
      for_each_command(loop->body, f);
    } else if (const auto* choice = std::get_if<CaseCommand>(&c.value)) {
      for (const Region& branch : choice->branches) for_each_command(branch, f);
    }
  }
}
static_assert(std::variant_size_v<decltype(Command::value)> == kCommands, "a stream command has no struct");

struct Function {
  std::string name;
  int64_t frame_bytes;
  std::vector<Slot> slots;
  Region commands;
  int64_t parameters, results;  // how many the slots refer to
};

struct Module : ProgramHeader {
  std::vector<Kernel> kernels;
  std::vector<Function> functions;       // the entry first
  std::span<const std::byte> constants;  // into the bytes given to read_module
};

// Checks magic, version, checksum and ISA hash and takes the words apart; throws Error{kDataLoss,
// kInvalidArgument}.
Module read_module(std::span<const std::byte> bytes);

// Throw Error{kInvalidArgument} naming the place if the kernel, or the stream, breaks a rule of the ISA.
void verify_kernel(const Kernel& kernel, const Target& target);
void verify_stream(const Module& module);

// read_module, and both of these.
Module read_verified(std::span<const std::byte> bytes);

// Bytes of one on-chip memory.
int64_t memory_bytes(const Target& target, Loc loc);

// One line of text: `pto.tadd %2, %0, %1`; tiles as %number, registers as %rnumber.
std::string print(const Instruction& instruction);
// `kernel NAME, instruction 17: pto.tadd ...`, the place of an error.
std::string place(const Kernel& kernel, size_t index);

}  // namespace ascend

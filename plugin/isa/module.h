// A Program's bytes as structs: what compiler/program/program.py and kernel.py wrote, before it is decoded
// for execution.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
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

struct Slot {
  SlotKind kind;
  int64_t offset;  // parameter or result number, or bytes into constants or frame
  int64_t bytes;
};

// Calls f with every command of a list, those of loops and branches among them.
template <class F>
void for_each_command(const Commands& commands, const F& f);

// Calls f with every list of commands that a command has.
template <class F>
void for_each_list(const Command& command, const F& f) {
  const auto look = [&]<class T>(const FieldInfo&, const T& field) {
    if constexpr (std::is_same_v<T, Commands>) f(field);
    if constexpr (std::is_same_v<T, std::vector<Commands>>) {
      for (const Commands& commands : field) f(commands);
    }
  };
  std::visit([&](const auto& c) { c.visit(look); }, command.value);
}

template <class F>
void for_each_command(const Commands& commands, const F& f) {
  for (const Command& c : commands) {
    f(c);
    for_each_list(c, [&](const Commands& inner) { for_each_command(inner, f); });
  }
}

struct Function {
  std::string name;
  int64_t frame_bytes;
  std::vector<Slot> slots;
  Commands commands;
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

// Dense row-major, at most kMaxBytes; -1 if it is more, or no size at all.
int64_t tensor_bytes(DType dtype, std::span<const int64_t> dims);

// The parameters of an AICPU kernel, from the words that encode them.
AicpuParameters read_parameters(AicpuOp op, std::vector<int64_t> words);

// One kernel, from the words that Kernel.encode wrote.
Kernel read_kernel(std::string name, std::vector<int64_t> words);

// Throw Error{kInvalidArgument} naming the place if the kernel, or the stream, breaks a rule of the ISA.
// Without a target addresses, which a kernel may not have yet, are not looked at.
void verify_kernel(const Kernel& kernel, const Target* target);
void verify_stream(const Module& module);
void verify_debug(const Module& module);
// The groups and types of an exchange between so many devices (verify_collective.cc).
void verify_collective(const CollectiveCommand& command, int64_t devices);

// read_module, and all of these.
Module read_verified(std::span<const std::byte> bytes);

// One line of text: `pto.tadd ins(%t0, %t1) outs(%t2)`.
std::string print(const Instruction& instruction);
std::string print(const Affine& affine);
// `kernel NAME, instruction 17: pto.tadd ...`, the place of an error.
std::string place(const Kernel& kernel, size_t index);

}  // namespace ascend

#include "plugin/ffi/calls.h"

#include <cstring>
#include <unordered_map>
#include <vector>

#include "plugin/error.h"
#include "plugin/ffi/attributes.h"
#include "plugin/ffi/interface.h"
#include "plugin/runtime/queue.h"

namespace ascend::ffi {
namespace {

size_t elements(const TensorType& type) {
  size_t count = 1;
  for (int64_t d : type.dims) count *= static_cast<size_t>(d);
  return count;
}

// Several elements per byte, as handlers have them; on the device there is one.
std::vector<std::byte> pack(const std::byte* from, size_t count, int per_byte) {
  const int bits = 8 / per_byte, mask = (1 << bits) - 1;
  std::vector<std::byte> packed((count + per_byte - 1) / per_byte);
  for (size_t i = 0; i < count; ++i)
    packed[i / per_byte] |= std::byte((std::to_integer<int>(from[i]) & mask) << bits * (i % per_byte));
  return packed;
}

void unpack(const std::vector<std::byte>& from, std::byte* to, size_t count, DType dtype) {
  const int per_byte = packed(dtype), bits = 8 / per_byte, mask = (1 << bits) - 1;
  const int sign = dtype == DType::ki4 || dtype == DType::ki2 ? 1 << (bits - 1) : 0;
  for (size_t i = 0; i < count; ++i) {
    const int value = std::to_integer<int>(from[i / per_byte]) >> bits * (i % per_byte) & mask;
    to[i] = std::byte((value ^ sign) - sign);
  }
}

// A call in the program, with the handler's own state.
class Site {
 public:
  explicit Site(const FfiCallCommand& command)
      : command_(command), stages_(look_up(command.target)), attributes_(command.attributes) {
    const std::vector<bool> tokens = token_positions(command);
    for (size_t i = 0; i < command.slots.size(); ++i) {
      const TensorType& type = type_of(i);
      Buffer& buffer = buffers_.emplace_back();
      buffer.struct_size = sizeof(Buffer);
      buffer.dtype = tokens[i] ? kTokenType : foreign_type(type.dtype);
      buffer.rank = tokens[i] ? 0 : static_cast<int64_t>(type.dims.size());
      buffer.dims = type.dims.data();
    }
    arguments_.resize(command.operands.size(), ArgumentType::kBuffer);
    results_.resize(command.results.size(), ArgumentType::kBuffer);
    if (!stages_.of(Stage::kInstantiate)) return;
    Context context;
    context.states[static_cast<int>(Stage::kInstantiate)] = &instance_;
    CallFrame frame = frame_of(Stage::kInstantiate, context);
    run(frame);
  }

  void operator()(const RunContext& run_context, std::span<std::byte* const> slots) const {
    Queue::Away away;
    std::vector<Buffer> buffers = buffers_;
    std::vector<void*> pointers;
    std::vector<std::vector<std::byte>> packed_arrays(buffers.size());
    for (size_t i = 0; i < buffers.size(); ++i) {
      const TensorType& type = type_of(i);
      buffers[i].data = slots[i];
      if (const int per_byte = packed(type.dtype); per_byte > 1) {
        packed_arrays[i] = pack(slots[i], elements(type), per_byte);
        buffers[i].data = packed_arrays[i].data();
      }
      pointers.push_back(&buffers[i]);
    }
    share_packed(slots, buffers);
    State prepared, initialized;
    Context context;
    context.run = &run_context;
    context.states[static_cast<int>(Stage::kInstantiate)] = &instance_;
    context.states[static_cast<int>(Stage::kPrepare)] = &prepared;
    context.states[static_cast<int>(Stage::kInitialize)] = &initialized;
    for (Stage stage : {Stage::kPrepare, Stage::kInitialize, Stage::kExecute}) {
      if (!stages_.of(stage)) continue;
      CallFrame frame = frame_of(stage, context);
      frame.arguments.size = static_cast<int64_t>(arguments_.size());
      frame.arguments.types = arguments_.data();
      frame.arguments.items = pointers.data() + results_.size();
      frame.results.size = static_cast<int64_t>(results_.size());
      frame.results.types = results_.data();
      frame.results.items = pointers.data();
      run(frame);
    }
    for (size_t i = 0; i < results_.size(); ++i)
      if (!packed_arrays[i].empty())
        unpack(packed_arrays[i], slots[i], elements(type_of(i)), type_of(i).dtype);
  }

 private:
  static Stages look_up(const std::string& target) {
    const auto found = find_handler(target);
    if (found) return *found;
    throw Error(Code::kNotFound, "[ffi call] the program calls the handler " + shown(target) +
                                     "; expected one that this process has registered, got none. Call "
                                     "jax.ffi.register_ffi_target(\"" +
                                     shown(target) + "\", ..., platform=\"ascend\") first.");
  }
  static std::vector<bool> token_positions(const FfiCallCommand& command) {
    std::vector<bool> tokens(command.slots.size());
    for (int64_t t : command.tokens) tokens[static_cast<size_t>(t)] = true;
    return tokens;
  }

  const TensorType& type_of(size_t i) const {
    const size_t results = command_.results.size();
    return i < results ? command_.results[i] : command_.operands[i - results];
  }

  // An operand that a result starts as is one array with it when packed, too.
  void share_packed(std::span<std::byte* const> slots, std::vector<Buffer>& buffers) const {
    for (size_t r = 0; r < results_.size(); ++r)
      for (size_t o = results_.size(); o < buffers.size(); ++o)
        if (slots[r] == slots[o] && buffers[r].dtype == buffers[o].dtype && packed(type_of(o).dtype) > 1 &&
            elements(type_of(r)) == elements(type_of(o)))
          buffers[o].data = buffers[r].data;
  }

  CallFrame frame_of(Stage stage, Context& context) const {
    CallFrame frame = empty_frame(stage);
    frame.context = &context;
    frame.attributes = attributes_.dictionary();
    return frame;
  }

  void run(CallFrame& frame) const {
    try {
      ffi::call(stages_.of(frame.stage), frame);
    } catch (const Error& error) {
      throw Error(error.code(), "[ffi call " + shown(command_.target) + "] " + error.what());
    }
  }

  const FfiCallCommand& command_;
  const Stages stages_;
  const AttributeTree attributes_;
  std::vector<Buffer> buffers_;  // of the slots, without their data
  std::vector<ArgumentType> arguments_, results_;
  mutable State instance_;  // handlers see it, and may change what it points to
};

class Calls final : public ForeignFunctions {
 public:
  explicit Calls(std::shared_ptr<const Program> program) : program_(std::move(program)) {
    for (const FfiCallCommand* command : program_->ffi_calls())
      sites_.emplace(command, std::make_unique<Site>(*command));
  }
  void call(const RunContext& context, const FfiCallCommand& command,
            std::span<std::byte* const> slots) const override {
    (*sites_.at(&command))(context, slots);
  }

 private:
  const std::shared_ptr<const Program> program_;  // has the commands
  std::unordered_map<const FfiCallCommand*, std::unique_ptr<Site>> sites_;
};

}  // namespace

std::shared_ptr<const ForeignFunctions> bind_calls(const std::shared_ptr<const Program>& program) {
  if (program->ffi_calls().empty()) return nullptr;
  return std::make_shared<Calls>(program);
}

}  // namespace ascend::ffi

#include "plugin/device/stream.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "plugin/device/aicpu/aicpu.h"
#include "plugin/device/host_functions.h"
#include "plugin/device/recording.h"
#include "plugin/error.h"

namespace ascend {
namespace {

// A table of pointers on the stack; functions of very many slots get theirs from the heap.
class Pointers {
 public:
  explicit Pointers(size_t size) {
    if (size > kFew) many_.reset(new std::byte*[size]);
  }
  std::byte** data() { return many_ ? many_.get() : few_; }

 private:
  static constexpr size_t kFew = 512;
  std::byte* few_[kFew];
  std::unique_ptr<std::byte*[]> many_;
};

// Looks up what the AICPU kernels of a module call.
void prepare_kernels(const Module& module) {
  for (const Function& f : module.functions) {
    for_each_command(f.commands, [](const Command& c) {
      if (const auto* aicpu = std::get_if<AicpuCommand>(&c.value)) prepare_aicpu(aicpu->parameters);
    });
  }
}

// Whether data decide how often some loop of commands runs: the compiler records the trips of the others.
bool has_unknown_trips(const Module& module) {
  bool found = false;
  for (const Function& f : module.functions) {
    for_each_command(f.commands, [&](const Command& c) {
      const auto* loop = std::get_if<LoopCommand>(&c.value);
      found |= loop && loop->trips < 0;
    });
  }
  return found;
}

std::vector<int64_t> find_host_calls(const Module& module) {
  std::vector<int64_t> numbers;
  for (const Function& f : module.functions) {
    for_each_command(f.commands, [&](const Command& c) {
      if (const auto* call = std::get_if<HostCallCommand>(&c.value)) numbers.push_back(call->callback);
    });
  }
  std::ranges::sort(numbers);
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  return numbers;
}

std::vector<const FfiCallCommand*> find_ffi_calls(const Module& module) {
  std::vector<const FfiCallCommand*> calls;
  for (const Function& f : module.functions) {
    for_each_command(f.commands, [&](const Command& c) {
      if (const auto* call = std::get_if<FfiCallCommand>(&c.value)) calls.push_back(call);
    });
  }
  return calls;
}

}  // namespace

Stream::Stream(const Module& module, std::byte* constants) : module_(module), constants_(constants) {
  kernels_.reserve(module.kernels.size());
  for (const Kernel& k : module.kernels) kernels_.emplace_back(k, module.target);
  prepare_kernels(module);
  unbounded_ = has_unknown_trips(module) || std::ranges::any_of(kernels_, &KernelCode::unbounded);
  host_calls_ = find_host_calls(module);
  ffi_calls_ = find_ffi_calls(module);
}

void Stream::run(const RunContext& context, std::byte* const* arguments, std::byte* workspace) const {
  call(context, module_.functions.front(), [=](int64_t number) { return arguments[number]; }, workspace);
}

// `argument` gives the storage of a parameter, or of a result after the last of them.
template <class F>
void Stream::call(const RunContext& context, const Function& function, const F& argument,
                  std::byte* frame) const {
  Pointers table(function.slots.size());
  std::byte** slots = table.data();
  for (size_t i = 0; i < function.slots.size(); ++i) {
    const Slot& s = function.slots[i];
    switch (s.kind) {
      case SlotKind::kParameter:
        slots[i] = argument(s.offset);
        break;
      case SlotKind::kResult:
        slots[i] = argument(function.parameters + s.offset);
        break;
      case SlotKind::kConstant:
        slots[i] = constants_ + s.offset;
        break;
      case SlotKind::kFrame:
        slots[i] = frame + s.offset;
        break;
    }
  }
  run(context, function.commands, slots);
}

void Stream::run(const RunContext& context, const Commands& commands, std::byte** slots) const {
  if (context.record) [[unlikely]] {
    run_recorded(context, commands, slots);
    return;
  }
  for (const Command& command : commands) {
    context.check();
    std::visit([&](const auto& c) { execute(context, c, slots); }, command.value);
  }
}

void Stream::run_recorded(const RunContext& context, const Commands& commands, std::byte** slots) const {
  for (const Command& command : commands) {
    context.check();
    const size_t place = context.record->begin(&command);
    std::visit(
        [&]<class C>(const C& c) {
          if constexpr (std::is_same_v<C, LoopCommand> || std::is_same_v<C, CaseCommand>)
            context.record->decide(place, execute(context, c, slots));
          else
            execute(context, c, slots);
        },
        command.value);
    context.record->end(place);
  }
}

std::unordered_map<const Command*, std::pair<int, int>> Stream::numbers() const {
  std::unordered_map<const Command*, std::pair<int, int>> numbers;
  for (size_t f = 0; f < module_.functions.size(); ++f) {
    int number = 0;
    for_each_command(module_.functions[f].commands,
                     [&](const Command& c) { numbers[&c] = {static_cast<int>(f), number++}; });
  }
  return numbers;
}

void Stream::execute(const RunContext& context, const LaunchCommand& c, std::byte** slots) const {
  std::byte* few[16];
  std::unique_ptr<std::byte*[]> many(c.slots.size() > 16 ? new std::byte*[c.slots.size()] : nullptr);
  std::byte** arguments = many ? many.get() : few;
  for (size_t i = 0; i < c.slots.size(); ++i) arguments[i] = slots[c.slots[i]];
  kernels_[c.kernel].launch(context, arguments);
}

void Stream::execute(const RunContext& context, const AicpuCommand& c, std::byte** slots) const {
  Pointers arguments(c.slots.size());
  for (size_t i = 0; i < c.slots.size(); ++i) arguments.data()[i] = slots[c.slots[i]];
  run_aicpu(context, c.parameters, {arguments.data(), c.slots.size()});
}

void Stream::execute(const RunContext& context, const CopyCommand& c, std::byte** slots) const {
  if (slots[c.destination] != slots[c.source]) std::memmove(slots[c.destination], slots[c.source], c.bytes);
}

int64_t Stream::execute(const RunContext& context, const LoopCommand& c, std::byte** slots) const {
  for (int64_t trips = 0;; ++trips) {
    context.check();
    run(context, c.condition, slots);
    if (slots[c.predicate][0] == std::byte{0}) return trips;
    run(context, c.body, slots);
    for (const auto& [a, b] : c.swaps) std::swap(slots[a], slots[b]);
  }
}

int64_t Stream::execute(const RunContext& context, const CaseCommand& c, std::byte** slots) const {
  int32_t index;
  std::memcpy(&index, slots[c.index], sizeof index);
  const int64_t last = static_cast<int64_t>(c.branches.size()) - 1;
  const int64_t branch = index < 0 || index > last ? last : index;
  run(context, c.branches[branch], slots);
  return branch;
}

void Stream::execute(const RunContext& context, const CallCommand& c, std::byte** slots) const {
  call(
      context, module_.functions[c.function], [&](int64_t number) { return slots[c.slots[number]]; },
      slots[c.slots.back()]);
}

void Stream::execute(const RunContext& context, const HostCallCommand& c, std::byte** slots) const {
  if (!context.host)
    throw Error(
        Code::kInvalidArgument,
        "[host call] this program calls functions of the process that compiled it. Compile it again.");
  Pointers arguments(c.slots.size());
  for (size_t i = 0; i < c.slots.size(); ++i) arguments.data()[i] = slots[c.slots[i]];
  context.host->call(context.desk, c.callback, {arguments.data(), c.slots.size()}, c.results, c.operands);
}

void Stream::execute(const RunContext&, const DrawCommand& c, std::byte** slots) const {
  static std::atomic<uint64_t> draws{0};
  const uint64_t number = draws.fetch_add(1, std::memory_order_relaxed);
  const uint64_t twice[] = {number, number};
  std::memcpy(slots[c.number], twice, sizeof twice);
}

void Stream::execute(const RunContext& context, const FfiCallCommand& c, std::byte** slots) const {
  if (!context.foreign)
    throw Error(Code::kInvalidArgument,
                "[ffi call] nobody has looked up the handlers that this program calls.");
  Pointers arguments(c.slots.size());
  for (size_t i = 0; i < c.slots.size(); ++i) arguments.data()[i] = slots[c.slots[i]];
  context.foreign->call(context, c, {arguments.data(), c.slots.size()});
}

}  // namespace ascend

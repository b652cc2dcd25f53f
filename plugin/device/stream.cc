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

// A table of pointers on the stack; very many are on the heap.
class Pointers {
 public:
  Pointers(const std::vector<int64_t>& numbers, std::byte** slots) : size_(numbers.size()) {
    if (size_ > kFew) many_.reset(new std::byte*[size_]);
    for (size_t i = 0; i < size_; ++i) data()[i] = slots[numbers[i]];
  }
  std::byte** data() { return many_ ? many_.get() : few_; }
  operator std::span<std::byte* const>() { return {data(), size_}; }

 private:
  static constexpr size_t kFew = 16;
  size_t size_;
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

bool has_collectives(const Module& module) {
  bool found = false;
  for (const Function& f : module.functions) {
    for_each_command(f.commands,
                     [&](const Command& c) { found |= std::holds_alternative<CollectiveCommand>(c.value); });
  }
  return found;
}

}  // namespace

Stream::Stream(const Module& module, std::byte* constants) : module_(module), constants_(constants) {
  kernels_.reserve(module.kernels.size());
  for (const Kernel& k : module.kernels) kernels_.emplace_back(k, module.target);
  prepare_kernels(module);
  unbounded_ = has_unknown_trips(module) || std::ranges::any_of(kernels_, &KernelCode::unbounded);
  collective_ = has_collectives(module);
  host_calls_ = find_host_calls(module);
  ffi_calls_ = find_ffi_calls(module);
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

Stream::Cursor::Cursor(const Stream& stream, const RunContext& context,
                       std::span<std::byte* const> parameters, std::span<std::byte* const> results,
                       std::byte* workspace)
    : stream_(stream), context_(context) {
  const Function& entry = stream.module_.functions.front();
  if (entry.slots.size() > kFew) many_.reset(new std::byte*[entry.slots.size()]);
  std::byte** slots = many_ ? many_.get() : few_;
  const auto argument = [&](int64_t number) {
    return number < entry.parameters ? parameters[number] : results[number - entry.parameters];
  };
  fill(entry, slots, argument, workspace);
  lists_.reserve(8);
  enter(entry.commands, slots);
}

// `argument` gives the storage of a parameter, or of a result after the last of them.
template <class F>
void Stream::Cursor::fill(const Function& function, std::byte** slots, const F& argument,
                          std::byte* frame) const {
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
        slots[i] = stream_.constants_ + s.offset;
        break;
      case SlotKind::kFrame:
        slots[i] = frame + s.offset;
        break;
    }
  }
}

// What a command of the record stands for is over: `at` is its place in `context`'s.
void Stream::Cursor::record_end(size_t at) {
  if (context_.record) context_.record->end(at);
}

const CollectiveCommand* Stream::Cursor::advance() {
  if (exchange_ != RunRecord::kDropped) record_end(std::exchange(exchange_, RunRecord::kDropped));
  while (!lists_.empty()) {
    List& list = lists_.back();
    if (list.next == list.end) {
      end_of_list();
      continue;
    }
    context_.check();
    const Command& command = *list.next++;
    std::byte** slots = list.slots;
    const size_t lists = lists_.size();
    const size_t place = context_.record ? context_.record->begin(&command) : RunRecord::kDropped;
    const auto* exchange = std::visit([&](const auto& c) { return execute(c, slots); }, command.value);
    if (context_.record) [[unlikely]] {
      if (exchange) {
        exchange_ = place;
      } else if (lists_.size() > lists) {
        lists_.back().place = place;  // it ends with its list
      } else {
        record_end(place);
      }
    }
    if (exchange) return exchange;
  }
  return nullptr;
}

void Stream::Cursor::end_of_list() {
  List& list = lists_.back();
  const auto leave = [&] {
    if (context_.record) [[unlikely]] {
      if (list.decision >= 0) context_.record->decide(list.place, list.decision);
      record_end(list.place);
    }
    lists_.pop_back();
  };
  if (!list.loop) return leave();
  const LoopCommand& loop = *list.loop;
  if (list.in_condition && list.slots[loop.predicate][0] == std::byte{0}) return leave();
  if (!list.in_condition) {
    ++list.decision;
    for (const auto& [a, b] : loop.swaps) std::swap(list.slots[a], list.slots[b]);
    context_.check();
  }
  list.in_condition = !list.in_condition;
  const Commands& commands = list.in_condition ? loop.condition : loop.body;
  list.next = commands.data(), list.end = commands.data() + commands.size();
}

const CollectiveCommand* Stream::Cursor::execute(const LaunchCommand& c, std::byte** slots) {
  stream_.kernels_[c.kernel].launch(context_, Pointers(c.slots, slots).data());
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const AicpuCommand& c, std::byte** slots) {
  run_aicpu(context_, c.parameters, Pointers(c.slots, slots));
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const CopyCommand& c, std::byte** slots) {
  if (slots[c.destination] != slots[c.source]) std::memmove(slots[c.destination], slots[c.source], c.bytes);
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const LoopCommand& c, std::byte** slots) {
  enter(c.condition, slots);
  lists_.back().loop = &c, lists_.back().in_condition = true, lists_.back().decision = 0;
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const CaseCommand& c, std::byte** slots) {
  int32_t index;
  std::memcpy(&index, slots[c.index], sizeof index);
  const int64_t last = static_cast<int64_t>(c.branches.size()) - 1;
  const int64_t branch = index < 0 || index > last ? last : index;
  enter(c.branches[branch], slots);
  lists_.back().decision = branch;
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const CallCommand& c, std::byte** slots) {
  const Function& callee = stream_.module_.functions[c.function];
  std::unique_ptr<std::byte*[]> table(new std::byte*[callee.slots.size()]);
  fill(callee, table.get(), [&](int64_t number) { return slots[c.slots[number]]; }, slots[c.slots.back()]);
  enter(callee.commands, table.get());
  lists_.back().table = std::move(table);
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const HostCallCommand& c, std::byte** slots) {
  if (!context_.host)
    throw Error(
        Code::kInvalidArgument,
        "[host call] this program calls functions of the process that compiled it. Compile it again.");
  context_.host->call(context_.desk, c.callback, Pointers(c.slots, slots), c.results, c.operands);
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const DrawCommand& c, std::byte** slots) {
  static std::atomic<uint64_t> draws{0};
  const uint64_t number = draws.fetch_add(1, std::memory_order_relaxed);
  const uint64_t twice[] = {number, number};
  std::memcpy(slots[c.number], twice, sizeof twice);
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const FfiCallCommand& c, std::byte** slots) {
  if (!context_.foreign)
    throw Error(Code::kInvalidArgument,
                "[ffi call] nobody has looked up the handlers that this program calls.");
  context_.foreign->call(context_, c, Pointers(c.slots, slots));
  return nullptr;
}

const CollectiveCommand* Stream::Cursor::execute(const DeviceNumberCommand& c, std::byte** slots) {
  const uint32_t number = static_cast<uint32_t>(c.which == 0 ? context_.partition : context_.replica);
  std::memcpy(slots[c.number], &number, sizeof number);
  return nullptr;
}

}  // namespace ascend

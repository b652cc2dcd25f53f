// Rules of the stream: every slot a command names exists and is large enough, whatever swaps and calls do;
// nothing writes constants, or a parameter whose storage no result takes over; runs and their stacks end.
#include <algorithm>

#include "plugin/device/aicpu/aicpu.h"
#include "plugin/error.h"
#include "plugin/isa/limits.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace {

// What callers must know of a function.
struct Callee {
  std::vector<int64_t> parameter_bytes, result_bytes;  // that its slots reach to
  std::vector<bool> writes;                            // its parameters
  int64_t calls = 0;                                   // inside each other, its own call among them
  int64_t nesting = 0;                                 // lists of commands inside each other, from its own on
  int64_t commands = 0;                                // that a run executes, loops going round once
};

class FunctionVerifier {
 public:
  // Callees are verified already.
  FunctionVerifier(const Module& module, const Function& function, const std::vector<Callee>& callees,
                   const std::vector<bool>& taken_over)
      : module_(module), function_(function), callees_(callees), taken_over_(taken_over) {}

  Callee run() {
    verify_slots();
    facts_.commands = run(function_.commands);
    ++facts_.calls;
    if (facts_.calls > kMaxCallDepth) fail(concat("calls are nested deeper than ", kMaxCallDepth, "."));
    if (facts_.nesting > kMaxNesting)
      fail(concat("commands and those of functions called there are nested deeper than ", kMaxNesting, "."));
    if (facts_.commands > kMaxCommands) {
      fail(concat("executes more commands than a run may; expected at most ", kMaxCommands,
                  ", loops going round once."));
    }
    return std::move(facts_);
  }

  // Each returns how many commands a run executes.

  int64_t operator()(const LaunchCommand& c) {
    if (c.kernel < 0 || c.kernel >= static_cast<int64_t>(module_.kernels.size()))
      fail(concat("launch: no kernel ", c.kernel, "."));
    const Kernel& k = module_.kernels[c.kernel];
    if (c.slots.size() != k.arguments.size()) {
      fail(concat("launch of ", k.name, ": expected ", k.arguments.size(), " slots, got ", c.slots.size(),
                  "."));
    }
    for (size_t i = 0; i < c.slots.size(); ++i) {
      const ArgumentSpec& a = k.arguments[i];
      need(c.slots[i], a.size * dtype_bytes(a.dtype), concat("launch of ", k.name, ", argument ", i));
      if (a.writes) write(c.slots[i]);
    }
    return 1;
  }
  int64_t operator()(const AicpuCommand& c) {
    std::vector<int64_t> bytes;
    for (int64_t s : c.slots) bytes.push_back(slot(s).bytes);
    verify_aicpu(c.parameters, bytes);
    const size_t written = std::visit([](const auto& p) { return p.written(); }, c.parameters);
    for (size_t i = 0; i < written; ++i) write(c.slots[i]);
    return 1;
  }
  int64_t operator()(const HostCallCommand& c) {
    if (c.callback < 0) fail(concat("host_call: no callback ", c.callback, "."));
    verify_arrays("host_call", c.slots, c.results, c.operands);
    return 1;
  }
  int64_t operator()(const DrawCommand& c) {
    need(c.number, 16, "draw");
    return 1;
  }
  int64_t operator()(const FfiCallCommand& c) {
    if (c.target.empty()) fail("ffi_call: it names no target.");
    verify_arrays("ffi_call", c.slots, c.results, c.operands);
    int64_t least = 0;
    for (int64_t t : c.tokens) {
      if (t < least || t >= static_cast<int64_t>(c.slots.size()))
        fail(concat("ffi_call: tokens; expected positions of arrays, ascending, got ", t, "."));
      least = t + 1;
    }
    verify_attributes(c.attributes);
    return 1;
  }
  int64_t operator()(const DeviceNumberCommand& c) {
    if (c.which != 0 && c.which != 1)
      fail(concat("device_number: which; expected 0 or 1, got ", c.which, "."));
    need(c.number, 4, "device_number");
    return 1;
  }
  int64_t operator()(const CollectiveCommand& c) {
    try {
      verify_collective(c, module_.replicas * module_.partitions);
    } catch (const Error& e) {
      fail(e.what());
    }
    verify_arrays(kExchangeNames[static_cast<int>(c.exchange)], c.slots, c.results, c.operands);
    return 1;
  }
  int64_t operator()(const CopyCommand& c) {
    if (c.bytes < 0) fail("copy: a negative number of bytes.");
    need(c.destination, c.bytes, "copy, destination");
    need(c.source, c.bytes, "copy, source");
    return 1;
  }
  int64_t operator()(const LoopCommand& c) {
    if (c.trips < -1) fail(concat("the trips of a loop; expected -1 or more, got ", c.trips, "."));
    need(c.predicate, 1, "loop, predicate");
    for (const auto& [a, b] : c.swaps) {
      if (slot(a).bytes != slot(b).bytes)
        fail(concat("loop: swaps slots of ", slot(a).bytes, " and ", slot(b).bytes, " bytes."));
    }
    return 1 + run(c.condition) + run(c.body);
  }
  int64_t operator()(const CaseCommand& c) {
    need(c.index, 4, "case, index");
    if (c.branches.empty()) fail("case: expected at least one branch, got none.");
    int64_t most = 0;
    for (const Commands& branch : c.branches) most = std::max(most, run(branch));
    return 1 + most;
  }
  int64_t operator()(const CallCommand& c) {
    const Function& callee = module_.functions[c.function];
    const Callee& facts = callees_[c.function];
    const int64_t expected = callee.parameters + callee.results + 1;
    if (static_cast<int64_t>(c.slots.size()) != expected) {
      fail(concat("call of ", callee.name, ": expected ", expected, " slots, got ", c.slots.size(), "."));
    }
    need(c.slots.back(), callee.frame_bytes, concat("call of ", callee.name, ", frame"));
    for (int64_t i = 0; i < callee.parameters; ++i) {
      need(c.slots[i], facts.parameter_bytes[i], concat("call of ", callee.name, ", parameter ", i));
      if (facts.writes[i]) write(c.slots[i]);
    }
    for (int64_t i = 0; i < callee.results; ++i) {
      const int64_t number = c.slots[callee.parameters + i];
      need(number, facts.result_bytes[i], concat("call of ", callee.name, ", result ", i));
      write(number);
    }
    if (callee.frame_bytes > 0) write(c.slots.back());
    facts_.calls = std::max(facts_.calls, facts.calls);
    facts_.nesting = std::max(facts_.nesting, nesting_ + facts.nesting);
    return 1 + facts.commands;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Code::kInvalidArgument, concat("[function ", function_.name, "] ", what));
  }

  const Slot& slot(int64_t number) const {
    if (number < 0 || number >= static_cast<int64_t>(function_.slots.size())) {
      fail(concat("no such slot; expected 0 to ", static_cast<int64_t>(function_.slots.size()) - 1, ", got ",
                  number, "."));
    }
    return function_.slots[number];
  }
  void need(int64_t number, int64_t bytes, const std::string& what) const {
    if (slot(number).bytes < bytes) {
      fail(concat(what, ": slot ", number, " is too small; expected ", bytes, " bytes, got ",
                  slot(number).bytes, "."));
    }
  }
  void verify_arrays(const char* what, const std::vector<int64_t>& slots,
                     const std::vector<TensorType>& results, const std::vector<TensorType>& operands) {
    const size_t expected = results.size() + operands.size();
    if (slots.size() != expected)
      fail(concat(what, ": expected ", expected, " slots, got ", slots.size(), "."));
    for (size_t i = 0; i < expected; ++i) {
      const bool result = i < results.size();
      const TensorType& type = result ? results[i] : operands[i - results.size()];
      const int64_t bytes = tensor_bytes(type.dtype, type.dims);
      if (bytes < 0) fail(concat(what, ": array ", i, " is too large."));
      need(slots[i], bytes, concat(what, ", array ", i));
      if (result) write(slots[i]);
    }
  }
  // Handlers look names up by bisection, and read as many bytes as the element type has.
  void verify_attributes(const Attributes& attributes) const {
    for (size_t i = 0; i < attributes.size(); ++i) {
      const Attribute& a = attributes[i];
      if (i > 0 && attributes[i - 1].name >= a.name)
        fail(concat("ffi_call: attribute ", i, " is out of order; expected ascending names."));
      verify_attributes(a.inner);
      const size_t each = static_cast<size_t>(dtype_bytes(a.dtype));
      if (a.kind == AttributeKind::kScalar && a.bytes.size() != each)
        fail(concat("ffi_call: attribute ", i, "; expected ", each, " bytes, got ", a.bytes.size(), "."));
      if (a.kind == AttributeKind::kArray && a.bytes.size() % each != 0)
        fail(concat("ffi_call: attribute ", i, "; expected elements of ", each, " bytes, got ",
                    a.bytes.size(), " bytes."));
    }
  }
  void write(int64_t number) {
    const Slot& s = slot(number);
    if (s.kind == SlotKind::kConstant) fail(concat("slot ", number, " is a constant and cannot be written."));
    if (s.kind != SlotKind::kParameter || facts_.writes[s.offset]) return;
    facts_.writes[s.offset] = true;
    if (is_entry() && !taken_over_[s.offset]) {
      fail(concat("slot ", number, " is parameter ", s.offset,
                  ", which no result takes over, and cannot be written."));
    }
  }

  void verify_slots() {
    if (function_.frame_bytes < 0 || function_.frame_bytes > kMaxBytes) fail("frame size out of range.");
    for (size_t i = 0; i < function_.slots.size(); ++i) {
      const Slot& s = function_.slots[i];
      int64_t limit = kMaxBytes, end = s.bytes;
      if (s.kind == SlotKind::kConstant || s.kind == SlotKind::kFrame) {
        limit = s.kind == SlotKind::kFrame ? function_.frame_bytes
                                           : static_cast<int64_t>(module_.constants.size());
        if (s.offset > limit) fail(concat("slot ", i, " starts beyond its storage."));
        if (s.offset % kSlotAlignment != 0)
          fail(concat("slot ", i, " starts at byte ", s.offset, "; expected a multiple of ", kSlotAlignment,
                      "."));
        end += s.offset;
      } else if (is_entry()) {
        const auto& types = s.kind == SlotKind::kParameter ? module_.parameters : module_.results;
        if (s.offset >= static_cast<int64_t>(types.size()))
          fail(concat("slot ", i, " is parameter or result ", s.offset, ", which does not exist."));
        limit = static_cast<int64_t>(types[s.offset].bytes);
      } else if (s.offset > static_cast<int64_t>(function_.slots.size())) {
        fail(concat("slot ", i, " is parameter or result ", s.offset, ", which does not exist."));
      }
      if (s.bytes > limit || end > limit) {
        fail(concat("slot ", i, " does not fit its storage; expected at most ", limit, " bytes, got ", end,
                    "."));
      }
    }
    facts_.parameter_bytes.resize(static_cast<size_t>(function_.parameters));
    facts_.result_bytes.resize(static_cast<size_t>(function_.results));
    facts_.writes.resize(static_cast<size_t>(function_.parameters));
    for (const Slot& s : function_.slots) {
      if (s.kind == SlotKind::kParameter)
        facts_.parameter_bytes[s.offset] = std::max(facts_.parameter_bytes[s.offset], s.bytes);
      if (s.kind == SlotKind::kResult)
        facts_.result_bytes[s.offset] = std::max(facts_.result_bytes[s.offset], s.bytes);
    }
  }

  bool is_entry() const { return &function_ == &module_.functions.front(); }

  int64_t run(const Commands& commands) {
    // Of what a field names, writable is what its declaration writes.
    const auto look = [this]<class T>(const FieldInfo& info, const T& field) {
      if (!(info.effect & 2)) return;
      if constexpr (std::is_same_v<T, int64_t>) write(field);
      if constexpr (std::is_same_v<T, std::vector<std::pair<int64_t, int64_t>>>) {
        for (const auto& [a, b] : field) write(a), write(b);
      }
    };
    facts_.nesting = std::max(facts_.nesting, ++nesting_);
    int64_t executed = 0;  // saturates
    for (const Command& c : commands) {
      const int64_t more = std::visit(
          [&](const auto& command) {
            const int64_t count = (*this)(command);
            command.visit(look);
            return count;
          },
          c.value);
      executed = std::min(executed + more, kMaxCommands + 1);
    }
    --nesting_;
    return executed;
  }

  const Module& module_;
  const Function& function_;
  const std::vector<Callee>& callees_;
  const std::vector<bool>& taken_over_;  // parameters of the entry, by results
  Callee facts_;
  int64_t nesting_ = 0;  // of the command being verified
};

// The functions, every one after those it calls. Calls must end: no function may reach itself.
std::vector<size_t> callees_first(const Module& module) {
  const size_t count = module.functions.size();
  const auto fail = [&](size_t function, const std::string& what) {
    throw Error(Code::kInvalidArgument, concat("[function ", module.functions[function].name, "] ", what));
  };
  std::vector<std::vector<size_t>> calls(count);
  for (size_t f = 0; f < count; ++f) {
    for_each_command(module.functions[f].commands, [&](const Command& c) {
      const auto* call = std::get_if<CallCommand>(&c.value);
      if (!call) return;
      if (call->function <= 0 || call->function >= static_cast<int64_t>(count))
        fail(f, concat("call: no function ", call->function, "."));
      calls[f].push_back(static_cast<size_t>(call->function));
    });
  }
  enum class State { kNew, kOpen, kDone };
  std::vector<State> state(count, State::kNew);
  std::vector<size_t> order, open;  // no recursion: chains may be long
  for (size_t first = 0; first < count; ++first) {
    if (state[first] == State::kNew) open.push_back(first);
    while (!open.empty()) {
      const size_t f = open.back();
      state[f] = State::kOpen;
      if (calls[f].empty()) {
        state[f] = State::kDone;
        order.push_back(f);
        open.pop_back();
        continue;
      }
      const size_t next = calls[f].back();
      calls[f].pop_back();
      if (state[next] == State::kOpen) fail(next, "calls itself.");
      if (state[next] == State::kNew) open.push_back(next);
    }
  }
  return order;
}

}  // namespace

void verify_stream(const Module& module) {
  if (module.functions.empty()) throw Error(Code::kInvalidArgument, "[program] there is no entry function.");
  std::vector<bool> taken_over(module.parameters.size());
  for (size_t i = 0; i < module.results.size(); ++i) {
    const int alias = module.result_alias[i];
    if (alias >= 0 && module.parameters[alias].bytes != module.results[i].bytes) {
      throw Error(Code::kInvalidArgument,
                  concat("[program] result ", i, " aliases parameter ", alias, " of another size."));
    }
    if (alias >= 0) taken_over[alias] = true;
  }
  std::vector<Callee> callees(module.functions.size());
  for (size_t f : callees_first(module))
    callees[f] = FunctionVerifier(module, module.functions[f], callees, taken_over).run();
}

Module read_verified(std::span<const std::byte> bytes) {
  Module module = read_module(bytes);
  for (const Kernel& k : module.kernels) verify_kernel(k, &module.target);
  verify_stream(module);
  verify_debug(module);
  return module;
}

}  // namespace ascend

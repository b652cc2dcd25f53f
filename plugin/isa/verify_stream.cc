// Rules of the stream: every slot a command names exists and is large enough, whatever swaps and calls do.
#include "plugin/error.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 48;

class FunctionVerifier {
 public:
  FunctionVerifier(const Module& module, const Function& function) : module_(module), function_(function) {}

  void run() {
    verify_slots();
    region(function_.commands);
  }

  void operator()(const LaunchCommand& c) {
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
      if (a.writes) need_writable(c.slots[i]);
    }
  }
  void operator()(const AicpuCommand& c) {
    std::visit(
        [&](const auto& parameters) {
          if (c.slots.size() != parameters.slots()) {
            fail(concat("aicpu ", kAicpuNames[static_cast<int>(c.op)], ": expected ", parameters.slots(),
                        " slots, got ", c.slots.size(), "."));
          }
          for (size_t i = 0; i < c.slots.size(); ++i) {
            slot(c.slots[i]);
            if (i < parameters.written()) need_writable(c.slots[i]);
          }
        },
        c.parameters);
  }
  void operator()(const CopyCommand& c) {
    if (c.bytes < 0) fail("copy: a negative number of bytes.");
    need(c.destination, c.bytes, "copy, destination");
    need(c.source, c.bytes, "copy, source");
  }
  void operator()(const LoopCommand& c) {
    need(c.predicate, 1, "loop, predicate");
    for (const auto& [a, b] : c.swaps) {
      if (slot(a).bytes != slot(b).bytes)
        fail(concat("loop: swaps slots of ", slot(a).bytes, " and ", slot(b).bytes, " bytes."));
    }
    region(c.condition);
    region(c.body);
  }
  void operator()(const CaseCommand& c) {
    need(c.index, 4, "case, index");
    if (c.branches.empty()) fail("case: expected at least one branch, got none.");
    for (const Region& r : c.branches) region(r);
  }
  void operator()(const CallCommand& c) {
    if (c.function <= 0 || c.function >= static_cast<int64_t>(module_.functions.size()))
      fail(concat("call: no function ", c.function, "."));
    const Function& callee = module_.functions[c.function];
    const int64_t expected = callee.parameters + callee.results + 1;
    if (static_cast<int64_t>(c.slots.size()) != expected) {
      fail(concat("call of ", callee.name, ": expected ", expected, " slots, got ", c.slots.size(), "."));
    }
    need(c.slots.back(), callee.frame_bytes, concat("call of ", callee.name, ", frame"));
    for (const Slot& s : callee.slots) {
      if (s.kind == SlotKind::kParameter)
        need(c.slots[s.offset], s.bytes, concat("call of ", callee.name, ", parameter ", s.offset));
      if (s.kind == SlotKind::kResult) {
        need(c.slots[callee.parameters + s.offset], s.bytes,
             concat("call of ", callee.name, ", result ", s.offset));
        need_writable(c.slots[callee.parameters + s.offset]);
      }
    }
    if (callee.frame_bytes > 0) need_writable(c.slots.back());
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
  void need_writable(int64_t number) const {
    if (slot(number).kind == SlotKind::kConstant)
      fail(concat("slot ", number, " is a constant and cannot be written."));
  }

  void verify_slots() const {
    if (function_.frame_bytes < 0 || function_.frame_bytes > kMaxBytes) fail("frame size out of range.");
    const bool entry = &function_ == &module_.functions.front();
    for (size_t i = 0; i < function_.slots.size(); ++i) {
      const Slot& s = function_.slots[i];
      int64_t limit = kMaxBytes, end = s.bytes;
      if (s.kind == SlotKind::kConstant || s.kind == SlotKind::kFrame) {
        limit = s.kind == SlotKind::kFrame ? function_.frame_bytes
                                           : static_cast<int64_t>(module_.constants.size());
        if (s.offset > limit) fail(concat("slot ", i, " starts beyond its storage."));
        end += s.offset;
      } else if (entry) {
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
  }

  void region(const Region& commands) {
    // Of what a field names, writable is what its declaration writes.
    const auto look = [this]<class T>(const FieldInfo& info, const T& field) {
      if (!(info.access & 2)) return;
      if constexpr (std::is_same_v<T, int64_t>) need_writable(field);
      if constexpr (std::is_same_v<T, std::vector<std::pair<int64_t, int64_t>>>) {
        for (const auto& [a, b] : field) need_writable(a), need_writable(b);
      }
    };
    for (const Command& c : commands) {
      std::visit(
          [&](const auto& command) {
            command.visit(look);
            (*this)(command);
          },
          c.value);
    }
  }

  const Module& module_;
  const Function& function_;
};

// Calls must end: no function may reach itself.
class CallGraph {
 public:
  explicit CallGraph(const Module& module) : module_(module), state_(module.functions.size()) {}

  void walk(size_t function) {
    if (state_[function] == 2) return;
    if (state_[function] == 1) {
      throw Error(Code::kInvalidArgument,
                  concat("[function ", module_.functions[function].name, "] calls itself."));
    }
    state_[function] = 1;
    for_each_command(module_.functions[function].commands, [this](const Command& c) {
      if (const auto* call = std::get_if<CallCommand>(&c.value)) walk(call->function);
    });
    state_[function] = 2;
  }

 private:
  const Module& module_;
  std::vector<int> state_;  // 0 new, 1 being walked, 2 done
};

}  // namespace

void verify_stream(const Module& module) {
  if (module.functions.empty()) throw Error(Code::kInvalidArgument, "[program] there is no entry function.");
  for (size_t i = 0; i < module.results.size(); ++i) {
    const int alias = module.result_alias[i];
    if (alias >= 0 && module.parameters[alias].bytes != module.results[i].bytes) {
      throw Error(Code::kInvalidArgument,
                  concat("[program] result ", i, " aliases parameter ", alias, " of another size."));
    }
  }
  for (const Function& f : module.functions) FunctionVerifier(module, f).run();
  CallGraph graph(module);
  for (size_t i = 0; i < module.functions.size(); ++i) graph.walk(i);
}

}  // namespace ascend

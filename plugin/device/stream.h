// Runs the commands of a program's functions over tables of slots.
#pragma once
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plugin/device/kernel_code.h"

namespace ascend {

class Stream {
 public:
  Stream(const Module& module, std::byte* constants);  // `module` must outlive the stream; throws Error

  const Module& module() const { return module_; }
  // Whether the trips of a loop, of commands or in a kernel, are not known before it runs.
  bool unbounded() const { return unbounded_; }
  // Whether it exchanges data with other devices.
  bool collective() const { return collective_; }
  // The functions of the host that it calls, by number, each once.
  const std::vector<int64_t>& host_calls() const { return host_calls_; }

  // Its calls of handlers.
  const std::vector<const FfiCallCommand*>& ffi_calls() const { return ffi_calls_; }

  // For each command its function's number and its own there, those of loops and branches after the command
  // that holds them.
  std::unordered_map<const Command*, std::pair<int, int>> numbers() const;

  class Cursor;

 private:
  const Module& module_;
  std::byte* constants_;
  std::vector<KernelCode> kernels_;
  bool unbounded_ = false, collective_ = false;
  std::vector<int64_t> host_calls_;
  std::vector<const FfiCallCommand*> ffi_calls_;
};

// One device's run of a stream, and where it is.
class Stream::Cursor {
 public:
  // `parameters` and `results` are the entry's; `context` must outlive the cursor.
  Cursor(const Stream& stream, const RunContext& context, std::span<std::byte* const> parameters,
         std::span<std::byte* const> results, std::byte* workspace);

  // Runs up to the next exchange with other devices, which is not done but returned; null at the end.
  const CollectiveCommand* advance();
  // Where slot `number` of the function that it is in lies.
  std::byte* slot(int64_t number) const { return lists_.back().slots[number]; }
  const RunContext& context() const { return context_; }

 private:
  // A list of commands that it is in. A loop's is its condition and its body in turn.
  struct List {
    List(const Command* next, const Command* end, std::byte** slots) : next(next), end(end), slots(slots) {}
    const Command *next, *end;
    std::byte** slots;
    const LoopCommand* loop = nullptr;
    bool in_condition = false;
    size_t place = SIZE_MAX;  // of the command that it belongs to in the record, if somebody records
    int64_t decision = -1;    // trips of a loop so far, branch of a case
    std::unique_ptr<std::byte*[]> table;  // of a function that was called
  };

  void enter(const Commands& commands, std::byte** slots) {
    lists_.emplace_back(commands.data(), commands.data() + commands.size(), slots);
  }
  template <class F>
  void fill(const Function& function, std::byte** slots, const F& argument, std::byte* frame) const;
  void end_of_list();
  void record_end(size_t place);

  // Each returns the command if it is an exchange.
  const CollectiveCommand* execute(const LaunchCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const AicpuCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const CopyCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const LoopCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const CaseCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const CallCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const HostCallCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const DrawCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const FfiCallCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const DeviceNumberCommand& c, std::byte** slots);
  const CollectiveCommand* execute(const CollectiveCommand& c, std::byte**) { return &c; }

  static constexpr size_t kFew = 256;

  const Stream& stream_;
  const RunContext& context_;
  std::vector<List> lists_;
  size_t exchange_ = SIZE_MAX;  // the place in the record of the exchange that advance returned last
  std::byte* few_[kFew];        // the entry's slots, unless there are many
  std::unique_ptr<std::byte*[]> many_;
};

}  // namespace ascend

// Runs the commands of a program's functions over tables of slots.
#pragma once
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plugin/device/kernel_code.h"

namespace ascend {

class Stream {
 public:
  Stream(const Module& module, std::byte* constants);  // `module` must outlive the stream; throws Error

  // Whether the trips of a loop, of commands or in a kernel, are not known before it runs.
  bool unbounded() const { return unbounded_; }
  // The functions of the host that it calls, by number, each once.
  const std::vector<int64_t>& host_calls() const { return host_calls_; }

  // Its calls of handlers.
  const std::vector<const FfiCallCommand*>& ffi_calls() const { return ffi_calls_; }

  // For each command its function's number and its own there, those of loops and branches after the command
  // that holds them.
  std::unordered_map<const Command*, std::pair<int, int>> numbers() const;

  // `arguments` are the entry's parameters, then its results.
  void run(const RunContext& context, std::byte* const* arguments, std::byte* workspace) const;

 private:
  template <class F>
  void call(const RunContext& context, const Function& function, const F& argument, std::byte* frame) const;
  void run(const RunContext& context, const Commands& commands, std::byte** slots) const;
  void run_recorded(const RunContext& context, const Commands& commands, std::byte** slots) const;

  void execute(const RunContext& context, const LaunchCommand& c, std::byte** slots) const;
  void execute(const RunContext& context, const AicpuCommand& c, std::byte** slots) const;
  void execute(const RunContext& context, const CopyCommand& c, std::byte** slots) const;
  // These two return the trips it made, and the branch it took.
  int64_t execute(const RunContext& context, const LoopCommand& c, std::byte** slots) const;
  int64_t execute(const RunContext& context, const CaseCommand& c, std::byte** slots) const;
  void execute(const RunContext& context, const CallCommand& c, std::byte** slots) const;
  void execute(const RunContext& context, const HostCallCommand& c, std::byte** slots) const;
  void execute(const RunContext& context, const DrawCommand& c, std::byte** slots) const;
  void execute(const RunContext& context, const FfiCallCommand& c, std::byte** slots) const;

  const Module& module_;
  std::byte* constants_;
  std::vector<KernelCode> kernels_;
  bool unbounded_ = false;
  std::vector<int64_t> host_calls_;
  std::vector<const FfiCallCommand*> ffi_calls_;
};

}  // namespace ascend

// Runs the commands of a program's functions over tables of slots.
#pragma once
#include <span>
#include <vector>

#include "plugin/device/kernel_code.h"

namespace ascend {

class Stream {
 public:
  Stream(const Module& module, std::byte* constants);  // `module` must outlive the stream; throws Error

  // `arguments` are the entry's parameters, then its results.
  void run(std::byte* const* arguments, std::byte* workspace) const;

 private:
  template <class F>
  void call(const Function& function, const F& argument, std::byte* frame) const;
  void run(const Region& region, std::byte** slots) const;

  void execute(const LaunchCommand& c, std::byte** slots) const;
  void execute(const AicpuCommand& c, std::byte** slots) const;
  void execute(const CopyCommand& c, std::byte** slots) const;
  void execute(const LoopCommand& c, std::byte** slots) const;
  void execute(const CaseCommand& c, std::byte** slots) const;
  void execute(const CallCommand& c, std::byte** slots) const;

  const Module& module_;
  std::byte* constants_;
  std::vector<KernelCode> kernels_;
};

}  // namespace ascend

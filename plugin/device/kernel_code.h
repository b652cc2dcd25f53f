// A kernel ready to run: its instructions decoded once.
#pragma once
#include "plugin/device/execute/action.h"
#include "plugin/device/run_context.h"
#include "plugin/isa/module.h"

namespace ascend {

class KernelCode {
 public:
  KernelCode(const Kernel& kernel, const Target& target);  // `kernel` must outlive the code; throws Error

  // Runs every block with these arguments, on the pool where that pays.
  void launch(const RunContext& context, std::byte* const* arguments) const;
  bool unbounded() const { return unbounded_; }  // whether it has a loop whose trips are not known
  // How its runs of vector instructions are executed.
  std::vector<std::string> strip_plans() const {
    std::vector<std::string> lines;
    describe(body_, lines);
    return lines;
  }

 private:
  void run_block(Core& core, int64_t number) const;
  bool unwritten(const std::vector<int>& reads, std::byte* const* arguments) const;

  const Kernel& kernel_;
  Actions body_;
  int64_t blocks_;
  CoreBytes core_bytes_;
  bool parallel_, unbounded_;
  std::vector<int> shared_arguments_;    // whose packed windows blocks may share
  std::vector<int> in_place_arguments_;  // whose windows may be read in GM after they were loaded
  struct OperandHome {                   // where a left or right tile's slot is at the start of a block
    Loc loc;
    int64_t offset;
    CubeOperand operand;
  };
  std::vector<OperandHome> operands_;
  std::vector<std::pair<uint16_t, int64_t>> constants_;  // registers of the host that hold them
};

}  // namespace ascend

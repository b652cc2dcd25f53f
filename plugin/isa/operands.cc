#include "plugin/isa/operands.h"

namespace ascend {
namespace {

struct Collector {
  const std::vector<OperandInfo>& infos;
  OperandRef* next;
  template <class... Values>
  void operator()(const Values&... values) {
    [[maybe_unused]] size_t n = 0;
    ((*next++ = OperandRef(infos[n++], &values)), ...);
  }
};

}  // namespace

Operands::Operands(const Instruction& instruction) {
  const auto& infos = instruction.info().operands;
  size_ = infos.size();
  Collector collector{infos, operands_.data()};
  visit(instruction, [&](const auto& i) { i.visit(collector); });
}

}  // namespace ascend

// Lets tests see what the loader proves of a program.
#include "plugin/isa/module_isa.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include "plugin/isa/module.h"
#include "plugin/isa/operands.h"
#include "plugin/isa/ranges.h"

namespace nb = nanobind;

namespace ascend {
namespace {

using Bounds = std::vector<std::pair<int64_t, int64_t>>;

std::vector<std::vector<Bounds>> affine_ranges(const nb::bytes& program) {
  const Module module = read_verified({reinterpret_cast<const std::byte*>(program.c_str()), program.size()});
  std::vector<std::vector<Bounds>> kernels;
  for (const Kernel& kernel : module.kernels) {
    std::vector<Bounds>& instructions = kernels.emplace_back();
    Ranges ranges(kernel);
    for (const Instruction& instruction : kernel.body) {
      Bounds& bounds = instructions.emplace_back();
      for (const OperandRef& o : Operands(instruction)) {
        if (o.kind() != OperandKind::kaffine) continue;
        const Range r = ranges.of(o.affine());
        bounds.emplace_back(r.low, r.high);
      }
      ranges.step(instruction);
    }
  }
  return kernels;
}

}  // namespace

void bind_isa(nb::module_& m) {
  m.def("affine_ranges", &affine_ranges, nb::arg("program"),
        "Per kernel and instruction of a Program the proven (low, high) of each affine operand, in declared "
        "order.");
}

}  // namespace ascend

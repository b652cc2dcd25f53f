// Lets tests verify and run one AICPU kernel on NumPy memory.
#include "plugin/device/aicpu/module_aicpu.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "plugin/device/aicpu/aicpu.h"
#include "plugin/error.h"
#include "plugin/isa/module.h"

namespace nb = nanobind;

namespace ascend {
namespace {

using Bytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void run(const std::string& name, const std::vector<Bytes>& slots, const std::vector<int64_t>& words) {
  for (int op = 0; op < kAicpuOps; ++op) {
    if (kAicpuNames[op] != name) continue;
    std::vector<std::byte*> pointers;
    std::vector<int64_t> bytes;
    for (const Bytes& slot : slots) {
      pointers.push_back(reinterpret_cast<std::byte*>(slot.data()));
      bytes.push_back(static_cast<int64_t>(slot.nbytes()));
    }
    const AicpuParameters parameters = read_parameters(static_cast<AicpuOp>(op), words);
    verify_aicpu(parameters, bytes);
    prepare_aicpu(parameters);
    const Cancellation never;
    run_aicpu({never, 1}, parameters, pointers);
    return;
  }
  throw Error(Code::kInvalidArgument, "[run_aicpu] no kernel is called " + name);
}

}  // namespace

void bind_aicpu(nb::module_& m) { m.def("run_aicpu", &run); }

}  // namespace ascend

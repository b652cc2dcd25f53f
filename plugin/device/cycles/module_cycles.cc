// Python access to the cycle model and the hazard check: functions of Program bytes.
#include "plugin/device/cycles/module_cycles.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "plugin/device/cycles/block_races.h"
#include "plugin/device/cycles/hazards.h"
#include "plugin/device/cycles/timeline.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace nb = nanobind;
namespace {

std::span<const std::byte> span_of(const nb::bytes& b) {
  return {reinterpret_cast<const std::byte*>(b.c_str()), b.size()};
}

nb::dict to_dict(const cycles::KernelTime& t) {
  nb::dict d;
  d["cycles"] = t.cycles;
  d["gm_bytes"] = t.gm_bytes;
  d["hbm_bytes"] = t.hbm_bytes;
  d["instructions"] = t.instructions;
  d["cube_cores"] = t.cube_cores;
  d["vector_cores"] = t.vector_cores;
  nb::dict cube, vector;
  for (int p = 0; p < kPipes; ++p) {
    cube[kPipeNames[p]] = t.cube_busy[p];
    vector[kPipeNames[p]] = t.vector_busy[p];
  }
  d["cube_busy"] = cube;
  d["vector_busy"] = vector;
  return d;
}

}  // namespace

void bind_cycles(nb::module_& m) {
  m.def(
      "kernel_times",
      [](const nb::bytes& program, bool warm) {
        const Module module = read_verified(span_of(program));
        std::vector<cycles::KernelTime> times;
        {
          nb::gil_scoped_release release;
          for (const Kernel& k : module.kernels) times.push_back(cycles::simulate(k, module.target, warm));
        }
        nb::list result;
        for (const auto& t : times) result.append(to_dict(t));
        return result;
      },
      nb::arg("program"), nb::arg("warm") = false,
      "Simulate one launch of each kernel of a program: cycles, bytes, and per pipe the busy cycles over all "
      "cores.");
  m.def(
      "kernel_trace",
      [](const nb::bytes& program, int64_t kernel, bool warm, size_t limit) {
        const Module module = read_verified(span_of(program));
        std::vector<cycles::Interval> trace;
        const Kernel& k = module.kernels.at(kernel);
        cycles::simulate(k, module.target, warm, &trace, limit);
        nb::list result;
        for (const auto& i : trace)
          result.append(nb::make_tuple(i.core, i.unit, kPipeNames[static_cast<int>(i.pipe)], i.instruction,
                                       i.start, i.end));
        return result;
      },
      nb::arg("program"), nb::arg("kernel"), nb::arg("warm") = false, nb::arg("limit") = 200000,
      "Intervals (core, unit, pipe, instruction, start, end) in cycles of one launch of a kernel.");
  m.def(
      "find_hazards",
      [](const nb::bytes& program) {
        const Module module = read_verified(span_of(program));
        std::vector<std::string> all;
        for (const Kernel& k : module.kernels)
          for (std::string& text : cycles::find_hazards(k, module.target)) all.push_back(std::move(text));
        for (std::string& text : cycles::find_block_races(module)) all.push_back(std::move(text));
        return all;
      },
      nb::arg("program"),
      "Races, unpaired flags, uninitialised and out-of-range reads of a program's kernels, as messages.");
}

}  // namespace ascend

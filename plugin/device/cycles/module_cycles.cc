// Python access to the cycle model and the hazard check: functions of Program bytes.
#include "plugin/device/cycles/module_cycles.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "plugin/device/cycles/block_races.h"
#include "plugin/device/cycles/hazards.h"
#include "plugin/device/cycles/l2_cache.h"
#include "plugin/device/cycles/timeline.h"
#include "plugin/error.h"
#include "plugin/isa/message.h"
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
  d["gm_read"] = t.gm_read;
  d["gm_written"] = t.gm_written;
  d["hbm_bytes"] = t.hbm_read + t.hbm_written;
  d["hbm_read"] = t.hbm_read;
  d["hbm_written"] = t.hbm_written;
  d["hbm_limited"] = t.hbm_limited;
  d["l2_limited"] = t.l2_limited;
  d["cube_operations"] = t.cube_operations;
  d["vector_operations"] = t.vector_operations;
  d["cube_ideal"] = t.cube_ideal;
  d["vector_ideal"] = t.vector_ideal;
  d["assumed"] = t.assumed;
  d["instructions"] = t.instructions;
  d["cube_cores"] = t.cube_cores;
  d["vector_cores"] = t.vector_cores;
  nb::dict cube, vector, cube_moved, vector_moved;
  for (int p = 0; p < kPipes; ++p) {
    cube[kPipeNames[p]] = t.cube_busy[p];
    vector[kPipeNames[p]] = t.vector_busy[p];
    cube_moved[kPipeNames[p]] = t.cube_moved[p];
    vector_moved[kPipeNames[p]] = t.vector_moved[p];
  }
  d["cube_busy"] = cube;
  d["vector_busy"] = vector;
  d["cube_moved"] = cube_moved;
  d["vector_moved"] = vector_moved;
  return d;
}

// The launches of a program in their order, on a device whose L2 starts out empty.
class Clock {
 public:
  Clock(nb::bytes program, int64_t memory_bytes)
      : bytes_(std::move(program)),
        module_(read_verified(span_of(bytes_))),
        cache_(module_.target, memory_bytes) {}

  Clock(const Clock&) = delete;

  nb::dict launch(size_t kernel, const std::vector<int64_t>& addresses, int64_t trip) {
    const Kernel& k = check(kernel, addresses);
    cycles::KernelTime time;
    {
      nb::gil_scoped_release release;
      time = cycles::simulate(k, module_.target, cache_, {addresses, trip});
    }
    return to_dict(time);
  }

  nb::tuple trace(size_t kernel, const std::vector<int64_t>& addresses, size_t limit, int64_t trip,
                  int cores) {
    std::vector<cycles::Interval> intervals;
    const Kernel& k = check(kernel, addresses);
    cycles::KernelTime time;
    {
      nb::gil_scoped_release release;
      time = cycles::simulate(k, module_.target, cache_, {addresses, trip}, &intervals, limit, cores);
    }
    nb::list result;
    for (const auto& i : intervals)
      result.append(nb::make_tuple(i.core, i.unit, kPipeNames[static_cast<int>(i.pipe)], i.instruction,
                                   i.start, i.end));
    return nb::make_tuple(to_dict(time), result);
  }

  std::string instruction(size_t kernel, size_t index) const {
    return print(module_.kernels.at(kernel).body.at(index));
  }

  std::pair<int64_t, int64_t> touch(int64_t first, int64_t bytes, bool write) {
    cycles::L2Cache::Moved moved;
    cache_.touch(first, bytes, write, moved);
    return {moved.read, moved.written};
  }

 private:
  const Kernel& check(size_t kernel, const std::vector<int64_t>& addresses) const {
    const Kernel& k = module_.kernels.at(kernel);
    if (addresses.size() != k.arguments.size())
      throw Error(Code::kInvalidArgument,
                  concat("[clock] ", k.name, " has ", k.arguments.size(),
                         " arguments; expected an address for each, got ", addresses.size(), "."));
    return k;
  }

  nb::bytes bytes_;
  Module module_;
  cycles::L2Cache cache_;
};

}  // namespace

void bind_cycles(nb::module_& m) {
  nb::class_<Clock>(
      m, "Clock", "Times a program's launches one after the other, with the L2 that each leaves to the next.")
      .def(nb::init<nb::bytes, int64_t>(), nb::arg("program"), nb::arg("memory_bytes"))
      .def("launch", &Clock::launch, nb::arg("kernel"), nb::arg("addresses"), nb::arg("trip") = 0,
           "Simulate a launch, in this trip of a loop, whose arguments lie at these addresses: cycles, "
           "bytes, and per pipe the busy "
           "cycles over all cores.")
      .def("trace", &Clock::trace, nb::arg("kernel"), nb::arg("addresses"), nb::arg("limit") = 200000,
           nb::arg("trip") = 0, nb::arg("cores") = INT32_MAX,
           "Simulate a launch; return what launch() does and the first `limit` intervals (core, unit, pipe, "
           "instruction, start, end) in cycles, of the first `cores` AI cores.")
      .def("instruction", &Clock::instruction, nb::arg("kernel"), nb::arg("index"),
           "The text of a kernel's instruction.")
      .def(
          "touch", &Clock::touch, nb::arg("first"), nb::arg("bytes"), nb::arg("write"),
          "Read or write bytes as something that is no kernel does: bytes that HBM reads and writes for it.");
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

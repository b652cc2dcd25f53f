// The extension module `jax_ascend._plugin`: what Python sets in the plugin and asks of it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "plugin/device/aicpu/module_aicpu.h"
#include "plugin/device/cycles/module_cycles.h"
#include "plugin/device/execute/module_vector.h"
#include "plugin/device/module_device.h"
#include "plugin/device/module_recording.h"
#include "plugin/ffi/module_ffi.h"
#include "plugin/isa/module_isa.h"
#include "plugin/pjrt/api.h"
#include "plugin/python_dlpack.h"
#include "plugin/runtime/client.h"
#include "plugin/runtime/compile_options.h"
#include "plugin/runtime/compiler.h"
#include "plugin/runtime/host_desk.h"
#include "plugin/runtime/version.h"

namespace nb = nanobind;

static ascend::Client::Clock::time_point deadline_in(double seconds) {
  using Clock = ascend::Client::Clock;
  const std::chrono::duration<double> wait(seconds);
  if (wait > std::chrono::hours(24)) return Clock::time_point::max();
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(wait);
}

NB_MODULE(_plugin, m) {
  m.doc() = "The PJRT plugin's own settings; JAX reaches the device through GetPjrtApi in the same library.";
  m.attr("__version__") = ascend::package_version();
  m.def("set_stablehlo_version", &ascend::pjrt::set_stablehlo_version, nb::arg("current"), nb::arg("minimum"),
        "Sets the StableHLO versions the plugin reports, as [major, minor, patch].");
  m.def(
      "drain",
      [](double seconds) {
        nb::gil_scoped_release release;
        return ascend::Client::drain_all_until(deadline_in(seconds));
      },
      nb::arg("seconds"),
      "Waits until all work accepted by all devices of this process is done, callbacks included; returns "
      "False if that takes longer.");
  m.def(
      "leave",
      [](double seconds) {
        nb::gil_scoped_release release;
        ascend::Client::leave_all(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
      },
      nb::arg("seconds"),
      "Ends what this process has to do with the others of a program, which may take so long: they get what "
      "was "
      "sent.");
  m.def("cancel", &ascend::Client::cancel_all, nb::arg("for_good") = false,
        "Ends the launches that all devices of this process have accepted so far, for good those to come as "
        "well: they fail as cancelled. drain() waits until they have ended.");
  m.def(
      "end_compilations", &ascend::end_compilations,
      "Raises SystemExit in the threads that compile, after which no other may; returns how many there are.");
  m.def(
      "exit_begins", &ascend::HostDesk::exit_begins,
      "Keeps threads that call programs with functions of the host from returning into a Python that exits.");
  m.def("end_host_calls", &ascend::end_host_calls,
        "Raises SystemExit in the threads that are in a function of the host which a program calls.");
  m.def(
      "parse_compile_options",
      [](const nb::bytes& options) {
        const auto a = ascend::parse_compile_options({options.c_str(), options.size()});
        return nb::make_tuple(a.replicas, a.partitions, a.devices);
      },
      "Returns (replicas, partitions, ids of [replica][partition] or none) of a serialised "
      "CompileOptionsProto.");
  m.def(
      "struct_sizes",
      [] {
        nb::dict sizes;
        for (const auto& [name, ours, callers] : ascend::pjrt::struct_sizes())
          sizes[nb::str(name.data(), name.size())] = nb::make_tuple(ours, callers);
        return sizes;
      },
      "Returns {struct: (its size here, the size its last caller said or 0)}, the function table's slots "
      "first.");
  m.def(
      "dlpack_capsule",
      [](nb::handle owner, uintptr_t address, std::vector<int64_t> shape, int code, int bits) {
        PyObject* capsule = ascend::dlpack_capsule(owner.ptr(), address, std::move(shape), code, bits);
        if (!capsule) throw nb::python_error();
        return nb::steal(capsule);
      },
      nb::arg("owner"), nb::arg("address"), nb::arg("shape"), nb::arg("code"), nb::arg("bits"),
      "Returns a DLPack capsule of host memory at an address, which `owner` keeps until the consumer is "
      "done.");
  ascend::ffi::bind_ffi(m);
  ascend::bind_aicpu(m);
  ascend::bind_cycles(m);
  ascend::bind_vector(m);
  ascend::bind_device(m);
  ascend::bind_recording(m);
  ascend::bind_isa(m);
}

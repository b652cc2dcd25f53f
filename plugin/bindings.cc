// The extension module `jax_ascend._plugin`: what Python sets in the plugin and asks of it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "plugin/device/aicpu/module_aicpu.h"
#include "plugin/device/cycles/module_cycles.h"
#include "plugin/device/execute/module_vector.h"
#include "plugin/device/module_device.h"
#include "plugin/isa/module_isa.h"
#include "plugin/pjrt/api.h"
#include "plugin/runtime/client.h"

namespace nb = nanobind;

NB_MODULE(_plugin, m) {
  m.doc() = "The PJRT plugin's own settings; JAX reaches the device through GetPjrtApi in the same library.";
  m.def("set_stablehlo_version", &ascend::pjrt::set_stablehlo_version, nb::arg("current"), nb::arg("minimum"),
        "Sets the StableHLO versions the plugin reports, as [major, minor, patch].");
  m.def(
      "drain",
      [] {
        nb::gil_scoped_release release;
        ascend::Client::drain_all();
      },
      "Waits until all work accepted by all devices of this process is done, callbacks included.");
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
  ascend::bind_aicpu(m);
  ascend::bind_cycles(m);
  ascend::bind_vector(m);
  ascend::bind_device(m);
  ascend::bind_isa(m);
}

// PJRT_Plugin: what JAX asks before there is a client.
#include "plugin/pjrt/api.h"
#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {
namespace {

std::vector<int64_t> current_version = {1, 17, 0}, minimum_version = {0, 9, 0};

}  // namespace

void set_stablehlo_version(const std::vector<int64_t>& current, const std::vector<int64_t>& minimum) {
  current_version = current;
  minimum_version = minimum;
}

void fill_plugin(Api& api) {
  fill(api.Plugin_Initialize_, [](Plugin_Initialize&) {});
  fill(api.Plugin_Attributes_, [](Plugin_Attributes& a) {
    static const NamedValueList* attributes = [] {
      auto* list = new NamedValueList;
      // Without the first, JAX writes artifacts for the oldest consumer it knows.
      list->add("stablehlo_current_version", current_version);
      list->add("stablehlo_minimum_version", minimum_version);
      list->add("xla_version", int64_t{2});
      return list;
    }();
    a.attributes = attributes->view();
  });
}

}  // namespace ascend::pjrt

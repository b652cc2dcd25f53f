// The function table: every slot first names itself as unimplemented, then each noun fills its own.
#include "plugin/pjrt/api.h"

#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {
namespace {

Api make_api() {
  Api api{};
  api.struct_size = sizeof(Api);
  api.version = {sizeof(api.version), nullptr, kApiMajor, kApiMinor};
#define X(name)                                                                                       \
  fill(api.name##_, [](name&) {                                                                       \
    throw ascend::Error(Code::kUnimplemented, "[PJRT_" #name "] this device does not implement it."); \
  });
  PJRT_SLOTS(X)
#undef X
  fill_errors(api);
  fill_plugin(api);
  fill_events(api);
  fill_client(api);
  fill_devices(api);
  fill_memories(api);
  fill_executables(api);
  fill_loaded_executables(api);
  fill_buffers(api);
  fill_topologies(api);
  fill_compile(api);
  // A chain of extensions: each builder links the next.
  api.extension_start = profiler_extension();
  return api;
}

}  // namespace

const Api* api() {
  static const Api table = make_api();
  return &table;
}

std::vector<StructSize> struct_sizes() {
  std::vector<StructSize> sizes;
#define X(name) \
  sizes.push_back({#name, sizeof(name), caller_struct_size<name>.load(std::memory_order_relaxed)});
  PJRT_SLOTS(X)
  PJRT_OTHER_STRUCTS(X)
#undef X
  return sizes;
}

}  // namespace ascend::pjrt

extern "C" __attribute__((visibility("default"))) const ascend::pjrt::Api* GetPjrtApi() {
  return ascend::pjrt::api();
}

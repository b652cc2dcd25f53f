// The profiler extension: jax.profiler.trace() records the device's executions as jax_ascend.profile() does,
// and gets them as planes of an XSpace (jax_ascend/xprof.py).
#include <algorithm>
#include <cstring>
#include <optional>

#include "plugin/pjrt/shim.h"
#include "plugin/runtime/compiler.h"

namespace ascend::pjrt {

// One at a time records: what is recorded is of the whole process.
struct Profiler {
  bool recording = false;
  std::optional<std::string> space;  // serialised, once it has been asked for
  ~Profiler() {
    if (!recording) return;
    try {
      profiler_in_python("stop");
    } catch (const ascend::Error&) {  // nobody is left who could be told
    }
  }
};

namespace {

ProfilerApi make_profiler_api() {
  ProfilerApi api{};
  api.struct_size = sizeof(api);
  api.error_destroy = [](Profiler_Error_Destroy* a) { destroy_error(a->error); };
  api.error_message = [](Profiler_Error_Message* a) { a->message = error_message(a->error); };
  api.error_code = [](Profiler_Error_GetCode* a) -> Error* {
    a->code = error_code(a->error);
    return nullptr;
  };
  fill(api.create, [](Profiler_Create& a) { a.profiler = new Profiler; });
  fill(api.destroy, [](Profiler_Destroy& a) { delete a.profiler; });
  fill(api.start, [](Profiler_Start& a) {
    if (a.profiler->recording) return;
    profiler_in_python("start");
    a.profiler->recording = true;
    a.profiler->space.reset();
  });
  fill(api.stop, [](Profiler_Stop& a) {
    if (!a.profiler->recording) return;
    a.profiler->recording = false;
    profiler_in_python("stop");
  });
  // Callers ask without a buffer first. Newer ones take what they are shown then, older ones ask again with a
  // buffer of that size.
  fill(api.collect_data, [](Profiler_CollectData& a) {
    std::optional<std::string>& space = a.profiler->space;
    if (!space) space = a.profiler->recording ? std::string() : profiler_in_python("collect");
    auto* bytes = reinterpret_cast<uint8_t*>(space->data());
    if (a.buffer && a.buffer != bytes) std::memcpy(a.buffer, bytes, std::min(a.size, space->size()));
    if (!a.buffer) a.buffer = bytes;
    a.size = space->size();
  });
  return api;
}

}  // namespace

int64_t traced_call(const Args& args) {
  for (const Extension* e = args.extension_start; e; e = e->next)
    if (e->type == kProfilerExtension) return static_cast<const ProfilerExtension*>(e)->traced_call;
  return -1;
}

const Extension* profiler_extension() {
  static const ProfilerApi api = make_profiler_api();
  static const ProfilerExtension extension = [] {
    ProfilerExtension e{};
    e.struct_size = sizeof(e);
    e.type = kProfilerExtension;
    e.next = layouts_extension();
    e.api = &api;
    return e;
  }();
  return &extension;
}

}  // namespace ascend::pjrt

// PJRT_LoadedExecutable.
#include <algorithm>
#include <atomic>

#include "plugin/pjrt/shim.h"
#include "plugin/runtime/host_desk.h"
#include "plugin/runtime/signals.h"

namespace ascend::pjrt {
namespace {

// Serves the calls of the host until all executions have ended, or Ctrl-C ends the wait. What functions of
// the host print is there when the call returns, and what they raise is the call's error: as with XLA:CPU,
// and so that a failure is not that of the tokens which the next program would take.
void serve_host_calls(const LoadedExecutable_Execute& a, const std::shared_ptr<HostDesk>& desk,
                      const std::vector<Ref<Event>>& done, size_t num_outputs) {
  const auto left = std::make_shared<std::atomic<size_t>>(done.size());
  for (const auto& event : done) {
    event->on_ready([=](const Status&) {
      if (left->fetch_sub(1) == 1) desk->close();
    });
  }
  if (!desk->serve(interrupted)) return;
  const auto failed =
      std::ranges::find_if(done, [](const auto& event) { return event->status() != nullptr; });
  if (failed == done.end()) return;
  for (size_t i = 0; i < a.num_devices; ++i)
    for (size_t j = 0; j < num_outputs; ++j) delete std::exchange(a.output_lists[i][j], nullptr);
  throw ascend::Error((*failed)->status()->code, (*failed)->status()->message);
}

void execute(LoadedExecutable_Execute& a) {
  note_size(*a.options);
  LoadedExecutable& executable = *a.executable;
  auto non_donatable = to_span(a.options->non_donatable_inputs);
  size_t num_outputs = executable.executable->output_ranks.size();
  if (a.num_devices != (a.execute_device ? 1 : executable.devices.size()))
    throw ascend::Error(Code::kInvalidArgument, "[execute " + executable.executable->header().name +
                                                    "] expected arguments for " +
                                                    std::to_string(executable.devices.size()) +
                                                    " devices; got " + std::to_string(a.num_devices) + ".");
  // However this ends: who still calls there is not to wait.
  const auto leave = [](HostDesk* desk) { desk->leave(); };
  const auto desk = executable.executable->host ? std::make_shared<HostDesk>() : nullptr;
  const std::unique_ptr<HostDesk, decltype(leave)> attended(desk.get());
  std::vector<LoadedExecutable::Placement> places;
  for (size_t i = 0; i < a.num_devices; ++i) {
    Device* device = a.execute_device ? a.execute_device : executable.devices[i];
    places.push_back({device, {a.argument_lists[i], a.num_args}, {a.output_lists[i], num_outputs}});
  }
  std::vector<Ref<Event>> done = executable.launch(places, non_donatable, desk, traced_call(a));
  if (desk) {
    try {
      serve_host_calls(a, desk, done, num_outputs);
    } catch (...) {
      HostDesk::return_to_python();
      throw;
    }
    HostDesk::return_to_python();
  }
  if (!a.device_complete_events) return;
  for (size_t i = 0; i < a.num_devices; ++i) a.device_complete_events[i] = done[i].release();
}

}  // namespace

void fill_loaded_executables(Api& api) {
  fill(api.LoadedExecutable_Execute_, [](LoadedExecutable_Execute& a) { execute(a); });
  fill(api.LoadedExecutable_Destroy_, [](LoadedExecutable_Destroy& a) { delete a.executable; });
  fill(api.LoadedExecutable_GetExecutable_,
       [](LoadedExecutable_GetExecutable& a) { a.executable = new ExecutableHandle{a.loaded->executable}; });
  fill(api.LoadedExecutable_AddressableDevices_, [](LoadedExecutable_AddressableDevices& a) {
    a.devices = {a.executable->devices.data(), a.executable->devices.size()};
  });
  fill(api.LoadedExecutable_AddressableDeviceLogicalIds_,
       [](LoadedExecutable_AddressableDeviceLogicalIds& a) {
         a.ids = {a.executable->logical_ids.data(), a.executable->logical_ids.size()};
       });
  fill(api.LoadedExecutable_GetDeviceAssignment_,
       [](LoadedExecutable_GetDeviceAssignment& a) { give_bytes(a, a.executable->assignment.serialize()); });
  fill(api.LoadedExecutable_Fingerprint_,
       [](LoadedExecutable_Fingerprint& a) { a.fingerprint = a.executable->executable->fingerprint; });
  fill(api.LoadedExecutable_Delete_, [](LoadedExecutable_Delete& a) { a.executable->deleted = true; });
  fill(api.LoadedExecutable_IsDeleted_,
       [](LoadedExecutable_IsDeleted& a) { a.is_deleted = a.executable->deleted; });
}

}  // namespace ascend::pjrt

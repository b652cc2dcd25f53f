// PJRT_Event: a handle owns one reference to an event.
#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {

void fill_events(Api& api) {
  fill(api.Event_Destroy_, [](Event_Destroy& a) {
    if (a.event) Ref<Event>::adopt(a.event);
  });
  fill(api.Event_IsReady_, [](Event_IsReady& a) { a.is_ready = a.event->is_ready(); });
  fill(api.Event_Error_, [](Event_Error& a) { return to_error(a.event->status()); });
  fill(api.Event_Await_, [](Event_Await& a) { return to_error(a.event->await()); });
  fill(api.Event_OnReady_, [](Event_OnReady& a) {
    a.event->on_ready(
        [callback = a.callback, user = a.user](const Status& s) { callback(to_error(s), user); });
  });
  fill(api.Event_Create_, [](Event_Create& a) { a.event = Event::pending().release(); });
  fill(api.Event_Set_, [](Event_Set& a) {
    a.event->set(a.code
                     ? std::make_shared<Failure>(Failure{static_cast<Code>(a.code), std::string(a.message)})
                     : nullptr);
  });
}

}  // namespace ascend::pjrt

#include "plugin/ffi/interface.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "plugin/runtime/event.h"

namespace ascend::ffi {
namespace {

template <class T>
T headed() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

Failure* fail(Code code, std::string message) {
  return new Failure{static_cast<int>(code), std::move(message)};
}

Failure* not_there(const char* what) {
  return fail(Code::kUnimplemented, std::string("[ffi] ") + what +
                                        " is not there: handlers work on the host's memory, as on the CPU.");
}

// Runs `body`; an Error it throws is the failure.
template <class Body>
Failure* caught(Body body) {
  try {
    body();
    return nullptr;
  } catch (...) {
    const Status status = current_failure();
    return fail(status->code, status->message);
  }
}

State& state_of(const StateAccess* a) {
  const auto stage = static_cast<unsigned>(a->stage);
  if (!a->context || stage >= kStages || !a->context->states[stage])
    throw Error(Code::kInvalidArgument, "[ffi] this stage keeps no state.");
  return *a->context->states[stage];
}

const RunContext& run_of(const Context* context) {
  if (!context || !context->run)
    throw Error(Code::kFailedPrecondition,
                "[ffi] a handler that is being instantiated is not part of a run.");
  return *context->run;
}

Failure* register_from_library(HandlerRegister* a) {
  return caught([&] {
    Stages stages;
    std::copy(std::begin(a->stages), std::end(a->stages), stages.handlers);
    register_handler({a->name.data, a->name.size}, stages);
  });
}

Failure* settle(Future* future, std::unique_ptr<Failure> failure) {
  const auto shared = future->shared;  // who waits may destroy the future at once
  std::lock_guard lock(shared->mutex);
  if (shared->done) return fail(Code::kFailedPrecondition, "[ffi] a future is set twice.");
  shared->done = true;
  shared->failure = std::move(failure);
  shared->changed.notify_all();
  return nullptr;
}

const Dictionary no_options = headed<Dictionary>();

constexpr size_t kWithoutCode = sizeof(Head) + 2 * sizeof(void*);  // of ErrorDetails, before 0.4

Api make_api() {
  Api table = headed<Api>();
  table.version = headed<ApiVersion>();
  table.version.major = kApiMajor, table.version.minor = kApiMinor;
  table.error_create = [](ErrorCreate* a) { return new Failure{a->code, a->message ? a->message : ""}; };
  table.error_details = [](ErrorDetails* a) {
    a->message = a->error->message.c_str();
    if (a->struct_size > kWithoutCode) a->code = a->error->code;
  };
  table.error_destroy = [](ErrorDestroy* a) { delete a->error; };
  table.handler_register = register_from_library;
  table.stream_get = [](StreamGet*) { return not_there("a stream"); };
  table.type_register = [](TypeRegister* a) {
    return caught([&] { register_type({a->name.data, a->name.size}, a->type, a->info); });
  };
  table.context_get = [](ContextGet*) {
    return fail(Code::kNotFound, "[ffi] the execution carries no data of the caller.");
  };
  table.state_set = [](StateAccess* a) { return caught([&] { state_of(a).set(*a->type, a->state); }); };
  table.state_get = [](StateAccess* a) { return caught([&] { a->state = state_of(a).get(*a->type); }); };
  table.memory_allocate = [](MemoryAllocate*) { return not_there("an allocator of device memory"); };
  table.memory_free = [](MemoryFree*) { return not_there("an allocator of device memory"); };
  table.pool_schedule = [](PoolSchedule* a) -> Failure* {
    a->task(a->data);  // which the interface allows
    return nullptr;
  };
  table.pool_threads = [](PoolThreads* a) -> Failure* {
    *a->threads = 1;
    return nullptr;
  };
  table.future_create = [](FutureCreate* a) -> Failure* {
    a->future = new Future;
    return nullptr;
  };
  table.future_set = [](FutureSet* a) { return settle(a->future, nullptr); };
  table.future_fail = [](FutureFail* a) { return settle(a->future, std::unique_ptr<Failure>(a->error)); };
  table.run_id_get = [](RunIdGet* a) { return caught([&] { a->id = run_of(a->context).number; }); };
  table.device_get = [](DeviceGet* a) { return caught([&] { a->device = run_of(a->context).device; }); };
  table.find_extension = [](FindExtension* a) -> Failure* {
    a->extension = nullptr;
    return nullptr;
  };
  table.options_get = [](OptionsGet* a) -> Failure* {
    a->options = &no_options;
    return nullptr;
  };
  for (auto& later : table.later)
    later = [](void*) { return fail(Code::kUnimplemented, "[ffi] a function of a later interface."); };
  return table;
}

}  // namespace

void State::set(TypeId type, void* object) {
  if (object_) throw Error(Code::kFailedPrecondition, "[ffi] the state is set already.");
  deleter_ = deleter_of(type);
  type_ = type, object_ = object;
}

void* State::get(TypeId type) const {
  if (!object_) throw Error(Code::kNotFound, "[ffi] the state is not set.");
  if (type_.id != type.id) throw Error(Code::kInvalidArgument, "[ffi] the state is of another type.");
  return object_;
}

const Api* api() {
  static const Api table = make_api();
  return &table;
}

CallFrame empty_frame(Stage stage) {
  CallFrame frame{};
  frame.struct_size =
      sizeof(CallFrame) - sizeof(Future*);  // handlers compare it, and it ends before the future
  frame.api = api();
  frame.stage = stage;
  frame.arguments = headed<List>(), frame.results = headed<List>();
  frame.attributes = headed<Dictionary>();
  return frame;
}

void take(Failure* failure) {
  if (!failure) return;
  const std::unique_ptr<Failure> owned(failure);
  const int code = owned->code >= 1 && owned->code <= 16 ? owned->code : static_cast<int>(Code::kUnknown);
  throw Error(static_cast<Code>(code), owned->message);
}

void call(Handler* handler, CallFrame& frame) {
  Failure* failure = handler(&frame);
  const std::unique_ptr<Future> future(std::exchange(frame.future, nullptr));
  if (future) {  // also of a handler that failed: whoever keeps its promise works on the frame's arrays
    const auto shared = future->shared;
    std::unique_lock lock(shared->mutex);
    shared->changed.wait(lock, [&] { return shared->done; });
    if (!failure) failure = shared->failure.release();
  }
  take(failure);
}

}  // namespace ascend::ffi

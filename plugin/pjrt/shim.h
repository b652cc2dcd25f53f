// How a slot becomes a C function: the one place where C++ exceptions turn into error handles.
#pragma once
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "plugin/pjrt/c_api.h"
#include "plugin/runtime/event.h"
#include "plugin/runtime/executable.h"

namespace ascend::pjrt {

struct ExecutableHandle {
  std::shared_ptr<const Executable> executable;
};

// A new error handle; null for success.
Error* to_error(const Status& status);
void destroy_error(Error* error);
std::string_view error_message(const Error* error);
int error_code(const Error* error);
Status take_status(Error* error);  // of an error handle, which it destroys

// The size of a struct as its last caller said; 0 if nobody passed one.
template <class A>
inline std::atomic<size_t> caller_struct_size{0};

template <class A>
void note_size(const A& passed) {
  caller_struct_size<A>.store(passed.struct_size, std::memory_order_relaxed);
}

// Fills `slot` with `body`, a lambda without captures that takes the arguments and returns nothing or an
// error.
template <class A, class Body>
void fill(Slot<A>& slot, Body) {
  slot = [](A* args) -> Error* {
    if constexpr (std::is_base_of_v<Args, A>) note_size(*args);
    try {
      if constexpr (std::is_void_v<decltype(Body{}(*args))>) {
        Body{}(*args);
        return nullptr;
      } else {
        return Body{}(*args);
      }
    } catch (...) {
      return to_error(current_failure());
    }
  };
}

// Hands out bytes that the caller frees through `deleter`.
template <class A>
void give_bytes(A& args, std::string bytes) {
  auto* owner = new std::string(std::move(bytes));
  args.bytes = *owner;
  args.owner = owner;
  args.deleter = [](void* o) { delete static_cast<std::string*>(o); };
}

template <class T>
std::span<T> to_span(List<T> list) {
  return {list.items, list.count};
}

template <class T>
std::vector<std::remove_const_t<T>> to_vector(List<T> list) {
  return {list.begin(), list.end()};
}

// The number that a trace of the host gives to a call; -1 while there is none.
int64_t traced_call(const Args& args);

// Each noun fills its own slots; the rest name themselves as unimplemented.
void fill_errors(Api& api);
void fill_plugin(Api& api);
void fill_events(Api& api);
void fill_client(Api& api);
void fill_devices(Api& api);
void fill_memories(Api& api);
void fill_executables(Api& api);
void fill_loaded_executables(Api& api);
void fill_buffers(Api& api);
void fill_topologies(Api& api);
void fill_compile(Api& api);

const Extension* profiler_extension();
const Extension* layouts_extension();
const Extension* memory_descriptions_extension();
const Extension* shardings_extension();

const Api* api();

}  // namespace ascend::pjrt

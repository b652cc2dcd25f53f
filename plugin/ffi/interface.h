// The functions that handlers may call, and what they call them with.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "plugin/device/run_context.h"
#include "plugin/error.h"
#include "plugin/ffi/c_api.h"
#include "plugin/ffi/registry.h"

namespace ascend::ffi {

struct Failure {
  int code;
  std::string message;
};

// An object that a handler keeps from one stage to a later one.
class State {
 public:
  State() = default;
  State(const State&) = delete;
  ~State() {
    if (object_ && deleter_) deleter_(object_);
  }
  void set(TypeId type, void* object);  // throws Error if there is one, or the type is not registered
  void* get(TypeId type) const;         // throws Error if there is none of this type

 private:
  TypeId type_{0};
  void* object_ = nullptr;
  Deleter deleter_ = nullptr;
};

struct Context {
  const RunContext* run = nullptr;  // null while a handler is instantiated
  State* states[kStages] = {};      // by the Stage that sets it
};

// A result that a handler promises: it returns before it is done.
struct Future {
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    std::unique_ptr<Failure> failure{};
  };
  const std::shared_ptr<Shared> shared = std::make_shared<Shared>();
};

const Api* api();
CallFrame empty_frame(Stage stage);  // without arguments, results and attributes

// Throws the failure as an Error, if there is one, and destroys it.
void take(Failure* failure);
// Calls a handler and waits for what it promises; throws its failure.
void call(Handler* handler, CallFrame& frame);

}  // namespace ascend::ffi

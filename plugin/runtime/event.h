// Events: how work that was accepted reports that it is done, or why it failed.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugin/error.h"
#include "plugin/runtime/ref.h"

namespace ascend {

struct Failure {
  Code code;
  std::string message;
};
using Status = std::shared_ptr<const Failure>;  // null means success

// The failure an exception stands for; to be called inside a catch block.
Status current_failure();

class Event : public RefCounted {
 public:
  using Callback = std::function<void(const Status&)>;

  static Ref<Event> pending() { return make_ref<Event>(); }
  static Ref<Event> ready();  // one shared event that succeeded
  static Ref<Event> failed(Status status);

  bool is_ready() const { return done_.load(std::memory_order_acquire) != 0; }
  const Status& status() const { return status_; }  // once ready
  const Status& await() const;                      // the only call that blocks

  // Runs `callback` once the event is ready: at once in this thread, or later in the thread that sets it.
  // It may be a caller's code that waits for locks of its own, so it runs while this event holds none.
  void on_ready(Callback callback);

  // The first call counts.
  void set(Status status);

  // The queue whose task sets it, if one does: that queue needs no call to look at it again.
  const void* maker = nullptr;

 private:
  std::atomic<int> done_{0};
  std::mutex mutex_;
  Status status_;
  std::vector<Callback> callbacks_;
};

}  // namespace ascend

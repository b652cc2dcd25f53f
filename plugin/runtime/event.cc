#include "plugin/runtime/event.h"

#include <new>

namespace ascend {

Status current_failure() {
  try {
    throw;
  } catch (const Error& e) {
    return std::make_shared<Failure>(Failure{e.code(), e.what()});
  } catch (const std::bad_alloc&) {
    return std::make_shared<Failure>(Failure{
        Code::kResourceExhausted, "[host] out of host memory. Free arrays or run on a larger machine."});
  } catch (const std::exception& e) {
    return std::make_shared<Failure>(Failure{Code::kInternal, e.what()});
  } catch (...) {
    return std::make_shared<Failure>(Failure{Code::kInternal, "[plugin] an exception of unknown type."});
  }
}

Ref<Event> Event::ready() {
  static Event* event = [] {
    auto* made = new Event;
    made->set(nullptr);
    return made;
  }();
  return Ref<Event>::share(event);
}

Ref<Event> Event::failed(Status status) {
  auto event = pending();
  event->set(std::move(status));
  return event;
}

const Status& Event::await() const {
  done_.wait(0, std::memory_order_acquire);
  return status_;
}

void Event::on_ready(Callback callback) {
  if (!is_ready()) {
    std::lock_guard lock(mutex_);
    if (!is_ready()) {
      callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback(status_);
}

void Event::set(Status status) {
  std::vector<Callback> callbacks;
  {
    std::lock_guard lock(mutex_);
    if (is_ready()) return;
    status_ = std::move(status);
    callbacks.swap(callbacks_);
    done_.store(1, std::memory_order_release);
  }
  done_.notify_all();
  for (auto& callback : callbacks) callback(status_);
}

}  // namespace ascend

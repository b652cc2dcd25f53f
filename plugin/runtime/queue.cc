#include "plugin/runtime/queue.h"

namespace ascend {
namespace {

thread_local bool in_queue = false;  // this thread is that of a queue

constexpr auto kGlance = std::chrono::milliseconds(50);  // between calls of given_up

}  // namespace

Queue::~Queue() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Queue::submit(Task* task) {
  {
    std::lock_guard lock(mutex_);
    unfinished_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(task->bytes, std::memory_order_relaxed);
    ++incomplete_;
    *last_ = task;
    last_ = &task->next;
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  }
  arrived_.notify_one();
}

void Queue::wait_for_room(bool (*given_up)()) {
  while (!has_room() && !in_queue) {
    {
      std::unique_lock lock(mutex_);
      if (room_.wait_for(lock, kGlance, [this] { return has_room(); })) return;
    }
    if (given_up()) return;
  }
}

bool Queue::drain_until(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const auto complete = [this] { return incomplete_ == 0; };
  // No clock can count to the largest time point.
  if (deadline != deadline.max()) return finished_.wait_until(lock, deadline, complete);
  finished_.wait(lock, complete);
  return true;
}

void Queue::work() {
  in_queue = true;
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return first_ || stopping_; });
    if (!first_) return;
    Task* task = first_;
    first_ = task->next;
    if (!first_) last_ = &first_;
    lock.unlock();
    task->run();
    bytes_.fetch_sub(task->bytes, std::memory_order_relaxed);
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
    task->complete();
    delete task;
    lock.lock();
    room_.notify_all();
    if (--incomplete_ == 0) finished_.notify_all();
  }
}

}  // namespace ascend

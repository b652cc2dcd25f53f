#include "plugin/runtime/queue.h"

namespace ascend {

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
    ++incomplete_;
    *last_ = task;
    last_ = &task->next;
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  }
  arrived_.notify_one();
}

void Queue::drain() {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this] { return incomplete_ == 0; });
}

void Queue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return first_ || stopping_; });
    if (!first_) return;
    Task* task = first_;
    first_ = task->next;
    if (!first_) last_ = &first_;
    lock.unlock();
    task->run();
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
    task->complete();
    delete task;
    lock.lock();
    if (--incomplete_ == 0) finished_.notify_all();
  }
}

}  // namespace ascend

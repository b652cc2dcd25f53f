#include "plugin/runtime/queue.h"

#include <algorithm>

namespace ascend {
namespace {

thread_local Queue* queue_of_thread = nullptr;
thread_local Task* task_of_thread = nullptr;  // that it runs

std::atomic<int64_t> tasks_away{0};  // of all queues

constexpr auto kGlance = std::chrono::milliseconds(50);  // between calls of given_up

}  // namespace

Queue::~Queue() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  finished_.wait(lock, [this] { return incomplete_ == 0; });
  lock.unlock();
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Queue::submit(Task* task) {
  bool wanted = true;  // a thread, to look for something to run
  {
    std::lock_guard lock(mutex_);
    unfinished_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(task->bytes, std::memory_order_relaxed);
    ++incomplete_;
    *last_ = task;
    last_ = &task->next;
    if (threads_.empty()) threads_.emplace_back([this] { work(); });
    if (!running_ && !coming_back_ && may_start(*task)) wanted = task->ready_with_others();
  }
  if (wanted) arrived_.notify_one();
}

void Queue::depart(Task* part) {
  std::lock_guard lock(mutex_);
  Task** at = &first_;
  while (*at != part) at = &(*at)->next;
  *at = part->next;
  if (!*at) last_ = at;
  away_.push_back(part);
}

void Queue::finish(Task* part) {
  note_end(*part);
  part->complete();
  {
    std::lock_guard lock(mutex_);
    std::erase(away_, part);
    room_.notify_all();
    if (--incomplete_ == 0) finished_.notify_all();
  }
  arrived_.notify_one();  // what could not pass it may start
  delete part;
}

void Queue::note_end(const Task& task) {
  bytes_.fetch_sub(task.bytes, std::memory_order_relaxed);
  unfinished_.fetch_sub(1, std::memory_order_acq_rel);
}

void Queue::look_again() {
  {
    std::lock_guard lock(mutex_);
  }  // a thread that has looked waits by now
  arrived_.notify_one();
}

void Queue::wait_for_room(bool (*given_up)()) {
  while (!has_room() && !queue_of_thread) {
    {
      std::unique_lock lock(mutex_);
      if (room_.wait_for(lock, kGlance, [this] { return has_room(); })) return;
    }
    if (given_up() || tasks_away.load(std::memory_order_relaxed) > 0) return;
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

bool Queue::may_start(const Task& task) const {
  if (!task.can_start()) return false;
  for (const Task* earlier = first_; earlier != &task; earlier = earlier->next)
    if (!task.may_pass(*earlier)) return false;
  return std::ranges::all_of(away_, [&](const Task* earlier) { return task.may_pass(*earlier); });
}

Task* Queue::take() {
  if (running_ || coming_back_) return nullptr;
  for (Task** at = &first_; *at; at = &(*at)->next) {
    Task* task = *at;
    if (!may_start(*task)) continue;
    if (!task->ready_with_others() || !task->take_all()) continue;
    *at = task->next;
    if (!*at) last_ = at;
    return task;
  }
  return nullptr;
}

void Queue::work() {
  queue_of_thread = this;
  std::unique_lock lock(mutex_);
  while (true) {
    Task* task = nullptr;
    ++waiting_;
    arrived_.wait(lock, [&] { return (task = take()) || (stopping_ && incomplete_ == 0); });
    --waiting_;
    if (!task) return;
    running_ = true;
    lock.unlock();
    task_of_thread = task;
    task->run();
    note_end(*task);
    task->complete();
    delete task;
    lock.lock();
    running_ = false;
    if (coming_back_) free_.notify_one();
    room_.notify_all();
    if (--incomplete_ == 0) finished_.notify_all();
  }
}

void Queue::leave(Task* task) {
  std::lock_guard lock(mutex_);
  away_.push_back(task);
  tasks_away.fetch_add(1, std::memory_order_relaxed);
  running_ = false;
  if (coming_back_) free_.notify_one();
  if (waiting_ == 0) threads_.emplace_back([this] { work(); });
  arrived_.notify_one();
}

void Queue::come_back(Task* task) {
  std::unique_lock lock(mutex_);
  ++coming_back_;
  free_.wait(lock, [this] { return !running_; });
  --coming_back_;
  running_ = true;
  tasks_away.fetch_sub(1, std::memory_order_relaxed);
  std::erase(away_, task);
}

Queue::Away::Away() {
  if (queue_of_thread) queue_of_thread->leave(task_of_thread);
}

Queue::Away::~Away() {
  if (queue_of_thread) queue_of_thread->come_back(task_of_thread);
}

}  // namespace ascend

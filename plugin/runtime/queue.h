// An in-order queue: one thread that runs tasks one after another. It starts with the first task.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace ascend {

struct Task {
  virtual ~Task() = default;
  virtual void run() = 0;       // must not throw
  virtual void complete() = 0;  // tells those who wait; the queue counts as idle before this
  Task* next = nullptr;
};

class Queue {
 public:
  Queue() = default;
  ~Queue();  // runs what was submitted, then ends the thread
  Queue(const Queue&) = delete;

  void submit(Task* task);  // takes ownership
  // Whether everything submitted has run.
  bool idle() const { return unfinished_.load(std::memory_order_acquire) == 0; }
  // Waits until everything submitted has run and completed, callbacks included.
  void drain();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable arrived_, finished_;
  Task* first_ = nullptr;
  Task** last_ = &first_;
  std::atomic<int> unfinished_{0};
  int incomplete_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ascend

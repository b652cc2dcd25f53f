// An in-order queue: one thread that runs tasks one after another. It starts with the first task.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace ascend {

struct Task {
  virtual ~Task() = default;
  virtual void run() = 0;       // must not throw
  virtual void complete() = 0;  // tells those who wait; the queue counts as idle before this
  uint64_t bytes = 0;           // of memory that it may keep until it has run
  Task* next = nullptr;
};

class Queue {
 public:
  // How far whoever submits may be ahead: about as many tasks as a loop was measured to be ahead of XLA:CPU
  // (29), but two whatever their bytes, so that the thread has something to do.
  static constexpr int64_t kMostInFlight = 32, kLeastInFlight = 2;
  static constexpr uint64_t kMostBytesInFlight = uint64_t{4} << 30;

  Queue() = default;
  ~Queue();  // runs what was submitted, then ends the thread
  Queue(const Queue&) = delete;

  void submit(Task* task);  // takes ownership
  // Waits until there is room for a task, unless the calling thread is that of a queue, which others may wait
  // for. Tasks may need the GIL to complete, so a caller that has to wait must not hold it. Asks now and then
  // whether the wait is `given_up`; then there is room for one more.
  void wait_for_room(bool (*given_up)());
  // Whether everything submitted has run.
  bool idle() const { return unfinished_.load(std::memory_order_acquire) == 0; }
  // Waits until everything submitted has run and completed, callbacks included; returns false if that takes
  // longer.
  bool drain_until(std::chrono::steady_clock::time_point deadline);

 private:
  void work();
  bool has_room() const {
    const int64_t tasks = unfinished_.load(std::memory_order_acquire);
    return tasks < kLeastInFlight ||
           (tasks < kMostInFlight && bytes_.load(std::memory_order_relaxed) < kMostBytesInFlight);
  }

  std::mutex mutex_;
  std::condition_variable arrived_, finished_, room_;
  Task* first_ = nullptr;
  Task** last_ = &first_;
  std::atomic<int64_t> unfinished_{0};
  std::atomic<uint64_t> bytes_{0};  // of these
  int64_t incomplete_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ascend

// A queue: tasks run one at a time, in the order in which they were submitted as far as they can. It starts
// its first thread with the first task.
//
// A task that waits for something outside, such as a function of the host, is away meanwhile: others run. And
// a task that could not start yet (what it reads is still to be computed, perhaps by one that is away) lets
// those behind it pass which do not overwrite what it reads. So work that a function of the host submits, and
// waits for, is done, whoever waits for that function.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace ascend {

struct Task {
  virtual ~Task() = default;
  virtual void run() = 0;       // must not throw
  virtual void complete() = 0;  // tells those who wait; the queue counts as idle before this
  virtual bool can_start() const { return true; }  // run() would not wait for other tasks
  // Whether it may run although `earlier` is still to run, or is away.
  virtual bool may_pass(const Task& earlier) const { return false; }
  // Of a task with parts in several queues: says that this part could run from now on, and returns whether
  // all could. Then one call of `take_all` returns true, and whoever made it runs all parts.
  virtual bool ready_with_others() { return true; }
  virtual bool take_all() { return true; }
  uint64_t bytes = 0;  // of memory that it may keep until it has run
  Task* next = nullptr;
};

class Queue {
 public:
  // How far whoever submits may be ahead: about as many tasks as a loop was measured to be ahead of XLA:CPU
  // (29), but two whatever their bytes, so that the thread has something to do.
  static constexpr int64_t kMostInFlight = 32, kLeastInFlight = 2;
  static constexpr uint64_t kMostBytesInFlight = uint64_t{4} << 30;

  Queue() = default;
  ~Queue();  // runs what was submitted, then ends the threads
  Queue(const Queue&) = delete;

  void submit(Task* task);  // takes ownership
  // Of a part that runs in another queue: it leaves this one, and is over. In between others may run here.
  void depart(Task* part);
  void finish(Task* part);  // completes and deletes it
  void look_again();  // a task that could not start may be able to now; those of this queue say so themselves
  // Waits until there is room for a task, unless the calling thread is that of a queue, which others may wait
  // for. Tasks may need the GIL to complete, so a caller that has to wait must not hold it. Asks now and then
  // whether the wait is `given_up`; then there is room for one more, and so there is while a task of any
  // queue is away: it may wait for the caller.
  void wait_for_room(bool (*given_up)());
  // Whether everything submitted has run.
  bool idle() const { return unfinished_.load(std::memory_order_acquire) == 0; }
  // Waits until everything submitted has run and completed, callbacks included; returns false if that takes
  // longer.
  bool drain_until(std::chrono::steady_clock::time_point deadline);

  // While it exists, the task that the calling thread runs is away; it comes back when no other runs. Does
  // nothing in threads that are not a queue's.
  class Away {
   public:
    Away();
    ~Away();
    Away(const Away&) = delete;
  };

 private:
  void work();
  Task*
  take();  // the next task to run, or null; the caller holds the mutex, and the queue has work for a thread
  bool may_start(const Task& task) const;
  void note_end(const Task& task);  // before it completes
  void leave(Task* task);
  void come_back(Task* task);
  bool has_room() const {
    const int64_t tasks = unfinished_.load(std::memory_order_acquire);
    return tasks < kLeastInFlight ||
           (tasks < kMostInFlight && bytes_.load(std::memory_order_relaxed) < kMostBytesInFlight);
  }

  std::mutex mutex_;
  std::condition_variable arrived_, finished_, room_, free_;
  Task* first_ = nullptr;
  Task** last_ = &first_;
  std::vector<const Task*> away_;
  int64_t coming_back_ = 0;  // of these
  bool running_ = false;     // a task that is not away
  std::atomic<int64_t> unfinished_{0};
  std::atomic<uint64_t> bytes_{0};  // of these
  int64_t incomplete_ = 0;
  bool stopping_ = false;
  int64_t waiting_ = 0;  // threads without a task
  std::vector<std::thread> threads_;
};

}  // namespace ascend

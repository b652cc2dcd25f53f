// Persistent worker threads that AI cores are mapped onto.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace ascend {

class Pool {
 public:
  // The pool of this process: as many threads as the machine has cores, unless set_threads said otherwise.
  static Pool& instance();

  ~Pool();

  // Calls body(context, i) for every i in [0, count) on the calling thread and the workers, in ascending
  // order of start; returns when all are done and rethrows the first exception. While one caller uses the
  // workers, others run alone, and so does a body that calls it.
  using Body = void (*)(const void* context, int64_t i);
  void run(int64_t count, Body body, const void* context);

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  void set_threads(int n);  // not while programs run

 private:
  struct Job {
    Body body = nullptr;
    const void* context = nullptr;
    int64_t count = 0, chunk = 1;
    std::atomic<int64_t> next{0};
  };

  explicit Pool(int threads);
  void start(int threads);
  void stop();
  void work();
  void take_chunks();

  std::vector<std::thread> workers_;
  std::mutex owner_;  // held by the caller whose job the workers do
  Job job_;
  // Even: no job. Odd: job_ may be joined. Workers inside are counted, so that the caller can wait for the
  // last.
  std::atomic<uint32_t> epoch_{0};
  std::atomic<int32_t> inside_{0}, sleeping_{0};
  std::atomic<bool> stopping_{false};
  std::exception_ptr error_;
  std::atomic<bool> failed_{false};
};

}  // namespace ascend

// Where the thread that launched a program serves the program's calls of the host while it waits for the end:
// functions of the host then run in the thread that called the program, as XLA:CPU's do.
#pragma once
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

namespace ascend {

class HostDesk {
 public:
  // Runs `call` in the thread that serves, or in the calling one if none does; throws what it throws.
  void perform(const std::function<void()>& call) {
    auto request = std::make_shared<Request>(Request{call});
    std::unique_lock lock(mutex_);
    if (attended_) requests_.push_back(request);
    changed_.notify_all();
    changed_.wait(lock, [&] { return request->done || (!attended_ && !request->taken); });
    const bool served = request->done;
    lock.unlock();
    if (!served) return in_function(call);
    if (request->error) std::rethrow_exception(request->error);
  }

  // Serves until close(); `given_up` is asked now and then, and ends it too. Returns whether the desk is
  // closed.
  bool serve(bool (*given_up)()) {
    constexpr std::chrono::milliseconds kGlance(50);
    std::unique_lock lock(mutex_);
    while (!closed_) {
      if (requests_.empty()) {
        const bool woken = changed_.wait_for(lock, kGlance, [&] { return closed_ || !requests_.empty(); });
        if (woken) continue;
        lock.unlock();
        const bool enough = given_up();
        lock.lock();
        if (!enough) continue;
        leave_locked();
        return closed_;
      }
      const auto request = requests_.front();
      requests_.pop_front();
      request->taken = true;
      lock.unlock();
      try {
        in_function(request->call);
      } catch (...) {
        request->error = std::current_exception();
      }
      lock.lock();
      request->done = true;
      changed_.notify_all();
    }
    return true;
  }

  // Python exits. A thread that returns to it now, which is one that nobody waits for, would be ended by
  // unwinding its stack (python_exception.h): it sleeps until the process is gone. But not what is in a
  // function of the host, which the exit waits for.
  static void exit_begins() { exiting = true; }
  static void return_to_python() {
    const bool main = syscall(SYS_gettid) == getpid();  // it is the one that exits
    if (!exiting || functions > 0 || main) return;
    for (;;) pause();
  }

  // Nobody serves from here on.
  void leave() {
    std::lock_guard lock(mutex_);
    leave_locked();
  }

  // No more calls will come.
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  static void in_function(const std::function<void()>& call) {
    struct Depth {
      Depth() { ++functions; }
      ~Depth() { --functions; }
    } depth;
    call();
  }
  static inline std::atomic<bool> exiting{false};
  static inline thread_local int functions = 0;  // of the host that this thread is in

  struct Request {
    const std::function<void()>& call;
    bool taken = false, done = false;
    std::exception_ptr error{};
  };

  void leave_locked() {
    attended_ = false;
    requests_.clear();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Request>> requests_;
  bool attended_ = true;  // from the launch on
  bool closed_ = false;
};

}  // namespace ascend

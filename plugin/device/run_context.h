// What an execution knows besides its operands: where it runs, and whether anybody still wants it.
#pragma once
#include <atomic>
#include <cstdint>

namespace ascend {

// Ends executions from any thread. They are numbered in the order in which they are accepted, so that all
// that were accepted can be told to end, and later ones not.
class Cancellation {
 public:
  int64_t accept() { return accepted_.fetch_add(1, std::memory_order_relaxed) + 1; }
  void cancel_accepted() { raise(accepted_.load(std::memory_order_relaxed)); }
  void cancel_all() { raise(INT64_MAX); }  // those to come, too
  bool covers(int64_t number) const { return number <= through_.load(std::memory_order_relaxed); }
  bool covers_all() const { return covers(INT64_MAX); }

 private:
  void raise(int64_t number) {
    int64_t through = through_.load(std::memory_order_relaxed);
    while (through < number && !through_.compare_exchange_weak(through, number)) {
    }
  }
  std::atomic<int64_t> accepted_{0};
  std::atomic<int64_t> through_{0};  // numbers up to here are cancelled
};

class ForeignFunctions;
class HostDesk;
class HostFunctions;
class RunRecord;

struct RunContext {
  const Cancellation& cancellation;
  int64_t number;  // among what `cancellation` accepted
  int device = 0, replica = 0, partition = 0;
  const HostFunctions* host =
      nullptr;               // that the program calls; nobody calls them in programs from bytes alone
  HostDesk* desk = nullptr;  // where it calls them
  const ForeignFunctions* foreign = nullptr;  // the handlers that it calls
  RunRecord* record = nullptr;                // who writes down what runs; nobody, as a rule
  int64_t traced_call = -1;                   // the call's number in a trace of the host

  // Throws Error{kCancelled} once the execution is not wanted. Whatever repeats something calls it each time:
  // commands and iterations of the stream, blocks and loops of a kernel, lines of an AICPU kernel.
  void check() const {
    if (cancellation.covers(number)) [[unlikely]]
      end();
  }
  [[noreturn]] void end() const;
};

}  // namespace ascend

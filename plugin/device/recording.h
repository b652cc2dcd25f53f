// Writes down what executions do while somebody wants to know: commands with their times, trips and branches,
// and transfers. Nobody does as a rule, and then it costs a look at a flag per launch and transfer, and a
// look at a null pointer per list of commands.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "plugin/device/program.h"

namespace ascend {

class Recording;

// Nanoseconds of the steady clock, which are those of Python's time.monotonic_ns().
int64_t steady_nanoseconds();

struct CommandRecord {
  const Command* command;
  int64_t start, end;  // end 0: it did not get there
  int64_t decision;    // trips of a loop, branch of a case; -1
};

// One execution of a program.
class RunRecord {
 public:
  explicit RunRecord(Recording* recording) : recording_(recording) {}
  static constexpr size_t kDropped = SIZE_MAX;

  size_t begin(const Command* command);  // its place, or kDropped beyond the recording's limit
  void decide(size_t place, int64_t decision) {
    if (place != kDropped) commands[place].decision = decision;
  }
  void end(size_t place) {
    if (place != kDropped) commands[place].end = steady_nanoseconds();
  }

  std::shared_ptr<const Program> program;
  int device = 0;
  int64_t accepted = 0, started = 0, ended = 0;
  int64_t traced_call = -1;  // as in RunContext
  bool failed = false;
  std::vector<CommandRecord> commands;  // in the order in which they began

 private:
  Recording* recording_;
};

struct TransferRecord {
  int kind, device;
  uint64_t bytes;
  int64_t start, end;
};

class Recording {
 public:
  // Begins to record, at most `limit` commands; false if something is being recorded already.
  static bool start(int64_t limit);
  // Ends it and returns what was recorded; null if nothing was. What still runs then is not in it.
  static std::shared_ptr<Recording> stop();
  // The one that is on, or null.
  static std::shared_ptr<Recording> current();

  explicit Recording(int64_t limit) : left_(limit) {}
  bool take() { return left_.fetch_sub(1, std::memory_order_relaxed) > 0; }
  int64_t dropped() const;
  void add(RunRecord&& run);
  void add(const TransferRecord& transfer);

  // To be read once it has been stopped.
  std::vector<RunRecord> runs;
  std::vector<TransferRecord> transfers;
  std::mutex mutex;  // of both

 private:
  std::atomic<int64_t> left_;
};

// Records an execution while it lives, if somebody wants it.
class Recorded {
 public:
  Recorded(RunContext& context, const std::shared_ptr<const Program>& program, int64_t accepted);
  ~Recorded();
  Recorded(const Recorded&) = delete;

 private:
  RunContext& context_;
  std::shared_ptr<Recording> recording_;
  std::unique_ptr<RunRecord> record_;
  int exceptions_ = 0;
};

// Records a copy of a buffer while it lives.
class RecordedTransfer {
 public:
  enum Kind { kToDevice, kFromDevice };
  RecordedTransfer(Kind kind, int device, uint64_t bytes);
  ~RecordedTransfer();
  RecordedTransfer(const RecordedTransfer&) = delete;

 private:
  std::shared_ptr<Recording> recording_;
  TransferRecord transfer_;
};

}  // namespace ascend

#include "plugin/device/recording.h"

#include <chrono>
#include <exception>

namespace ascend {
namespace {

std::atomic<bool> recording_on{false};
std::mutex recording_mutex;
std::shared_ptr<Recording> recording_now;  // of `recording_mutex`

}  // namespace

int64_t steady_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

size_t RunRecord::begin(const Command* command) {
  if (!recording_->take()) return kDropped;
  commands.push_back({command, steady_nanoseconds(), 0, -1});
  return commands.size() - 1;
}

bool Recording::start(int64_t limit) {
  std::lock_guard lock(recording_mutex);
  if (recording_now) return false;
  recording_now = std::make_shared<Recording>(limit);
  recording_on.store(true, std::memory_order_relaxed);
  return true;
}

std::shared_ptr<Recording> Recording::stop() {
  std::lock_guard lock(recording_mutex);
  recording_on.store(false, std::memory_order_relaxed);
  return std::move(recording_now);
}

std::shared_ptr<Recording> Recording::current() {
  if (!recording_on.load(std::memory_order_relaxed)) return nullptr;
  std::lock_guard lock(recording_mutex);
  return recording_now;
}

int64_t Recording::dropped() const {
  const int64_t left = left_.load(std::memory_order_relaxed);
  return left < 0 ? -left : 0;
}

void Recording::add(RunRecord&& run) {
  std::lock_guard lock(mutex);
  runs.push_back(std::move(run));
}

void Recording::add(const TransferRecord& transfer) {
  std::lock_guard lock(mutex);
  transfers.push_back(transfer);
}

Recorded::Recorded(RunContext& context, const std::shared_ptr<const Program>& program, int64_t accepted)
    : context_(context), recording_(Recording::current()) {
  if (!recording_) return;
  record_ = std::make_unique<RunRecord>(recording_.get());
  record_->program = program;
  record_->device = context.device;
  record_->accepted = accepted;
  record_->traced_call = context.traced_call;
  exceptions_ = std::uncaught_exceptions();
  context.record = record_.get();
  record_->started = steady_nanoseconds();
}

Recorded::~Recorded() {
  if (!recording_) return;
  context_.record = nullptr;
  record_->ended = steady_nanoseconds();
  record_->failed = std::uncaught_exceptions() > exceptions_;
  try {
    recording_->add(std::move(*record_));
  } catch (const std::bad_alloc&) {  // a recording that is too large loses a run, and the run goes on
  }
}

RecordedTransfer::RecordedTransfer(Kind kind, int device, uint64_t bytes) : recording_(Recording::current()) {
  if (recording_) transfer_ = {kind, device, bytes, steady_nanoseconds(), 0};
}

RecordedTransfer::~RecordedTransfer() {
  if (!recording_) return;
  transfer_.end = steady_nanoseconds();
  try {
    recording_->add(transfer_);
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace ascend

#include "plugin/device/pool.h"

#include <algorithm>
#include <utility>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace ascend {
namespace {

// How long a worker looks for the next job before it sleeps: longer than the gap between two launches of a
// program.
constexpr int kSpins = 4000;

thread_local bool in_body = false;

void pause() {
#ifdef __x86_64__
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

Pool& Pool::instance() {
  // Never destroyed: at exit other threads may still execute programs.
  static Pool* pool = new Pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  return *pool;
}

Pool::Pool(int threads) { start(threads); }
Pool::~Pool() { stop(); }

void Pool::set_threads(int n) {
  const std::lock_guard lock(owner_);
  stop();
  start(std::max(n, 1));
}

void Pool::start(int threads) {
  stopping_ = false;
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

void Pool::stop() {
  stopping_ = true;
  epoch_ += 2;
  epoch_.notify_all();
  for (std::thread& t : workers_) t.join();
  workers_.clear();
}

void Pool::take_chunks() {
  for (;;) {
    const int64_t from = job_.next.fetch_add(job_.chunk, std::memory_order_relaxed);
    if (from >= job_.count) return;
    const int64_t to = std::min(from + job_.chunk, job_.count);
    in_body = true;
    try {
      for (int64_t i = from; i < to; ++i) job_.body(job_.context, i);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
      job_.next = job_.count;
    }
    in_body = false;
  }
}

void Pool::work() {
  uint32_t seen = 0;
  while (!stopping_) {
    uint32_t now = epoch_.load();
    for (int i = 0; i < kSpins && (now == seen || now % 2 == 0) && !stopping_; ++i) {
      pause();
      now = epoch_.load();
    }
    if (now == seen || now % 2 == 0) {
      ++sleeping_;
      // stop() sets stopping_ before it changes the epoch: if it is not set yet, the epoch will differ from
      // now.
      if (!stopping_) epoch_.wait(now);
      --sleeping_;
      continue;
    }
    seen = now;
    ++inside_;
    // The job may have been closed between the two; a caller that saw nobody inside has not waited for us.
    if (epoch_.load() == now) take_chunks();
    --inside_;
  }
}

void Pool::run(int64_t count, Body body, const void* context) {
  std::unique_lock lock(owner_, std::defer_lock);
  if (count < 2 || in_body || workers_.empty() || !lock.try_lock()) {
    for (int64_t i = 0; i < count; ++i) body(context, i);
    return;
  }
  job_.body = body, job_.context = context, job_.count = count;
  job_.chunk = std::max<int64_t>(1, count / (8 * threads()));
  job_.next = 0;
  failed_ = false;
  error_ = nullptr;
  ++epoch_;  // open
  if (sleeping_.load() > 0) epoch_.notify_all();
  take_chunks();
  ++epoch_;  // closed: nobody joins from here on
  while (inside_.load() > 0) pause();
  if (failed_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace ascend

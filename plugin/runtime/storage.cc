#include "plugin/runtime/storage.h"

namespace ascend {

Storage::~Storage() {
  if (arena_) {
    if (std::byte* data = data_.load(std::memory_order_acquire)) arena_->deallocate(data, bytes_);
  } else if (on_release_) {
    on_release_();
  }
}

std::byte* Storage::data() {
  std::byte* data = data_.load(std::memory_order_acquire);
  if (data || !arena_) return data;
  std::byte* fresh = arena_->allocate(bytes_);
  if (data_.compare_exchange_strong(data, fresh, std::memory_order_acq_rel)) return fresh;
  arena_->deallocate(fresh, bytes_);  // another thread was first
  return data;
}

}  // namespace ascend

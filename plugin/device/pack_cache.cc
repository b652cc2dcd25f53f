#include "plugin/device/pack_cache.h"

#include <cstdlib>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace ascend {

PackCache* PackCache::acquire() {
  static PackCache* cache = new PackCache;  // outlives threads that run programs at exit
  if (!cache->owner_.try_lock()) return nullptr;
  if (!cache->memory_) {
    cache->memory_ = static_cast<std::byte*>(std::aligned_alloc(2 << 20, kBytes));
    if (!cache->memory_) {
      cache->owner_.unlock();
      return nullptr;
    }
#ifdef __linux__
    madvise(cache->memory_, kBytes, MADV_HUGEPAGE);
#endif
  }
  for (Entry& e : cache->entries_) e.state.store(0, std::memory_order_relaxed);
  cache->used_ = 0;
  return cache;
}

const PackCache::Entry* PackCache::find(const Key& key, int64_t bytes, Entry** own) {
  *own = nullptr;
  const uint64_t hash = (reinterpret_cast<uintptr_t>(key.base) ^ reinterpret_cast<uintptr_t>(key.load) * 31) *
                        0x9E3779B97F4A7C15u;
  for (size_t i = 0; i < kProbes; ++i) {
    Entry& e = entries_[((hash >> 40) + i) % kEntries];
    int state = e.state.load(std::memory_order_acquire);
    if (state == 2 && e.key == key) return &e;
    if (state != 0)
      continue;  // another window, or perhaps this one, not ready yet: packing it twice does no harm
    if (!e.state.compare_exchange_strong(state, 1, std::memory_order_acquire)) continue;
    const int64_t offset = used_.fetch_add((bytes + 63) & -64);
    if (offset + bytes > kBytes) return nullptr;
    e.key = key;
    e.data = memory_ + offset;
    *own = &e;
    return nullptr;
  }
  return nullptr;
}

}  // namespace ascend

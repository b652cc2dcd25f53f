// Operands of the cube unit that several blocks of a launch load: packed once, found again by all threads.
//
// The cores of the device each load and lay out what they need; on the host they share memory, so the second
// load of a window is a look-up. Windows are of arguments that the launch does not write.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace ascend {

class PackCache {
 public:
  struct Key {
    const void* load;  // the instruction: strides and layout
    const std::byte* base;
    int64_t rows, columns, row_stride, column_stride;
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    std::atomic<int> state{0};  // 0 free, 1 being packed, 2 ready
    Key key{};
    std::byte* data = nullptr;
    int least_exponent = 0;
  };

  // The cache, emptied, if no other launch has it; else nullptr.
  static PackCache* acquire();
  void release() { owner_.unlock(); }

  // The entry with the packed bytes, or nullptr. Then *own is an entry to pack into and publish, or nullptr
  // if there is no room.
  const Entry* find(const Key& key, int64_t bytes, Entry** own);
  static void publish(Entry* entry) { entry->state.store(2, std::memory_order_release); }

 private:
  static constexpr size_t kEntries = 2048, kProbes = 8;
  static constexpr int64_t kBytes = int64_t{64} << 20;

  std::mutex owner_;
  std::array<Entry, kEntries> entries_;
  std::byte* memory_ = nullptr;
  std::atomic<int64_t> used_{0};
};

}  // namespace ascend

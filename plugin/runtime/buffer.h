// Arrays on a device: a type, dimensions, storage, and the event that says the contents are there.
#pragma once
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "isa.gen.h"
#include "plugin/runtime/client.h"
#include "plugin/runtime/event.h"
#include "plugin/runtime/storage.h"

namespace ascend {

// Throws Error{kInvalidArgument} unless `code` is an element type that arrays can have.
DType element_type(int code);

class Buffer {
 public:
  Buffer(DType dtype, std::vector<int64_t> dims, MemorySpace* memory, Ref<Storage> storage, Ref<Event> ready);
  // A buffer with storage of its own that nothing was written to yet.
  Buffer(DType dtype, std::vector<int64_t> dims, MemorySpace* memory, Ref<Event> ready);

  // Copies the host's array before it returns: what JAX says of the array's immutability does not hold.
  static Buffer* from_host(const void* data, DType dtype, std::vector<int64_t> dims,
                           std::span<const int64_t> strides, MemorySpace* memory);

  const DType dtype;
  const std::vector<int64_t> dims;
  const std::vector<int64_t> minor_to_major;  // always row-major
  MemorySpace* const memory;
  const uint64_t bytes;
  const Ref<Event> ready;

  // The storage; throws Error{kInvalidArgument} after it was deleted or donated.
  Ref<Storage> storage() const;
  // Takes the storage away for a result that overwrites it, leaving the buffer deleted. Returns who still
  // reads it; nothing if somebody outside holds the address, or if the memory is not ours: then it has to be
  // copied.
  std::optional<Ref<Readers>> donate();
  void drop();  // work in flight keeps its own reference
  bool is_deleted() const;

  // While its address is held, the memory stays, also if the buffer is dropped.
  void hold_address();
  void release_address();

  // Start copies; the event is set once `target` holds `size` bytes from `offset` on, or the array with these
  // strides.
  Ref<Event> copy_raw_to_host(void* target, int64_t offset, int64_t size) const;
  Ref<Event> copy_to_host(void* target, std::vector<int64_t> strides) const;
  Buffer* copy_to(MemorySpace* memory) const;

 private:
  Ref<Storage> present() const;  // under the lock
  template <class Copy>
  void read_when_ready(Ref<Event> done, uint64_t size, Copy copy) const;

  mutable std::mutex mutex_;
  Ref<Storage> storage_;
  const Ref<Readers> readers_ = make_ref<Readers>();
  int addresses_held_ = 0;
  Ref<Storage> seen_;  // what is at the address
};

}  // namespace ascend

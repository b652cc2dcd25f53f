#include "plugin/runtime/buffer.h"

#include <cstring>
#include <numeric>

#include "plugin/device/recording.h"
#include "plugin/runtime/strided_copy.h"

namespace ascend {
namespace {

// Copies up to this size are made by the thread that finds the contents ready; others by the transfer queue.
constexpr uint64_t kCopyAtOnce = 256 << 10;

std::vector<int64_t> row_major(size_t rank) {
  std::vector<int64_t> order(rank);
  for (size_t i = 0; i < rank; ++i) order[i] = static_cast<int64_t>(rank - 1 - i);
  return order;
}

template <class Copy>
struct Transfer : Task {
  Transfer(int device, uint64_t bytes, Ref<Storage> source, Ref<Readers> readers, Ref<Event> done, Copy copy)
      : device(device),
        bytes(bytes),
        source(std::move(source)),
        readers(std::move(readers)),
        done(std::move(done)),
        copy(std::move(copy)) {}
  void run() override {
    try {
      const RecordedTransfer recorded(RecordedTransfer::kFromDevice, device, bytes);
      copy(source->data());
    } catch (...) {
      status = current_failure();
    }
    readers->end();
    source = {};
  }
  void complete() override { done->set(std::move(status)); }

  const int device;
  const uint64_t bytes;
  Ref<Storage> source;
  Ref<Readers> readers;
  Ref<Event> done;
  Copy copy;
  Status status;
};

}  // namespace

DType element_type(int code) {
  if (!dtype_valid(code) || code == static_cast<int>(DType::kInvalid))
    throw Error(Code::kInvalidArgument, "[buffer] element type " + std::to_string(code) + " has no arrays.");
  return static_cast<DType>(code);
}

Buffer::Buffer(DType dtype, std::vector<int64_t> dims_, MemorySpace* memory, Ref<Storage> storage,
               Ref<Event> ready)
    : dtype(dtype),
      dims(std::move(dims_)),
      minor_to_major(row_major(dims.size())),
      memory(memory),
      bytes(element_count(dims) * dtype_bytes(dtype)),
      ready(std::move(ready)),
      storage_(std::move(storage)) {}

Buffer::Buffer(DType dtype, std::vector<int64_t> dims, MemorySpace* memory, Ref<Event> ready)
    : Buffer(dtype, std::move(dims), memory, {}, std::move(ready)) {
  storage_ = make_ref<Storage>(memory->arena, bytes);
}

Buffer* Buffer::from_host(const void* data, DType dtype, std::vector<int64_t> dims,
                          std::span<const int64_t> strides, MemorySpace* memory) {
  auto buffer = std::make_unique<Buffer>(dtype, std::move(dims), memory, Event::ready());
  std::byte* target = buffer->storage_->data();
  const auto* source = static_cast<const std::byte*>(data);
  int width = dtype_bytes(dtype);
  const RecordedTransfer recorded(RecordedTransfer::kToDevice, memory->device->description->id,
                                  buffer->bytes);
  if (strides.empty() || is_dense(buffer->dims, strides, width)) {
    if (buffer->bytes) std::memcpy(target, source, buffer->bytes);
  } else {
    copy_strided(source, strides, target, dense_strides(buffer->dims, width), buffer->dims, width);
  }
  return buffer.release();
}

Ref<Storage> Buffer::present() const {
  if (!storage_)
    throw Error(Code::kInvalidArgument,
                "[buffer] Array has been deleted: it was deleted or donated before this use. "
                "Keep a copy, or do not donate it.");
  return storage_;
}

Ref<Storage> Buffer::storage() const {
  std::lock_guard lock(mutex_);
  return present();
}

std::optional<Ref<Readers>> Buffer::donate() {
  std::lock_guard lock(mutex_);
  if (!storage_ || addresses_held_ || !storage_->owned()) return std::nullopt;
  storage_ = {};
  return readers_;
}

void Buffer::drop() {
  Ref<Storage> dropped;  // freed outside the lock
  std::lock_guard lock(mutex_);
  dropped = std::move(storage_);
}

bool Buffer::is_deleted() const {
  std::lock_guard lock(mutex_);
  return !storage_;
}

void Buffer::hold_address() {
  std::lock_guard lock(mutex_);
  if (!addresses_held_++) seen_ = storage_;
}

void Buffer::release_address() {
  Ref<Storage> dropped;  // freed outside the lock
  std::lock_guard lock(mutex_);
  if (!--addresses_held_) dropped = std::move(seen_);
}

template <class Copy>
void Buffer::read_when_ready(Ref<Event> done, uint64_t size, Copy copy) const {
  Ref<Storage> source;
  {
    std::lock_guard lock(mutex_);
    source = present();
    readers_->begin();
  }
  Queue* queue = &memory->device->transfers;
  const int device = memory->device->description->id;
  ready->on_ready([=, readers = readers_, copy = std::move(copy)](const Status& status) {
    if (status) {
      readers->end();
      done->set(status);
      return;
    }
    auto* transfer = new Transfer<Copy>(device, size, source, readers, done, copy);
    if (size > kCopyAtOnce) return queue->submit(transfer);
    transfer->run();
    transfer->complete();
    delete transfer;
  });
}

Ref<Event> Buffer::copy_raw_to_host(void* target, int64_t offset, int64_t size) const {
  if (offset < 0 || size < 0 || static_cast<uint64_t>(offset) + static_cast<uint64_t>(size) > bytes)
    throw Error(Code::kInvalidArgument,
                "[buffer] raw copy out of range; expected offset + size <= " + std::to_string(bytes) +
                    "; got " + std::to_string(offset) + " + " + std::to_string(size) + ".");
  auto done = Event::pending();
  read_when_ready(done, size, [=](const std::byte* source) {
    if (size) std::memcpy(target, source + offset, size);
  });
  return done;
}

Ref<Event> Buffer::copy_to_host(void* target, std::vector<int64_t> strides) const {
  int width = dtype_bytes(dtype);
  if (is_dense(dims, strides, width)) return copy_raw_to_host(target, 0, static_cast<int64_t>(bytes));
  auto done = Event::pending();
  read_when_ready(done, bytes, [=, dims = dims, strides = std::move(strides)](const std::byte* source) {
    copy_strided(source, dense_strides(dims, width), static_cast<std::byte*>(target), strides, dims, width);
  });
  return done;
}

Buffer* Buffer::copy_to(MemorySpace* target) const {
  target->device->check_addressable();
  auto done = Event::pending();
  auto copy = std::make_unique<Buffer>(dtype, dims, target, done);
  read_when_ready(done, bytes, [storage = copy->storage_, size = bytes](const std::byte* source) {
    if (size) std::memcpy(storage->data(), source, size);
  });
  return copy.release();
}

}  // namespace ascend

// Intrusive reference counting: one word inside the object, so that a C handle can own a reference.
#pragma once
#include <atomic>
#include <utility>

namespace ascend {

class RefCounted {
 public:
  void add_ref() const { count_.fetch_add(1, std::memory_order_relaxed); }
  bool drop_ref() const { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

 private:
  mutable std::atomic<int> count_{1};
};

template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(const Ref& other) : pointer_(other.pointer_) {
    if (pointer_) pointer_->add_ref();
  }
  Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Ref() {
    if (pointer_ && pointer_->drop_ref()) delete pointer_;
  }

  static Ref adopt(T* pointer) {  // takes over the caller's reference
    Ref ref;
    ref.pointer_ = pointer;
    return ref;
  }
  static Ref share(T* pointer) {  // adds a reference
    pointer->add_ref();
    return adopt(pointer);
  }
  T* release() { return std::exchange(pointer_, nullptr); }

  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }

 private:
  T* pointer_ = nullptr;
};

template <class T, class... A>
Ref<T> make_ref(A&&... args) {
  return Ref<T>::adopt(new T(std::forward<A>(args)...));
}

}  // namespace ascend

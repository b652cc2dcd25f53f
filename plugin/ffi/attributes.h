// A dictionary of attributes as handlers see it: arrays of pointers.
#pragma once
#include <deque>
#include <vector>

#include "isa.gen.h"
#include "plugin/ffi/c_api.h"
#include "plugin/ffi/dtype.h"

namespace ascend::ffi {

class AttributeTree {
 public:
  explicit AttributeTree(const Attributes& attributes) {  // which must outlive the tree
    for (const Attribute& a : attributes) {
      names_.push_back({a.name.data(), a.name.size()});
      add(a);
    }
    for (const Bytes& name : names_) name_pointers_.push_back(&name);
    dictionary_.struct_size = sizeof(Dictionary);
    dictionary_.size = static_cast<int64_t>(names_.size());
    dictionary_.types = types_.data();
    dictionary_.names = name_pointers_.data();
    dictionary_.items = items_.data();
  }
  AttributeTree(const AttributeTree&) = delete;

  const Dictionary& dictionary() const { return dictionary_; }

 private:
  void add(const Attribute& a) {
    const int dtype = foreign_type(a.dtype);
    switch (a.kind) {
      case AttributeKind::kScalar:
        return add(AttributeType::kScalar, scalars_.emplace_back(Scalar{dtype, a.bytes.data()}));
      case AttributeKind::kArray: {
        const size_t size = a.bytes.size() / static_cast<size_t>(dtype_bytes(a.dtype));
        return add(AttributeType::kArray, arrays_.emplace_back(Array{dtype, size, a.bytes.data()}));
      }
      case AttributeKind::kText:
        return add(AttributeType::kString, texts_.emplace_back(Bytes{a.bytes.data(), a.bytes.size()}));
      case AttributeKind::kDictionary:
        return add(AttributeType::kDictionary, inner_.emplace_back(a.inner).dictionary());
    }
  }
  void add(AttributeType type, const auto& item) {
    types_.push_back(type);
    items_.push_back(&item);
  }

  std::vector<AttributeType> types_;
  std::deque<Bytes> names_, texts_;
  std::vector<const Bytes*> name_pointers_;
  std::vector<const void*> items_;
  std::deque<Scalar> scalars_;
  std::deque<Array> arrays_;
  std::deque<AttributeTree> inner_;
  Dictionary dictionary_{};
};

}  // namespace ascend::ffi

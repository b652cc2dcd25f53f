#include "plugin/runtime/named_values.h"

namespace ascend {

pjrt::NamedValue& NamedValueList::append(std::string_view name, pjrt::NamedValueType type, size_t size) {
  pjrt::NamedValue value{};
  value.struct_size = sizeof(value);
  value.name = texts_.emplace_back(name);
  value.type = type;
  value.value_size = size;
  return values_.emplace_back(value);
}

void NamedValueList::add(std::string_view name, std::string_view value) {
  const std::string& kept = texts_.emplace_back(value);
  append(name, pjrt::kString, kept.size()).string_value = kept.data();
}

void NamedValueList::add(std::string_view name, int64_t value) {
  append(name, pjrt::kInt64, 1).int64_value = value;
}

void NamedValueList::add(std::string_view name, float value) {
  append(name, pjrt::kFloat, 1).float_value = value;
}

void NamedValueList::add(std::string_view name, std::vector<int64_t> value) {
  const auto& kept = lists_.emplace_back(std::move(value));
  append(name, pjrt::kInt64List, kept.size()).int64_list = kept.data();
}

}  // namespace ascend

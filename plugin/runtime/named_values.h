// Lists of named values in the layout that callers of the C API read: attributes out, options in.
#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/pjrt/c_api.h"

namespace ascend {

class NamedValueList {
 public:
  NamedValueList() = default;
  NamedValueList(const NamedValueList&) = delete;

  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, int64_t value);
  void add(std::string_view name, float value);
  void add(std::string_view name, std::vector<int64_t> value);
  pjrt::NamedValues view() const { return {values_.data(), values_.size()}; }

 private:
  pjrt::NamedValue& append(std::string_view name, pjrt::NamedValueType type, size_t size);

  std::deque<std::string> texts_;  // addresses must last
  std::deque<std::vector<int64_t>> lists_;
  std::vector<pjrt::NamedValue> values_;
};

}  // namespace ascend

// Text of error messages from parts.
#pragma once
#include <sstream>
#include <string>

namespace ascend {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace ascend

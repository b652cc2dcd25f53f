#include "plugin/isa/target.h"

#include <algorithm>
#include <charconv>

#include "plugin/error.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

constexpr size_t kFields = std::size(kTargetFields);
constexpr size_t kMaxName = 64;

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kMaxName));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return shown;
}

[[noreturn]] void refuse(std::string_view field, const std::string& expected, std::string_view got) {
  throw Error(Code::kInvalidArgument, concat("[target] ", printable(field), " is unusable; expected ",
                                             expected, ", got ", printable(got), "."));
}

void assign(std::string& member, const TargetField& field, std::string_view value) {
  const bool quoted = value.size() > 2 && value.front() == '"' && value.back() == '"';
  member = quoted ? value.substr(1, value.size() - 2) : std::string_view();
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  };
  if (member.empty() || member.size() > kMaxName || !std::all_of(member.begin(), member.end(), plain))
    refuse(field.name, "letters, digits, and . _ - in quotes", value);
}

template <class Number>
void assign(Number& member, const TargetField& field, std::string_view value) {
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), member);
  const double number = static_cast<double>(member);
  if (error != std::errc() || end != value.data() + value.size() ||
      !(number >= field.least && number <= field.most)) {  // nor NaN
    refuse(field.name,
           concat(std::is_integral_v<Number> ? "an integer" : "a number", " from ", field.least, " to ",
                  field.most),
           value);
  }
}

}  // namespace

Target parse_target(std::string_view text) {
  Target target{};
  bool given[kFields] = {};
  while (!text.empty()) {
    const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t equals = std::min(line.find(" = "), line.size());
    const std::string_view name = line.substr(0, equals);
    const auto* field = std::find_if(std::begin(kTargetFields), std::end(kTargetFields),
                                     [&](const TargetField& f) { return f.name == name; });
    if (field == std::end(kTargetFields) || equals == line.size())
      refuse(name, "a line `field = value` of a target", line);
    bool& seen = given[field - kTargetFields];
    if (seen) refuse(name, "to be given once", "it twice");
    seen = true;
    std::visit([&](auto member) { assign(target.*member, *field, line.substr(equals + 3)); }, field->member);
  }
  for (size_t i = 0; i < kFields; ++i)
    if (!given[i]) refuse(kTargetFields[i].name, "it to be there", "none");
  const int64_t vector_cores = architecture_of(target).vector_cores * target.cube_cores;
  if (target.vector_cores != vector_cores)
    refuse("vector_cores", std::to_string(vector_cores), std::to_string(target.vector_cores));
  return target;
}

const Architecture& architecture_of(const Target& target) {
  for (const Architecture& a : kArchitectures)
    if (a.name == target.architecture) return a;
  std::string known;
  for (const Architecture& a : kArchitectures) known += (known.empty() ? "" : ", ") + std::string(a.name);
  refuse("architecture", "one of " + known, target.architecture);
}

}  // namespace ascend

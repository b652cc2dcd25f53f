#include "plugin/runtime/topology.h"

#include <algorithm>
#include <charconv>

#include "plugin/error.h"
#include "plugin/isa/target.h"
#include "plugin/runtime/compiler.h"
#include "plugin/runtime/version.h"

namespace ascend {
namespace {

std::string device_kind(std::string_view target) {  // "ascend910b" -> "Ascend 910B"
  if (!target.starts_with(kPlatformName)) return std::string(target);
  std::string kind = "Ascend ";
  for (char c : target.substr(kPlatformName.size())) kind += c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
  return kind;
}

std::string text_of(std::string_view target) {
  return target.find(" = ") == std::string_view::npos ? target_in_python(target) : std::string(target);
}

constexpr std::string_view kDevices = "devices = ";
constexpr int kMostDevices = 4096;

}  // namespace

Topology::Topology(std::string_view given, int count) : Topology(given, std::vector{count}) {}

Topology::Topology(std::string_view given, const std::vector<int>& counts)
    : target_text(text_of(given)),
      target(parse_target(target_text)),
      // It differs from the client's version: JAX takes an equal one for the client's own topology and waits
      // for it.
      platform_version(platform_version_of(target, target_text) + " topology") {
  std::vector<std::pair<int, int>> places;  // (process, number there)
  for (size_t process = 0; process < counts.size(); ++process)
    for (int local = 0; local < counts[process]; ++local) places.emplace_back(process, local);
  for (const auto& [process, local] : places) {
    auto& device = devices.emplace_back(std::make_unique<DeviceDescription>());
    device->id = static_cast<int>(devices.size()) - 1;
    device->process = process, device->local_id = local;
    device->kind = device_kind(target.name);
    device->text = std::string(kPlatformName) + ":" + std::to_string(device->id);
    device->attributes.add("target", target.name);
    device->attributes.add("core_count", target.cube_cores);
    // Integers alone: jaxlib aborts on attributes that are reals.
    for (const TargetField& field : kTargetFields) {
      if (const auto* whole = std::get_if<int64_t Target::*>(&field.member))
        device->attributes.add(field.name, target.**whole);
    }
    device_pointers.push_back(device.get());
  }
  attributes.add("target", target.name);
  serialized = std::string(kDevices) + std::to_string(devices.size()) + "\n" + target_text;
}

std::unique_ptr<Topology> Topology::parse(std::string_view text) {
  std::string_view number, target;
  if (text.starts_with(kDevices)) {
    const size_t end = std::min(text.find('\n'), text.size());
    number = text.substr(kDevices.size(), end - kDevices.size());
    target = text.substr(std::min(end + 1, text.size()));
  } else {
    const size_t space = std::min(text.rfind(' '), text.size());
    target = text.substr(0, space);
    number = text.substr(std::min(space + 1, text.size()));
  }
  int count = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), count);
  if (error != std::errc() || end != number.data() + number.size() || count < 1 || count > kMostDevices ||
      target.empty())
    throw Error(Code::kInvalidArgument, "[topology] expected '<target> <devices>', 1 to " +
                                            std::to_string(kMostDevices) + " of them; got '" +
                                            std::string(text.substr(0, 100)) + "'.");
  return std::make_unique<Topology>(target, count);
}

}  // namespace ascend

#include "plugin/runtime/topology.h"

#include <charconv>

#include "plugin/error.h"
#include "plugin/runtime/version.h"

namespace ascend {
namespace {

std::string device_kind(std::string_view target) {  // "ascend910b" -> "Ascend 910B"
  if (!target.starts_with(kPlatformName)) return std::string(target);
  std::string kind = "Ascend ";
  for (char c : target.substr(kPlatformName.size())) kind += c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
  return kind;
}

}  // namespace

const Target& find_target(std::string_view name) {
  std::string known;
  for (const Target& target : kTargets) {
    if (target.name == name) return target;
    known += (known.empty() ? "" : ", ") + target.name;
  }
  throw Error(Code::kInvalidArgument, "[target] no such device; expected one of " + known + "; got '" +
                                          std::string(name) + "'. Set JAX_ASCEND_TARGET.");
}

Topology::Topology(const Target& target, int count)
    // It differs from the client's version: JAX takes an equal one for the client's own topology and waits
    // for it.
    : target(target), platform_version(std::string(platform_version_of(target)) + " topology") {
  for (int id = 0; id < count; ++id) {
    auto& device = devices.emplace_back(std::make_unique<DeviceDescription>());
    device->id = id;
    device->kind = device_kind(target.name);
    device->text = std::string(kPlatformName) + ":" + std::to_string(id);
    device->attributes.add("target", target.name);
    device->attributes.add("cube_cores", target.cube_cores);
    device->attributes.add("vector_cores", target.vector_cores);
    device->attributes.add("core_count", target.cube_cores);
    device_pointers.push_back(device.get());
  }
  attributes.add("target", target.name);
  serialized = target.name + " " + std::to_string(count);
}

std::unique_ptr<Topology> Topology::parse(std::string_view text) {
  size_t space = text.find(' ');
  int count = 0;
  if (space == std::string_view::npos ||
      std::from_chars(text.data() + space + 1, text.data() + text.size(), count).ec != std::errc() ||
      count < 1)
    throw Error(Code::kInvalidArgument,
                "[topology] expected '<target> <devices>'; got '" + std::string(text) + "'.");
  return std::make_unique<Topology>(find_target(text.substr(0, space)), count);
}

}  // namespace ascend

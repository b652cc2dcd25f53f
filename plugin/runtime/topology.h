// What is known of devices without having them: enough to compile for them ahead of time.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "isa.gen.h"  // ascend::Target
#include "plugin/runtime/named_values.h"

namespace ascend {

inline constexpr std::string_view kPlatformName = "ascend";

// The memory kinds of every device; the index is the kind's id.
inline constexpr std::array<std::string_view, 2> kMemoryKinds = {"device", "pinned_host"};

// Throws Error{kInvalidArgument} that lists the targets there are.
const Target& find_target(std::string_view name);

struct DeviceDescription {
  int id;
  std::string kind;  // "Ascend 910B"
  std::string text;  // "ascend:0"
  NamedValueList attributes;
};

struct Topology {
  Topology(const Target& target, int devices);

  const Target& target;
  std::string platform_version;
  std::vector<std::unique_ptr<DeviceDescription>> devices;
  std::vector<DeviceDescription*> device_pointers;
  NamedValueList attributes;
  std::string serialized;  // "<target> <devices>"

  static std::unique_ptr<Topology> parse(std::string_view serialized);
};

}  // namespace ascend

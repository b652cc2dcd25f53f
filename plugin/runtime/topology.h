// What is known of devices without having them: enough to compile for them ahead of time.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "isa.gen.h"  // ascend::Target
#include "plugin/runtime/named_values.h"

namespace ascend {

inline constexpr std::string_view kPlatformName = "ascend";

struct DeviceDescription {
  int id;
  int process = 0, local_id = 0;  // whose it is, and its number there
  std::string kind;               // "Ascend 910B"
  std::string text;               // "ascend:0"
  NamedValueList attributes;
};

struct Topology {
  // `target` as parse_target reads it; or a name or TOML file that Python knows, "" being the configured one.
  // Throws Error{kInvalidArgument}.
  Topology(std::string_view target, int devices);
  // Of several processes: how many devices each has.
  Topology(std::string_view target, const std::vector<int>& devices);

  const std::string target_text;  // as parse_target reads it
  const Target target;
  std::string platform_version;
  std::vector<std::unique_ptr<DeviceDescription>> devices;
  std::vector<DeviceDescription*> device_pointers;
  NamedValueList attributes;
  std::string serialized;  // "devices = <devices>" and the lines of target_text

  // Also "<name of a target> <devices>".
  static std::unique_ptr<Topology> parse(std::string_view serialized);
};

}  // namespace ascend

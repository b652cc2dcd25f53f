// The few fields this plugin needs of a serialised CompileOptionsProto, and the device assignment as a proto.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ascend {

struct DeviceAssignment {
  int replicas = 1, partitions = 1;
  std::vector<int> devices;  // [replica][partition]; empty if the caller left the choice open

  std::string serialize() const;  // a DeviceAssignmentProto
};

// Throws Error{kInvalidArgument} if the bytes are no proto.
DeviceAssignment parse_compile_options(std::string_view serialized);

}  // namespace ascend

// The few fields this plugin needs of a serialised CompileOptionsProto, and the device assignment as a proto.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ascend {

struct DeviceAssignment {
  int replicas = 1, partitions = 1;
  std::vector<int> devices;  // [replica][partition], each once; empty if the caller left the choice open

  std::string serialize() const;  // a DeviceAssignmentProto
  // Throws Error{kInvalidArgument} if it takes more than the devices 0 to `count` - 1.
  void check_devices(size_t count) const;
};

// Throws Error{kInvalidArgument} if the bytes are no proto, a count is not positive, or an assignment does
// not match the counts or has a device twice.
DeviceAssignment parse_compile_options(std::string_view serialized);

}  // namespace ascend

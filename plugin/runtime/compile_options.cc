#include "plugin/runtime/compile_options.h"

#include <cstdint>
#include <functional>

#include "plugin/error.h"

namespace ascend {
namespace {

// Field numbers of xla/pjrt/proto/compile_options.proto and xla/xla_data.proto.
constexpr int kBuildOptions = 3;
constexpr int kNumReplicas = 4, kNumPartitions = 5, kDeviceAssignment = 9;
constexpr int kReplicaCount = 1, kComputationCount = 2, kComputationDevices = 3, kReplicaDeviceIds = 1;

struct Field {
  int number;
  uint64_t value;          // of varints
  std::string_view bytes;  // of length-delimited fields
  bool is_varint;
};

[[noreturn]] void malformed() {
  throw Error(Code::kInvalidArgument,
              "[compile options] malformed; expected a serialised CompileOptionsProto.");
}

uint64_t varint(std::string_view& in) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (in.empty()) malformed();
    auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  malformed();
}

std::string_view take(std::string_view& in, uint64_t size) {
  if (size > in.size()) malformed();
  std::string_view bytes = in.substr(0, size);
  in.remove_prefix(size);
  return bytes;
}

void for_each_field(std::string_view in, const std::function<void(const Field&)>& visit) {
  while (!in.empty()) {
    uint64_t tag = varint(in);
    Field field{static_cast<int>(tag >> 3), 0, {}, (tag & 7) == 0};
    switch (tag & 7) {
      case 0:
        field.value = varint(in);
        break;
      case 1:
        field.bytes = take(in, 8);
        break;
      case 2:
        field.bytes = take(in, varint(in));
        break;
      case 5:
        field.bytes = take(in, 4);
        break;
      default:
        malformed();
    }
    visit(field);
  }
}

void parse_assignment(std::string_view proto, DeviceAssignment& assignment) {
  std::vector<std::vector<int>> computations;
  for_each_field(proto, [&](const Field& f) {
    if (f.number == kReplicaCount) assignment.replicas = static_cast<int>(f.value);
    if (f.number == kComputationCount) assignment.partitions = static_cast<int>(f.value);
    if (f.number != kComputationDevices) return;
    auto& ids = computations.emplace_back();
    for_each_field(f.bytes, [&](const Field& g) {
      if (g.number != kReplicaDeviceIds) return;
      if (g.is_varint) return ids.push_back(static_cast<int>(g.value));
      for (std::string_view packed = g.bytes; !packed.empty();)
        ids.push_back(static_cast<int>(varint(packed)));
    });
  });
  for (int replica = 0; replica < assignment.replicas; ++replica) {
    for (auto& ids : computations) {
      if (replica >= static_cast<int>(ids.size())) malformed();
      assignment.devices.push_back(ids[replica]);
    }
  }
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_field(std::string& out, int number, uint64_t value) {
  put_varint(out, number << 3);
  put_varint(out, value);
}

void put_field(std::string& out, int number, const std::string& bytes) {
  put_varint(out, number << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

}  // namespace

std::string DeviceAssignment::serialize() const {
  std::string out;
  put_field(out, kReplicaCount, replicas);
  put_field(out, kComputationCount, partitions);
  for (int partition = 0; partition < partitions; ++partition) {
    std::string ids;
    for (int replica = 0; replica < replicas; ++replica)
      put_varint(ids, devices[replica * partitions + partition]);
    std::string computation;
    put_field(computation, kReplicaDeviceIds, ids);
    put_field(out, kComputationDevices, computation);
  }
  return out;
}

DeviceAssignment parse_compile_options(std::string_view serialized) {
  DeviceAssignment assignment;
  for_each_field(serialized, [&](const Field& f) {
    if (f.number != kBuildOptions) return;
    for_each_field(f.bytes, [&](const Field& g) {
      if (g.number == kNumReplicas) assignment.replicas = static_cast<int>(g.value);
      if (g.number == kNumPartitions) assignment.partitions = static_cast<int>(g.value);
      if (g.number == kDeviceAssignment) parse_assignment(g.bytes, assignment);
    });
  });
  return assignment;
}

}  // namespace ascend

#include "plugin/runtime/compile_options.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <functional>
#include <optional>

#include "plugin/error.h"

namespace ascend {
namespace {

// Field numbers of xla/pjrt/proto/compile_options.proto and xla/xla_data.proto.
constexpr int kBuildOptions = 3;
constexpr int kNumReplicas = 4, kNumPartitions = 5, kDeviceAssignment = 9;
constexpr int kReplicaCount = 1, kComputationCount = 2, kComputationDevices = 3, kReplicaDeviceIds = 1;

[[noreturn]] void malformed() {
  throw Error(Code::kInvalidArgument,
              "[compile options] malformed; expected a serialised CompileOptionsProto.");
}

[[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& got) {
  throw Error(Code::kInvalidArgument,
              "[compile options] " + what + "; expected " + expected + "; got " + got + ".");
}

enum Wire : uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

struct Field {
  uint64_t number, wire;
  uint64_t value = 0;           // kVarint
  std::string_view bytes = {};  // kLengthDelimited

  int64_t integer() const {
    if (wire != kVarint) malformed();
    return static_cast<int64_t>(value);
  }
  std::string_view message() const {
    if (wire != kLengthDelimited) malformed();
    return bytes;
  }
};

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
    const uint64_t tag = varint(in);
    Field field{tag >> 3, tag & 7};
    if (field.number == 0) malformed();
    switch (field.wire) {
      case kVarint:
        field.value = varint(in);
        break;
      case kFixed64:
        take(in, 8);
        break;
      case kLengthDelimited:
        field.bytes = take(in, varint(in));
        break;
      case kFixed32:
        take(in, 4);
        break;
      default:
        malformed();
    }
    visit(field);
  }
}

int positive(int64_t value, const char* what) {
  if (value < 1 || value > INT_MAX)
    refuse(std::string("unusable number of ") + what, "1 to " + std::to_string(INT_MAX),
           std::to_string(value));
  return static_cast<int>(value);
}

int device_id(int64_t value) {
  if (value < 0 || value > INT_MAX)
    refuse("unusable device id", "0 to " + std::to_string(INT_MAX), std::to_string(value));
  return static_cast<int>(value);
}

// The devices of a DeviceAssignmentProto, which must be as many as the counts say.
std::vector<int> parse_assignment(std::string_view proto, int replicas, int partitions) {
  int64_t replica_count = 0, computation_count = 0;
  std::vector<std::vector<int>> computations;
  for_each_field(proto, [&](const Field& f) {
    if (f.number == kReplicaCount) replica_count = f.integer();
    if (f.number == kComputationCount) computation_count = f.integer();
    if (f.number != kComputationDevices) return;
    auto& ids = computations.emplace_back();
    for_each_field(f.message(), [&](const Field& g) {
      if (g.number != kReplicaDeviceIds) return;
      if (g.wire == kVarint) return ids.push_back(device_id(g.integer()));
      for (std::string_view packed = g.message(); !packed.empty();)
        ids.push_back(device_id(static_cast<int64_t>(varint(packed))));
    });
  });
  const auto counts = [](int64_t r, int64_t p) {
    return std::to_string(r) + " replicas of " + std::to_string(p) + " partitions";
  };
  if (replica_count != replicas || computation_count != partitions)
    refuse("the device assignment does not match the counts", counts(replicas, partitions),
           counts(replica_count, computation_count));
  const auto complete = [&](const std::vector<int>& ids) { return ids.size() == size_t(replicas); };
  if (computations.size() != size_t(partitions) || !std::ranges::all_of(computations, complete))
    refuse("the device assignment has gaps", "a device for each of " + counts(replicas, partitions),
           std::to_string(computations.size()) + " lists of other lengths");
  std::vector<int> devices;
  for (int replica = 0; replica < replicas; ++replica)
    for (auto& ids : computations) devices.push_back(ids[replica]);
  std::vector<int> sorted = devices;
  std::ranges::sort(sorted);
  if (auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    refuse("a device is assigned twice", "each device once", "device " + std::to_string(*twice) + " again");
  return devices;
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

void DeviceAssignment::check_devices(size_t count) const {
  const int64_t taken = int64_t{replicas} * partitions;
  const auto there_are = [&] { return "at most the " + std::to_string(count) + " that there are"; };
  if (taken > static_cast<int64_t>(count))
    refuse("too many devices", there_are(),
           std::to_string(replicas) + " replicas of " + std::to_string(partitions) +
               " partitions. Set JAX_ASCEND_DEVICES for more");
  for (int id : devices)
    if (id >= static_cast<int64_t>(count))
      refuse("no such device", "an id below " + std::to_string(count),
             std::to_string(id) + ". Set JAX_ASCEND_DEVICES for more");
}

DeviceAssignment parse_compile_options(std::string_view serialized) {
  DeviceAssignment assignment;
  for_each_field(serialized, [&](const Field& f) {
    if (f.number != kBuildOptions) return;
    int64_t replicas = 0, partitions = 0;  // a count of 0 is not written
    std::optional<std::string_view> devices;
    for_each_field(f.message(), [&](const Field& g) {
      if (g.number == kNumReplicas) replicas = g.integer();
      if (g.number == kNumPartitions) partitions = g.integer();
      if (g.number == kDeviceAssignment) devices = g.message();
    });
    assignment.replicas = positive(replicas, "replicas");
    assignment.partitions = positive(partitions, "partitions");
    if (devices) assignment.devices = parse_assignment(*devices, assignment.replicas, assignment.partitions);
  });
  return assignment;
}

}  // namespace ascend

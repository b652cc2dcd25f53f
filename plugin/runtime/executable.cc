#include "plugin/runtime/executable.h"

#include <charconv>

namespace ascend {
namespace {

std::string fingerprint_of(std::string_view bytes) {  // two FNV-1a hashes with different offsets
  uint64_t a = 0xcbf29ce484222325u, b = 0x84222325cbf29ce4u;
  for (unsigned char c : bytes) {
    a = (a ^ c) * 0x100000001b3u;
    b = (b ^ c ^ (a >> 56)) * 0x100000001b3u;
  }
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(a),
                static_cast<unsigned long long>(b));
  return text;
}

// "device,pinned_host,..." -> indices; the default is device memory for all.
std::vector<int> memory_kinds(std::string_view list, size_t count) {
  std::vector<int> kinds(count, 0);
  for (size_t i = 0; i < count && !list.empty(); ++i) {
    size_t comma = std::min(list.find(','), list.size());
    for (size_t kind = 0; kind < kMemoryKinds.size(); ++kind)
      if (list.substr(0, comma) == kMemoryKinds[kind]) kinds[i] = static_cast<int>(kind);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return kinds;
}

std::vector<int> integers(std::string_view list) {  // "0,3" -> {0, 3}
  std::vector<int> values;
  const char* end = list.data() + list.size();
  for (const char* at = list.data(); at < end;) {
    int value;
    auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) break;
    values.push_back(value);
    at = next + 1;
  }
  return values;
}

// Names under which JAX's cost_analysis reports, and the metadata they come from.
constexpr std::pair<std::string_view, std::string_view> kCosts[] = {
    {"flops", "cost.flops"},
    {"bytes accessed", "cost.bytes_accessed"},
    {"transcendentals", "cost.transcendentals"},
};

}  // namespace

Executable::Executable(std::string_view bytes, std::string_view options)
    : program(Program::load(std::as_bytes(std::span(bytes)))),
      compile_options(options),
      assignment(parse_compile_options(options)),
      name(program->metadata("name")),
      fingerprint(fingerprint_of(bytes)) {
  for (auto [key, source] : kCosts) {
    std::string_view text = program->metadata(source);
    double value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc())
      cost.add(key, static_cast<float>(value));
  }
  for (const TensorSpec& spec : program->results()) {
    output_types.push_back(static_cast<int>(spec.dtype));
    output_dims.insert(output_dims.end(), spec.dims.begin(), spec.dims.end());
    output_ranks.push_back(spec.dims.size());
    output_bytes += spec.bytes;
  }
  for (const TensorSpec& spec : program->parameters()) parameter_bytes += spec.bytes;
  for (int parameter : program->result_alias())
    if (parameter >= 0) alias_bytes += program->parameters()[parameter].bytes;
  donated = integers(program->metadata("donated_parameters"));
  parameter_memory = memory_kinds(program->metadata("parameter_memory_kinds"), program->parameters().size());
  output_memory = memory_kinds(program->metadata("result_memory_kinds"), program->results().size());
}

namespace {

DeviceAssignment complete(DeviceAssignment assignment, size_t devices) {
  assignment.check_devices(devices);
  if (assignment.devices.empty())
    for (int i = 0; i < assignment.replicas * assignment.partitions; ++i) assignment.devices.push_back(i);
  return assignment;
}

}  // namespace

LoadedExecutable::LoadedExecutable(Client* client, std::shared_ptr<const Executable> executable,
                                   DeviceAssignment given)
    : client(client),
      executable(std::move(executable)),
      assignment(complete(std::move(given), client->devices.size())) {
  for (int id : assignment.devices) {
    int index = static_cast<int>(devices.size());
    logical_ids.push_back({index / assignment.partitions, index % assignment.partitions});
    devices.push_back(client->device(id));
  }
}

}  // namespace ascend

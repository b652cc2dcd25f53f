#include "plugin/runtime/executable.h"

#include <algorithm>
#include <cstdio>

#include "plugin/ffi/calls.h"
#include "plugin/isa/message.h"

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

std::shared_ptr<const HostFunctions> functions_of(const Program& program, Executable::FindFunctions find) {
  if (program.host_calls().empty()) return nullptr;
  if (!find)
    throw Error(Code::kInvalidArgument,
                "[load " + program.header().name +
                    "] the program calls functions of the process that compiled it (jax.debug.print, "
                    "pure_callback and the like), which its bytes cannot carry. Compile it in this process.");
  return find(program.host_calls());
}

// Who takes part in exchanges, and how many there are, is part of the program.
DeviceAssignment assignment_of(std::string_view options, const ProgramHeader& header) {
  DeviceAssignment assignment = parse_compile_options(options);
  if (options.empty())
    assignment.replicas = static_cast<int>(header.replicas),
    assignment.partitions = static_cast<int>(header.partitions);
  const bool one = header.replicas * header.partitions == 1;  // may be run on any number of devices
  if (!one && (assignment.replicas != header.replicas || assignment.partitions != header.partitions))
    throw Error(Code::kInvalidArgument,
                concat("[load ", header.name, "] the program is for ", header.replicas, " replicas of ",
                       header.partitions, " partitions; the compile options ask for ", assignment.replicas,
                       " of ", assignment.partitions, ". Have both say the same."));
  return assignment;
}

}  // namespace

Executable::Executable(std::string_view bytes, std::string_view options, FindFunctions find_functions)
    : program(Program::load(std::as_bytes(std::span(bytes)))),
      host(functions_of(*program, find_functions)),
      foreign(ffi::bind_calls(program)),
      compile_options(options),
      assignment(assignment_of(options, header())),
      fingerprint(fingerprint_of(bytes)) {
  cost.add("flops", static_cast<float>(header().flops));  // names as JAX's cost_analysis has them
  cost.add("bytes accessed", static_cast<float>(header().bytes_accessed));
  cost.add("transcendentals", static_cast<float>(header().transcendentals));
  for (const TensorSpec& spec : program->results()) {
    output_types.push_back(static_cast<int>(spec.dtype));
    output_dims.insert(output_dims.end(), spec.dims.begin(), spec.dims.end());
    output_ranks.push_back(spec.dims.size());
    output_bytes += spec.bytes;
  }
  for (const TensorSpec& spec : program->parameters()) parameter_bytes += spec.bytes;
  for (int parameter : program->result_alias())
    if (parameter >= 0) alias_bytes += program->parameters()[parameter].bytes;
}

namespace {

DeviceAssignment complete(DeviceAssignment assignment, size_t devices) {
  assignment.check_devices(devices);
  if (assignment.devices.empty())
    for (int i = 0; i < assignment.replicas * assignment.partitions; ++i) assignment.devices.push_back(i);
  return assignment;
}

std::vector<int> owners_of(const DeviceAssignment& assignment, const Client& client) {
  std::vector<int> owners;
  for (int id : assignment.devices) owners.push_back(client.device(id)->description->process);
  return owners;
}

}  // namespace

LoadedExecutable::LoadedExecutable(Client* client, std::shared_ptr<const Executable> executable_,
                                   DeviceAssignment given)
    : client(client),
      executable(std::move(executable_)),
      assignment(complete(std::move(given), client->devices.size())),
      owners(owners_of(assignment, *client)),
      spans(executable->program->is_collective() &&
            std::ranges::any_of(owners, [&](int owner) { return owner != client->process(); })) {
  for (int index = 0; index < static_cast<int>(assignment.devices.size()); ++index) {
    Device* device = client->device(assignment.devices[index]);
    if (!device->addressable()) continue;
    logical_ids.push_back({index / assignment.partitions, index % assignment.partitions});
    devices.push_back(device);
  }
  if (devices.empty())
    throw Error(Code::kInvalidArgument,
                concat("[load ", executable->header().name,
                       "] none of the program's devices belongs to this process, ", client->process(),
                       ". Have the processes run it that own its devices."));
}

}  // namespace ascend

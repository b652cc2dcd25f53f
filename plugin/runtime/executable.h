// Executables: a program with the facts JAX asks of it, and one loaded onto devices that launches it.
#pragma once
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plugin/device/host_functions.h"
#include "plugin/device/program.h"
#include "plugin/runtime/buffer.h"
#include "plugin/runtime/compile_options.h"

namespace ascend {

class Executable {
 public:
  // `bytes` is a Program; throws what Program::load throws. `find_functions` gives the functions of the host
  // that it calls; without it such a program is refused, and so is one that calls handlers which nobody has
  // registered.
  using FindFunctions = std::shared_ptr<const HostFunctions> (*)(std::span<const int64_t> numbers);
  Executable(std::string_view bytes, std::string_view compile_options,
             FindFunctions find_functions = nullptr);

  const std::shared_ptr<const Program> program;
  const std::shared_ptr<const HostFunctions> host;        // null if the program calls none
  const std::shared_ptr<const ForeignFunctions> foreign;  // null if the program calls none
  const std::string compile_options;
  const DeviceAssignment assignment;  // its devices may be empty
  const std::string fingerprint;
  NamedValueList cost;
  std::vector<int> output_types;
  std::vector<int64_t> output_dims;  // of all outputs, one after another
  std::vector<size_t> output_ranks;
  uint64_t parameter_bytes = 0, output_bytes = 0, alias_bytes = 0;

  const ProgramHeader& header() const { return program->header(); }
};

class LoadedExecutable {
 public:
  LoadedExecutable(Client* client, std::shared_ptr<const Executable> executable, DeviceAssignment assignment);

  // Where to launch, on what. `outputs` gets one new buffer per result.
  struct Placement {
    Device* device;
    std::span<Buffer* const> arguments;
    std::span<Buffer*> outputs;
  };
  // Launches on one device, or together on all of `devices`, in their order, and with those of other
  // processes. Returns once the launch is accepted, for which it may have to wait: not to be called with the
  // GIL held. The events returned are those of each device's outputs. Throws if the arguments do not fit;
  // what fails later is the events' status, the same for all. Functions of the host are called at `desk`; a
  // trace of the host knows the call by `traced_call`.
  std::vector<Ref<Event>> launch(std::span<const Placement> places, std::span<const int64_t> non_donatable,
                                 std::shared_ptr<HostDesk> desk = nullptr, int64_t traced_call = -1);

  Client* const client;
  const std::shared_ptr<const Executable> executable;
  const DeviceAssignment assignment;
  std::vector<Device*> devices;                    // of this process
  std::vector<pjrt::LogicalDeviceId> logical_ids;  // of `devices`
  const std::vector<int> owners;                   // the process of each device of the assignment
  const bool spans;  // it has exchanges and devices of other processes, which launch it, too
  std::atomic<bool> deleted{false};

 private:
  void check(const Placement& place) const;
  RunContext context_of(const Device* device) const;  // of one more launch

  // Nanoseconds the last run took; short programs run in the thread that launches them.
  std::shared_ptr<std::atomic<int64_t>> last_run_ = std::make_shared<std::atomic<int64_t>>(INT64_MAX);
};

}  // namespace ascend

// Python access to recordings of what ran.
#include "plugin/device/module_recording.h"

#include <algorithm>
#include <unordered_map>

#include "plugin/device/recording.h"

namespace ascend {
namespace nb = nanobind;
namespace {

nb::object stop() {
  const std::shared_ptr<Recording> recording = Recording::stop();
  if (!recording) return nb::none();
  std::lock_guard lock(recording->mutex);
  std::ranges::sort(recording->runs, {}, &RunRecord::started);
  nb::list programs, runs, transfers;
  std::unordered_map<const Program*, size_t> known;
  std::vector<std::unordered_map<const Command*, std::pair<int, int>>> numbers;
  for (const RunRecord& run : recording->runs) {
    const auto [place, fresh] = known.try_emplace(run.program.get(), known.size());
    if (fresh) {
      const std::span<const std::byte> bytes = run.program->bytes();
      programs.append(nb::bytes(bytes.data(), bytes.size()));
      numbers.push_back(run.program->command_numbers());
    }
    nb::list commands;
    for (const CommandRecord& c : run.commands) {
      const auto [function, number] = numbers[place->second].at(c.command);
      commands.append(nb::make_tuple(function, number, c.start, c.end, c.decision));
    }
    runs.append(nb::make_tuple(place->second, run.device, run.accepted, run.started, run.ended, run.failed,
                               run.traced_call, commands));
  }
  for (const TransferRecord& t : recording->transfers)
    transfers.append(
        nb::make_tuple(t.kind == RecordedTransfer::kToDevice, t.device, t.bytes, t.start, t.end));
  return nb::make_tuple(programs, runs, transfers, recording->dropped());
}

}  // namespace

void bind_recording(nb::module_& m) {
  m.def(
      "start_recording", &Recording::start, nb::arg("limit"),
      "Record what all devices of this process run, at most `limit` commands; False if that is being done.");
  m.def("stop_recording", &stop,
        "End the recording: programs' bytes; runs (program, device, accepted, start, end, failed, number of "
        "the call in a trace of the host or -1, commands), "
        "their commands (function, number, start, end, trips or branch); transfers (to the device, device, "
        "bytes, start, end); how many commands went unrecorded. Times are those of time.monotonic_ns(). None "
        "if nothing was recorded.");
}

}  // namespace ascend

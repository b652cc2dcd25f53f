#include "plugin/device/together/together.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "plugin/device/pool.h"
#include "plugin/error.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace {

std::atomic<int64_t> most_delay{0};
std::atomic<uint64_t> delay_state{0};

void delay() {
  const int64_t most = most_delay.load(std::memory_order_relaxed);
  if (most == 0) [[likely]]
    return;
  uint64_t x = delay_state.fetch_add(0x9e3779b97f4a7c15u, std::memory_order_relaxed);  // splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  std::this_thread::sleep_for(std::chrono::microseconds((x ^ (x >> 31)) % static_cast<uint64_t>(most)));
}

struct DeviceState {
  DeviceState(const Stream& stream, const DeviceRun& run)
      : cursor(stream, run.context, run.parameters, run.results, run.workspace) {}

  void advance() {
    delay();
    try {
      at = cursor.advance();
      ended = at == nullptr;
    } catch (...) {
      error = std::current_exception();
    }
  }

  Stream::Cursor cursor;
  const CollectiveCommand* at = nullptr;  // where it waits for others
  bool ended = false;
  std::exception_ptr error;
};

// "command 3 of main", counted as in the text of a program, lists inside lists included.
std::string place_of(const Module& module, const CollectiveCommand* command) {
  for (const Function& f : module.functions) {
    int64_t number = 0, found = -1;
    for_each_command(f.commands, [&](const Command& c) {
      if (std::get_if<CollectiveCommand>(&c.value) == command) found = number;
      ++number;
    });
    if (found >= 0) return concat("command ", found, " of ", f.name);
  }
  return "a command";
}

class Together {
 public:
  Together(const Stream& stream, const ExchangePlans& plans, std::span<const DeviceRun> runs, bool spread)
      : stream_(stream), plans_(plans), spread_(spread) {
    devices_.reserve(runs.size());
    for (const DeviceRun& run : runs) devices_.push_back(std::make_unique<DeviceState>(stream, run));
  }

  void run() {
    std::vector<DeviceState*> ready;
    for (auto& device : devices_) ready.push_back(device.get());
    while (!ready.empty()) {
      advance(ready);
      for (size_t i = 0; i < devices_.size(); ++i)
        if (devices_[i]->error) fail(i);
      ready = exchange();
    }
    if (!std::ranges::all_of(devices_, [](const auto& device) { return device->ended; })) fail_for_ever();
  }

 private:
  void advance(const std::vector<DeviceState*>& ready) {
    if (!spread_) {
      for (DeviceState* device : ready) {
        device->advance();
        if (device->error) return;
      }
      return;
    }
    Pool::instance().run(
        static_cast<int64_t>(ready.size()),
        [](const void* devices, int64_t i) { static_cast<DeviceState* const*>(devices)[i]->advance(); },
        ready.data());
  }

  // Does what is complete, and returns who can go on.
  std::vector<DeviceState*> exchange() {
    std::vector<DeviceState*> ready;
    std::vector<const CollectiveCommand*> commands;
    for (const auto& device : devices_)
      if (device->at && std::ranges::find(commands, device->at) == commands.end())
        commands.push_back(device->at);
    for (const CollectiveCommand* command : commands) {
      const ExchangePlan& plan = plans_.at(command);
      for (size_t m = 0; m < plan.meetings().size(); ++m) {
        const auto& meeting = plan.meetings()[m];
        if (!std::ranges::all_of(meeting, [&](int64_t d) { return devices_[d]->at == command; })) continue;
        std::vector<const Stream::Cursor*> members;
        for (int64_t d : meeting) members.push_back(&devices_[d]->cursor);
        plan.run(m, members);
        for (int64_t d : meeting) {
          devices_[d]->at = nullptr;
          ready.push_back(devices_[d].get());
        }
      }
    }
    return ready;
  }

  [[noreturn]] void fail(size_t number) const {
    if (devices_.size() == 1) std::rethrow_exception(devices_[number]->error);
    try {
      std::rethrow_exception(devices_[number]->error);
    } catch (const Error& e) {
      throw Error(e.code(), concat(e.what(), "\nThis ended the execution on device ",
                                   devices_[number]->cursor.context().device, ", and with it that on all ",
                                   devices_.size(), " devices of the program."));
    }
  }

  [[noreturn]] void fail_for_ever() const {
    std::string states;
    constexpr size_t kMost = 16;
    for (size_t i = 0; i < std::min(devices_.size(), kMost); ++i) {
      const DeviceState& device = *devices_[i];
      states += concat(i ? "; " : "", "device ", i, " (ascend:", device.cursor.context().device, ") ");
      if (device.ended) {
        states += "has ended";
        continue;
      }
      states += concat("is at ", place_of(stream_.module(), device.at), ", ",
                       kExchangeNames[static_cast<int>(device.at->exchange)], " with devices");
      for (const auto& meeting : plans_.at(device.at).meetings())
        if (std::ranges::find(meeting, static_cast<int64_t>(i)) != meeting.end())
          for (int64_t d : meeting) states += concat(" ", d);
    }
    if (devices_.size() > kMost) states += "; and so on";
    throw Error(
        Code::kInvalidArgument,
        concat("[execute ", stream_.module().name,
               "] the devices wait for each other for ever; expected all of "
               "a group at the same collective, got: ",
               states, ". Have every device of a group take the same branches and make as many trips."));
  }

  const Stream& stream_;
  const ExchangePlans& plans_;
  const bool spread_;
  std::vector<std::unique_ptr<DeviceState>> devices_;
};

}  // namespace

ExchangePlans plan_exchanges(const Module& module) {
  ExchangePlans plans;
  for (const Function& f : module.functions) {
    for_each_command(f.commands, [&](const Command& c) {
      if (const auto* exchange = std::get_if<CollectiveCommand>(&c.value))
        plans.try_emplace(exchange, *exchange, module.replicas * module.partitions);
    });
  }
  return plans;
}

void run_together(const Stream& stream, const ExchangePlans& plans, std::span<const DeviceRun> runs,
                  bool spread) {
  if (runs.size() > 1 || stream.collective()) return Together(stream, plans, runs, spread).run();
  const DeviceRun& run = runs.front();
  Stream::Cursor(stream, run.context, run.parameters, run.results, run.workspace).advance();
}

void set_delays(uint64_t seed, int64_t most) {
  delay_state = seed;
  most_delay = most;
}

}  // namespace ascend

#include "plugin/device/together/together.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "plugin/device/pool.h"
#include "plugin/device/together/spanning.h"
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
  bool open = false;                      // all of its meeting that this process runs are there
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

struct Fnv {  // FNV-1a, of numbers
  uint64_t value = 0xcbf29ce484222325u;
  void add(int64_t number) { value = (value ^ static_cast<uint64_t>(number)) * 0x100000001b3u; }
  void add(const std::vector<int64_t>& numbers) {
    add(static_cast<int64_t>(numbers.size()));
    for (int64_t number : numbers) add(number);
  }
};

// One number for a set of devices, whatever their order.
uint64_t name_of(std::vector<int64_t> set) {
  std::ranges::sort(set);
  Fnv hash;
  hash.add(set);
  return hash.value;
}

class Together {
 public:
  Together(const Stream& stream, const ExchangePlans& plans, std::span<const DeviceRun> runs, bool spread,
           Others* others)
      : stream_(stream),
        plans_(plans),
        spread_(spread),
        others_(others),
        by_number_(static_cast<size_t>(stream.module().replicas * stream.module().partitions)) {
    devices_.reserve(runs.size());
    for (const DeviceRun& run : runs) {
      devices_.push_back(std::make_unique<DeviceState>(stream, run));
      if (stream.collective()) by_number_[number_of(run.context)] = devices_.back().get();
    }
  }

  void run() {
    std::vector<DeviceState*> ready;
    for (auto& device : devices_) ready.push_back(device.get());
    while (true) {
      advance(ready);
      for (size_t i = 0; i < devices_.size(); ++i)
        if (devices_[i]->error) fail(i);
      ready = exchange();
      if (!ready.empty()) continue;
      if (open_.empty()) break;
      wait();
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
    const auto release = [&](const std::vector<int64_t>& meeting) {
      for (int64_t d : meeting) {
        if (!by_number_[d]) continue;
        by_number_[d]->at = nullptr;
        by_number_[d]->open = false;
        ready.push_back(by_number_[d]);
      }
    };
    std::vector<const CollectiveCommand*> commands;
    for (const auto& device : devices_)
      if (device->at && !device->open && std::ranges::find(commands, device->at) == commands.end())
        commands.push_back(device->at);
    for (const CollectiveCommand* command : commands) {
      const ExchangePlan& plan = plans_.at(command);
      for (size_t m = 0; m < plan.meetings().size(); ++m) {
        const auto& meeting = plan.meetings()[m];
        std::vector<ExchangePlan::Member> members;
        size_t here = 0, at_it = 0;
        for (int64_t d : meeting) {
          DeviceState* device = by_number_[d];
          members.push_back({device ? &device->cursor : nullptr});
          here += device != nullptr;
          at_it += device && device->at == command && !device->open;
        }
        if (here == 0 || at_it != here) continue;
        if (here < meeting.size()) {
          open(plan, m, std::move(members));
          continue;
        }
        plan.run(m, members);
        release(meeting);
      }
    }
    std::erase_if(open_, [&](const auto& exchange) {
      if (!told(*exchange, [&] { return exchange->advance(); })) return false;
      release(exchange->plan().meetings()[exchange->meeting()]);
      return true;
    });
    return ready;
  }

  void open(const ExchangePlan& plan, size_t m, std::vector<ExchangePlan::Member> members) {
    for (int64_t d : plan.meetings()[m])
      if (by_number_[d]) by_number_[d]->open = true;
    const uint64_t set = name_of(plan.meetings()[m]);
    open_.push_back(std::make_unique<SpanningExchange>(plan, m, std::move(members), *others_,
                                                       Others::Tag{set, met_[set]++, 0, plan.number()}));
  }

  void wait() const {
    const SpanningExchange& first = *open_.front();
    const auto local = [](const auto& device) { return device->open; };
    told(first, [&] {
      others_->wait((*std::ranges::find_if(devices_, local))->cursor.context(), first.waits_for());
      return true;
    });
    for (const auto& exchange : open_) told(*exchange, [&] { return check_order(*exchange); });
  }

  // A device here waits for one there, which has come to another exchange with it: neither can go on.
  bool check_order(const SpanningExchange& exchange) const {
    const int process = exchange.waits_for();
    const auto& here = exchange.plan().meetings()[exchange.meeting()];
    const std::vector<Others::Tag> tags = others_->unreceived(process);
    // What it sent first is there first: it has been here, and has gone on.
    if (std::ranges::find(tags, name_of(here), &Others::Tag::set) != tags.end()) return true;
    for (const Others::Tag& tag : tags) {
      for (const auto& [command, plan] : plans_) {
        if (plan.number() != tag.command) continue;
        for (const auto& there : plan.meetings()) {
          if (name_of(there) != tag.set || tag.set == name_of(here)) continue;
          bool own = false, others = false;
          for (int64_t d : there) {
            if (std::ranges::find(here, d) == here.end()) continue;
            own |= by_number_[d] != nullptr;
            others |= others_->process_of(d) == process;
          }
          if (own && others)
            throw OtherProcessError(Code::kInvalidArgument, concat("process ", process), tag.command);
        }
      }
    }
    return true;
  }

  // Has what happened to other processes say at which exchange.
  template <class F>
  bool told(const SpanningExchange& exchange, const F& f) const {
    try {
      return f();
    } catch (const OtherProcessError& e) {
      for (size_t i = 0; i < devices_.size(); ++i) {
        const auto& meeting = exchange.plan().meetings()[exchange.meeting()];
        if (std::ranges::none_of(meeting, [&](int64_t d) { return by_number_[d] == devices_[i].get(); }))
          continue;
        std::string message = concat("[execute ", stream_.module().name, "] ", state_of(i), ": ", e.what());
        for (const auto& [command, plan] : plans_)
          if (plan.number() == e.number)
            message +=
                concat(" is at ", text_of(command),
                       ". Have every device of a group take the same branches and make as many trips.");
        throw Error(e.code(), message);
      }
      throw;
    }
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

  int64_t number_of(const RunContext& context) const {
    return context.replica * stream_.module().partitions + context.partition;
  }

  std::string state_of(size_t i) const {
    const DeviceState& device = *devices_[i];
    const RunContext& context = device.cursor.context();
    const int64_t number = number_of(context);
    std::string state = concat("device ", number, " (ascend:", context.device, ") ");
    if (device.ended) return state + "has ended";
    state += concat("is at ", text_of(device.at), " with devices");
    for (const auto& meeting : plans_.at(device.at).meetings())
      if (std::ranges::find(meeting, number) != meeting.end())
        for (int64_t d : meeting) state += concat(" ", d);
    return state;
  }

  std::string text_of(const CollectiveCommand* command) const {
    return concat(place_of(stream_.module(), command), ", ",
                  kExchangeNames[static_cast<int>(command->exchange)]);
  }

  [[noreturn]] void fail_for_ever() const {
    std::string states;
    constexpr size_t kMost = 16;
    for (size_t i = 0; i < std::min(devices_.size(), kMost); ++i) states += (i ? "; " : "") + state_of(i);
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
  Others* const others_;
  std::vector<DeviceState*> by_number_;  // null: another process runs it
  std::vector<std::unique_ptr<DeviceState>> devices_;
  std::vector<std::unique_ptr<SpanningExchange>> open_;
  std::unordered_map<uint64_t, int64_t> met_;  // how often a set of devices has met, if not all are here
};

}  // namespace

ExchangePlans plan_exchanges(const Module& module) {
  ExchangePlans plans;
  int64_t number = 0;
  for (const Function& f : module.functions) {
    for_each_command(f.commands, [&](const Command& c) {
      if (const auto* exchange = std::get_if<CollectiveCommand>(&c.value))
        plans.try_emplace(exchange, *exchange, module.replicas * module.partitions, number++);
    });
  }
  return plans;
}

uint64_t hash_of_exchanges(const Module& module) {
  Fnv hash;
  for (char c : module.name) hash.add(c);
  hash.add(module.replicas), hash.add(module.partitions);
  for (const Function& f : module.functions) {
    for_each_command(f.commands, [&](const Command& c) {
      const auto* exchange = std::get_if<CollectiveCommand>(&c.value);
      if (!exchange) return;
      hash.add(static_cast<int64_t>(exchange->exchange)), hash.add(static_cast<int64_t>(exchange->reduction));
      for (const auto& group : exchange->groups) hash.add(group);
      for (const auto* types : {&exchange->operands, &exchange->results})
        for (const TensorType& type : *types) hash.add(static_cast<int64_t>(type.dtype)), hash.add(type.dims);
    });
  }
  return hash.value;
}

void run_together(const Stream& stream, const ExchangePlans& plans, std::span<const DeviceRun> runs,
                  bool spread, Others* others) {
  if (runs.size() > 1 || stream.collective()) return Together(stream, plans, runs, spread, others).run();
  const DeviceRun& run = runs.front();
  Stream::Cursor(stream, run.context, run.parameters, run.results, run.workspace).advance();
}

void set_delays(uint64_t seed, int64_t most) {
  delay_state = seed;
  most_delay = most;
}

}  // namespace ascend

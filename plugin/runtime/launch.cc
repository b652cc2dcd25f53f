// LoadedExecutable::launch: binding buffers to a program's parameters and results, and running it in its
// turn.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>

#include "plugin/device/recording.h"
#include "plugin/runtime/executable.h"
#include "plugin/runtime/host_desk.h"
#include "plugin/runtime/signals.h"

namespace ascend {
namespace {

// A program whose last run was shorter than this costs less than waking the device's thread.
constexpr int64_t kInlineNanoseconds = 100'000;

// Devices whose program ran shorter than this, all together, are run one after the other: it costs less than
// waking the pool.
constexpr int64_t kSpreadNanoseconds = 50'000;

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Launch;

// A launch on several devices: one run, with a part in the queue of each device.
struct Joint {
  std::vector<Launch*> parts;  // by device number, until they are over
  std::vector<Queue*> queues;
  std::atomic<size_t> ready{0};
  std::atomic<bool> taken{false};
};

struct Launch : Task {
  Launch(const RunContext& context, std::shared_ptr<HostDesk> desk)
      : context(context), desk(std::move(desk)) {}

  RunContext context;
  const std::shared_ptr<HostDesk> desk;  // of `context`
  std::shared_ptr<const Program> program;
  std::shared_ptr<const HostFunctions> host;        // of `context`
  std::shared_ptr<const ForeignFunctions> foreign;  // of `context`
  std::shared_ptr<Arena> workspace_arena;
  std::shared_ptr<std::atomic<int64_t>> last_run;
  std::shared_ptr<Joint> joint;               // null: it runs alone
  std::shared_ptr<Processes::Launch> others;  // null: all its devices are of this process
  bool is_ready = false;                      // of its part in `joint`
  std::vector<Ref<Storage>> parameters, results;
  std::vector<std::pair<int, Ref<Storage>>>
      copies;                              // parameter -> what its storage must be filled with first
  std::vector<Ref<Readers>> overwritten;   // of arguments that are donated
  std::vector<const Storage*> overwrites;  // their memory
  std::vector<Ref<Event>> dependencies;
  Ref<Event> done;
  Status status;
  const int64_t accepted = now();

  void run() override {
    if (!joint) {
      Launch* alone = this;
      return run_all({&alone, 1});
    }
    const std::shared_ptr<Joint> all = joint;
    const auto for_each_other = [&](void (Queue::*step)(Task*)) {
      for (size_t i = 0; i < all->parts.size(); ++i)
        if (all->parts[i] != this) (all->queues[i]->*step)(all->parts[i]);
    };
    for_each_other(&Queue::depart);
    run_all(all->parts);
    for_each_other(&Queue::finish);
  }
  void complete() override { done->set(status); }
  bool can_start() const override {
    return std::ranges::all_of(dependencies, [](const auto& event) { return event->is_ready(); });
  }
  bool ready_with_others() override {
    if (!joint) return true;
    const size_t ready = is_ready ? joint->ready.load() : joint->ready.fetch_add(1) + 1;
    is_ready = true;
    return ready == joint->parts.size();
  }
  bool take_all() override { return !joint || !joint->taken.exchange(true); }
  // Values do not forbid it, as nothing that it reads is to come from there; but it may overwrite what is
  // read there. (What is overwritten there, no later launch reads: it was given away.)
  bool may_pass(const Task& other) const override {
    const auto& earlier = static_cast<const Launch&>(other);  // the queue of launches has no other tasks
    if (others && earlier.others) return false;               // other processes run them in this order, too
    return std::ranges::none_of(overwrites, [&](const Storage* storage) {
      const auto same = [=](const Ref<Storage>& read) { return read.get() == storage; };
      return std::ranges::any_of(earlier.parameters, same) ||
             std::ranges::any_of(earlier.copies, [&](const auto& copy) { return same(copy.second); });
    });
  }

  // Runs the parts of one launch, whose status is that of all.
  static void run_all(std::span<Launch* const> parts) {
    Status status;
    try {
      status = failed_dependency(parts);
      if (!status) execute(parts);
    } catch (...) {
      status = current_failure();
    }
    if (const auto& others = parts.front()->others) others->end(status);
    for (Launch* part : parts) {
      part->status = status;
      // Memory goes back before anyone hears that the launch is over.
      part->parameters.clear();
      part->results.clear();
      part->copies.clear();
      part->foreign.reset();  // and so do states of handlers
    }
  }

 private:
  static Status failed_dependency(std::span<Launch* const> parts) {
    for (const Launch* part : parts)
      for (const auto& dependency : part->dependencies)
        if (const Status& status = dependency->await()) return status;
    return nullptr;
  }

  static void execute(std::span<Launch* const> parts) {
    const Launch& first = *parts.front();
    const Program& program = *first.program;
    thread_local std::vector<std::byte*> addresses;  // of each part its parameters, then its results
    addresses.clear();
    std::vector<Ref<Storage>> workspaces;
    for (const Launch* part : parts) {
      part->context.check();
      for (const auto& storage : part->parameters) addresses.push_back(storage->data());
      for (const auto& storage : part->results) addresses.push_back(storage->data());
      for (const auto& readers : part->overwritten) readers->await_none();
      for (const auto& [parameter, source] : part->copies)
        if (source->bytes())
          std::memcpy(part->parameters[parameter]->data(), source->data(), source->bytes());
      if (const uint64_t bytes = program.workspace_bytes())
        workspaces.push_back(make_ref<Storage>(part->workspace_arena, bytes));
    }
    const size_t inputs = first.parameters.size(), both = inputs + first.results.size();
    const auto of_part = [&](size_t i) {
      const std::span<std::byte* const> all(addresses.data() + i * both, both);
      return DeviceRun{parts[i]->context, all.first(inputs), all.subspan(inputs),
                       workspaces.empty() ? nullptr : workspaces[i]->data()};
    };
    Processes::Launch* others = first.others.get();
    if (others) others->await_turn(first.context);
    const int64_t start = now();
    if (parts.size() == 1) {
      const Recorded recorded(parts[0]->context, first.program, first.accepted);
      const DeviceRun run = of_part(0);
      program.execute({&run, 1}, false, others);
    } else {
      std::deque<Recorded> recorded;
      for (Launch* part : parts) recorded.emplace_back(part->context, part->program, part->accepted);
      std::vector<DeviceRun> runs;
      for (size_t i = 0; i < parts.size(); ++i) runs.push_back(of_part(i));
      // What waits for the host leaves this thread's queue to others meanwhile, and may not hold the pool.
      const bool spread = program.host_calls().empty() && program.ffi_calls().empty() &&
                          first.last_run->load(std::memory_order_relaxed) > kSpreadNanoseconds;
      program.execute(runs, spread, others);
    }
    first.last_run->store(now() - start, std::memory_order_relaxed);
  }
};

[[noreturn]] void bad_argument(const Executable& executable, size_t index, const std::string& expected,
                               const std::string& got) {
  throw Error(Code::kInvalidArgument, "[execute " + executable.header().name + "] argument " +
                                          std::to_string(index) + " does not fit; expected " + expected +
                                          "; got " + got + ".");
}

void check_argument(const Executable& executable, size_t index, const Buffer& buffer, Device* device) {
  const TensorSpec& spec = executable.program->parameters()[index];
  if (buffer.memory->device != device)
    bad_argument(executable, index, "a buffer on " + device->description->text,
                 "one on " + buffer.memory->text);
  if (buffer.bytes != spec.bytes || buffer.dtype != spec.dtype)
    bad_argument(executable, index, std::to_string(spec.bytes) + " bytes of " + dtype_name(spec.dtype),
                 std::to_string(buffer.bytes) + " bytes of " + dtype_name(buffer.dtype));
}

// A buffer that is donated may occur once among the arguments.
void check_donations(std::span<Buffer* const> arguments, const std::vector<int>& donated_to) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (donated_to[i] < 0) continue;
    for (size_t j = 0; j < arguments.size(); ++j) {
      if (j == i || arguments[j] != arguments[i]) continue;
      if (donated_to[j] >= 0)
        throw Error(Code::kInvalidArgument,
                    "[execute] Attempt to donate the same buffer twice in Execute() (flattened argument " +
                        std::to_string(std::max(i, j)) + ", first use: " + std::to_string(std::min(i, j)) +
                        "). Donate each array once.");
      throw Error(
          Code::kInvalidArgument,
          "[execute] Attempt to donate a buffer which is also used by the same call to Execute() (flattened "
          "argument " +
              std::to_string(i) + ", other use: " + std::to_string(j) + "). Pass a copy.");
    }
  }
}

}  // namespace

RunContext LoadedExecutable::context_of(const Device* device) const {
  RunContext context{client->cancellation, client->cancellation.accept(), device->description->id};
  context.host = executable->host.get();
  context.foreign = executable->foreign.get();
  const auto place = std::find(devices.begin(), devices.end(), device);
  if (place != devices.end()) {
    const auto& logical = logical_ids[place - devices.begin()];
    context.replica = logical.replica, context.partition = logical.partition;
  }
  return context;
}

namespace {

// What binding a launch decides from the program and the arguments.
struct Donation {
  std::vector<int> to, copied;  // by parameter the result that takes over its storage, or -1; also where the
                                // caller keeps the argument. Empty if no result takes any over.
};

Donation donation_of(const Program& program, std::span<Buffer* const> arguments,
                     std::span<const int64_t> non_donatable) {
  const auto& alias = program.result_alias();
  Donation donation;
  if (std::ranges::none_of(alias, [](int p) { return p >= 0; })) return donation;
  donation.to.assign(arguments.size(), -1);
  for (size_t i = 0; i < alias.size(); ++i)
    if (alias[i] >= 0) donation.to[alias[i]] = static_cast<int>(i);
  donation.copied = donation.to;
  for (int64_t index : non_donatable)
    if (index < static_cast<int64_t>(arguments.size())) donation.to[index] = -1;
  check_donations(arguments, donation.to);
  return donation;
}

}  // namespace

void LoadedExecutable::check(const Placement& place) const {
  const auto& parameters = executable->program->parameters();
  if (place.arguments.size() != parameters.size())
    throw Error(Code::kInvalidArgument, "[execute " + executable->header().name + "] expected " +
                                            std::to_string(parameters.size()) + " arguments; got " +
                                            std::to_string(place.arguments.size()) + ".");
  for (size_t i = 0; i < parameters.size(); ++i)
    check_argument(*executable, i, *place.arguments[i], place.device);
}

std::vector<Ref<Event>> LoadedExecutable::launch(std::span<const Placement> places,
                                                 std::span<const int64_t> non_donatable,
                                                 std::shared_ptr<HostDesk> desk, int64_t traced_call) {
  const Program& program = *executable->program;
  const auto& parameters = program.parameters();
  const auto& results = program.results();
  if (deleted)
    throw Error(Code::kInvalidArgument,
                "[execute " + executable->header().name + "] the executable was deleted.");
  for (const Placement& place : places) check(place);
  if (client->cancellation.covers_all())
    throw Error(Code::kCancelled, "[execute " + executable->header().name + "] the process exits.");
  for (const Placement& place : places) place.device->launches.wait_for_room(interrupted);

  std::vector<std::unique_ptr<Launch>> launches;
  std::vector<Donation> donations;
  const uint64_t fresh = program.workspace_bytes() + executable->output_bytes - executable->alias_bytes;
  for (const Placement& place : places) {
    RunContext context = context_of(place.device);
    context.desk = desk.get();
    context.traced_call = traced_call;
    auto& launch = launches.emplace_back(std::make_unique<Launch>(context, desk));
    launch->bytes = executable->parameter_bytes + executable->output_bytes;
    launch->parameters.reserve(parameters.size());
    launch->results.resize(results.size());
    launch->program = executable->program;
    launch->host = executable->host;
    launch->foreign = executable->foreign;
    launch->workspace_arena = place.device->device_memory.arena;
    launch->last_run = last_run_;
    donations.push_back(donation_of(program, place.arguments, non_donatable));
    // What does not fit is refused here if nothing is in flight that could free memory; memory is taken when
    // it runs.
    if (fresh > Arena::kSmallLimit && place.device->launches.idle())
      place.device->device_memory.arena->check_available(fresh);
  }

  // In one order on all devices: launches on several never wait for each other.
  std::vector<Device*> order;
  for (const Placement& place : places) order.push_back(place.device);
  std::ranges::sort(order, {}, [](const Device* device) { return device->description->id; });
  std::vector<std::unique_lock<std::mutex>> accept;
  for (Device* device : order) accept.emplace_back(device->accept);

  for (size_t i = 0; i < places.size(); ++i)  // may fail, and has changed nothing then
    for (Buffer* argument : places[i].arguments) launches[i]->parameters.push_back(argument->storage());
  if (spans) {
    const std::shared_ptr<Processes::Launch> others = client->processes->launch(
        assignment.devices, owners, program.exchanges_hash(), executable->header().name);
    for (auto& launch : launches) launch->others = others;
  }
  bool run_here =
      !spans && !program.may_block() && last_run_->load(std::memory_order_relaxed) < kInlineNanoseconds;
  std::vector<Ref<Event>> done;
  for (size_t i = 0; i < places.size(); ++i) {
    Launch& launch = *launches[i];
    const auto& [device, arguments, outputs] = places[i];
    const auto& [donated_to, copied] = donations[i];
    for (size_t p = 0; p < copied.size(); ++p) {
      if (copied[p] < 0) continue;
      auto readers = donated_to[p] >= 0 ? arguments[p]->donate() : std::nullopt;
      if (readers) {
        launch.overwritten.push_back(*std::move(readers));
        launch.overwrites.push_back(launch.parameters[p].get());
      } else {
        launch.copies.emplace_back(static_cast<int>(p), launch.parameters[p]);
        launch.parameters[p] = make_ref<Storage>(device->device_memory.arena, parameters[p].bytes);
        if (donated_to[p] >= 0) arguments[p]->drop();
      }
      launch.results[copied[p]] = launch.parameters[p];
    }
    // Waiting for readers is for the device's thread: this one may hold the GIL.
    for (const auto& readers : launch.overwritten) run_here &= !readers->any();
    for (int parameter : program.header().donated) {
      bool kept = std::find(non_donatable.begin(), non_donatable.end(), parameter) != non_donatable.end();
      if (!kept) arguments[parameter]->drop();
    }
    auto& dependencies = launch.dependencies;
    for (Buffer* argument : arguments) {  // neighbours often come from one launch
      if (!dependencies.empty() && dependencies.back().get() == argument->ready.get()) continue;
      if (!argument->ready->is_ready() || argument->ready->status()) dependencies.push_back(argument->ready);
    }
    run_here &= dependencies.empty() && device->launches.idle();
    launch.done = done.emplace_back(Event::pending());
    for (size_t r = 0; r < results.size(); ++r) {
      MemorySpace* memory = device->memories[static_cast<int>(program.header().result_memory[r])];
      Ref<Storage>& storage = launch.results[r];
      if (!storage) storage = make_ref<Storage>(memory->arena, results[r].bytes);
      outputs[r] = new Buffer(results[r].dtype, results[r].dims, memory, storage, launch.done);
    }
  }
  if (run_here) {
    std::vector<Launch*> parts;
    for (const auto& launch : launches) parts.push_back(launch.get());
    Launch::run_all(parts);
    accept.clear();
    for (Launch* part : parts) part->complete();
    return done;
  }
  if (places.size() > 1) {
    auto joint = std::make_shared<Joint>();
    for (size_t i = 0; i < places.size(); ++i) {
      joint->parts.push_back(launches[i].get());
      joint->queues.push_back(&places[i].device->launches);
      launches[i]->joint = joint;
    }
  }
  for (size_t i = 0; i < places.size(); ++i) {
    Queue* queue = &places[i].device->launches;
    done[i]->maker = queue;
    for (auto& dependency : launches[i]->dependencies)
      if (dependency->maker != queue) dependency->on_ready([queue](const Status&) { queue->look_again(); });
    queue->submit(launches[i].release());
  }
  return done;
}

}  // namespace ascend

// LoadedExecutable::launch: binding buffers to a program's parameters and results, and running it in its
// turn.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "plugin/device/recording.h"
#include "plugin/runtime/executable.h"
#include "plugin/runtime/host_desk.h"
#include "plugin/runtime/signals.h"

namespace ascend {
namespace {

// A program whose last run was shorter than this costs less than waking the device's thread.
constexpr int64_t kInlineNanoseconds = 100'000;

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

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
    for (auto& dependency : dependencies) {
      if (status = dependency->await(); status) break;
    }
    try {
      if (!status) execute();
    } catch (...) {
      status = current_failure();
    }
    // Memory goes back before anyone hears that the launch is over.
    parameters.clear();
    results.clear();
    copies.clear();
    foreign.reset();  // and so do states of handlers
  }
  void complete() override { done->set(std::move(status)); }
  bool can_start() const override {
    return std::ranges::all_of(dependencies, [](const auto& event) { return event->is_ready(); });
  }
  // Values do not forbid it, as nothing that it reads is to come from there; but it may overwrite what is
  // read there. (What is overwritten there, no later launch reads: it was given away.)
  bool may_pass(const Task& other) const override {
    const auto& earlier = static_cast<const Launch&>(other);  // the queue of launches has no other tasks
    return std::ranges::none_of(overwrites, [&](const Storage* storage) {
      const auto same = [=](const Ref<Storage>& read) { return read.get() == storage; };
      return std::ranges::any_of(earlier.parameters, same) ||
             std::ranges::any_of(earlier.copies, [&](const auto& copy) { return same(copy.second); });
    });
  }

 private:
  void execute() {
    context.check();
    thread_local std::vector<std::byte*> inputs, outputs;
    inputs.clear();
    outputs.clear();
    for (auto& storage : parameters) inputs.push_back(storage->data());
    for (auto& storage : results) outputs.push_back(storage->data());
    for (auto& readers : overwritten) readers->await_none();
    for (auto& [parameter, source] : copies)
      if (source->bytes()) std::memcpy(inputs[parameter], source->data(), source->bytes());
    Ref<Storage> workspace;
    if (uint64_t bytes = program->workspace_bytes()) workspace = make_ref<Storage>(workspace_arena, bytes);
    int64_t start = now();
    const Recorded recorded(context, program, accepted);
    program->execute(context, inputs, outputs, workspace ? workspace->data() : nullptr);
    last_run->store(now() - start, std::memory_order_relaxed);
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

Ref<Event> LoadedExecutable::launch(Device* device, std::span<Buffer* const> arguments,
                                    std::span<const int64_t> non_donatable, std::span<Buffer*> outputs,
                                    std::shared_ptr<HostDesk> desk) {
  const Program& program = *executable->program;
  const auto& parameters = program.parameters();
  const auto& results = program.results();
  const auto& alias = program.result_alias();
  if (deleted)
    throw Error(Code::kInvalidArgument,
                "[execute " + executable->header().name + "] the executable was deleted.");
  if (arguments.size() != parameters.size())
    throw Error(Code::kInvalidArgument, "[execute " + executable->header().name + "] expected " +
                                            std::to_string(parameters.size()) + " arguments; got " +
                                            std::to_string(arguments.size()) + ".");
  for (size_t i = 0; i < arguments.size(); ++i) check_argument(*executable, i, *arguments[i], device);

  Cancellation& cancellation = client->cancellation;
  if (cancellation.covers_all())
    throw Error(Code::kCancelled, "[execute " + executable->header().name + "] the process exits.");
  device->launches.wait_for_room(interrupted);

  RunContext context = context_of(device);
  context.desk = desk.get();
  auto launch = std::make_unique<Launch>(context, std::move(desk));
  launch->bytes = executable->parameter_bytes + executable->output_bytes;
  launch->parameters.reserve(parameters.size());
  launch->results.resize(results.size());
  launch->program = executable->program;
  launch->host = executable->host;
  launch->foreign = executable->foreign;
  launch->workspace_arena = device->device_memory.arena;
  launch->last_run = last_run_;

  bool aliases = std::any_of(alias.begin(), alias.end(), [](int p) { return p >= 0; });
  std::vector<int> donated_to;  // by parameter: the result that takes over its storage, or -1
  if (aliases) {
    donated_to.assign(parameters.size(), -1);
    for (size_t i = 0; i < results.size(); ++i)
      if (alias[i] >= 0) donated_to[alias[i]] = static_cast<int>(i);
  }
  std::vector<int> copied = donated_to;  // aliased, but the caller keeps the argument
  for (int64_t index : non_donatable)
    if (aliases && index < static_cast<int64_t>(donated_to.size())) donated_to[index] = -1;
  if (aliases) check_donations(arguments, donated_to);

  // What does not fit is refused here if nothing is in flight that could free memory; memory is taken when it
  // runs.
  uint64_t fresh = program.workspace_bytes() + executable->output_bytes - executable->alias_bytes;
  if (fresh > Arena::kSmallLimit && device->launches.idle())
    device->device_memory.arena->check_available(fresh);

  std::unique_lock accept(device->accept);
  for (size_t i = 0; i < arguments.size(); ++i) launch->parameters.push_back(arguments[i]->storage());
  if (aliases) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (copied[i] < 0) continue;
      auto readers = donated_to[i] >= 0 ? arguments[i]->donate() : std::nullopt;
      if (readers) {
        launch->overwritten.push_back(*std::move(readers));
        launch->overwrites.push_back(launch->parameters[i].get());
      } else {
        launch->copies.emplace_back(static_cast<int>(i), launch->parameters[i]);
        launch->parameters[i] = make_ref<Storage>(device->device_memory.arena, parameters[i].bytes);
        if (donated_to[i] >= 0) arguments[i]->drop();
      }
      launch->results[copied[i]] = launch->parameters[i];
    }
  }
  bool being_read = false;  // waiting for readers is for the device's thread: this one may hold the GIL
  for (auto& readers : launch->overwritten) being_read |= readers->any();
  for (int parameter : program.header().donated) {
    bool kept = std::find(non_donatable.begin(), non_donatable.end(), parameter) != non_donatable.end();
    if (!kept) arguments[parameter]->drop();
  }
  auto& dependencies = launch->dependencies;
  for (Buffer* argument : arguments) {  // neighbours often come from one launch
    if (!dependencies.empty() && dependencies.back().get() == argument->ready.get()) continue;
    if (!argument->ready->is_ready() || argument->ready->status()) dependencies.push_back(argument->ready);
  }

  bool run_here = !being_read && dependencies.empty() && device->launches.idle() && !program.may_block() &&
                  last_run_->load(std::memory_order_relaxed) < kInlineNanoseconds;
  Ref<Event> done = launch->done = Event::pending();
  for (size_t i = 0; i < results.size(); ++i) {
    MemorySpace* memory = device->memories[static_cast<int>(program.header().result_memory[i])];
    Ref<Storage>& storage = launch->results[i];
    if (!storage) storage = make_ref<Storage>(memory->arena, results[i].bytes);
    outputs[i] = new Buffer(results[i].dtype, results[i].dims, memory, storage, done);
  }
  if (!run_here) {
    Queue* queue = &device->launches;
    done->maker = queue;
    for (auto& dependency : dependencies)
      if (dependency->maker != queue) dependency->on_ready([queue](const Status&) { queue->look_again(); });
    queue->submit(launch.release());
    return done;
  }
  launch->run();
  accept.unlock();
  launch->complete();
  return done;
}

}  // namespace ascend

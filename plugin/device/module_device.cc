#include "plugin/device/module_device.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <semaphore>

#include "plugin/device/kernel_code.h"
#include "plugin/device/pool.h"
#include "plugin/device/program.h"
#include "plugin/device/simd_variant.h"
#include "plugin/device/together/together.h"
#include "plugin/error.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"
#include "plugin/isa/target.h"
#include "plugin/python_exception.h"
#include "plugin/runtime/queue.h"

namespace nb = nanobind;

namespace ascend {
namespace {

// 64-byte aligned memory for one buffer, and not a byte more: a sanitizer sees what goes beyond.
struct Memory {
  explicit Memory(uint64_t size)
      : bytes(static_cast<std::byte*>(::operator new(size, std::align_val_t{64}, std::nothrow))) {
    if (!bytes)
      throw Error(Code::kResourceExhausted, concat("[run_program] no memory for ", size, " bytes."));
  }
  ~Memory() { ::operator delete(bytes, std::align_val_t{64}); }
  Memory(const Memory&) = delete;
  std::byte* bytes;
};

std::span<const std::byte> span_of(const nb::bytes& b) {
  return {reinterpret_cast<const std::byte*>(b.c_str()), b.size()};
}

Kernel kernel_of(const std::string& name, const nb::bytes& words) {
  std::vector<int64_t> list(words.size() / sizeof(int64_t));
  std::memcpy(list.data(), words.c_str(), list.size() * sizeof(int64_t));
  return read_kernel(name, std::move(list));
}

// A run in another thread than Python's main one, as both see it.
struct Work {
  bool ended_within(std::chrono::milliseconds time) {
    nb::gil_scoped_release release;
    return ended.try_acquire_for(time);
  }
  Cancellation cancellation;
  std::exception_ptr error;
  std::binary_semaphore ended{0};
};

struct Run : Task {
  Run(std::shared_ptr<Work> work, std::function<void()> body)
      : work(std::move(work)), body(std::move(body)) {}
  void run() override {
    try {
      body();
    } catch (...) {
      work->error = std::current_exception();
    }
  }
  void complete() override { work->ended.release(); }

  std::shared_ptr<Work> work;
  std::function<void()> body;
};

constexpr std::chrono::milliseconds kGlance(50);  // between looks for signals

Queue& main_threads_queue() {
  static pid_t process = 0;
  static Queue* queue = nullptr;
  if (process != getpid()) {  // a process that was forked has none of its parent's threads
    process = getpid();
    queue = new Queue;
  }
  return *queue;
}

// A program with buffers of its own on each of its devices: parameters are written, results read, and runs
// cost nothing but the program.
class ProgramRunner {
 public:
  explicit ProgramRunner(const nb::bytes& bytes) : program_(Program::load(span_of(bytes))) {
    if (!program_->host_calls().empty() || !program_->ffi_calls().empty())
      throw Error(Code::kInvalidArgument,
                  "[run_program] the program calls functions of the process that compiled it.");
    const int64_t count =
        program_->is_collective() ? program_->header().replicas * program_->header().partitions : 1;
    for (int64_t d = 0; d < count; ++d) {
      auto& device = devices_.emplace_back();
      device.workspace = allocate(program_->workspace_bytes());
      for (const TensorSpec& t : program_->parameters()) device.parameters.push_back(allocate(t.bytes));
      for (size_t i = 0; i < program_->results().size(); ++i) {
        const int alias = program_->result_alias()[i];
        device.results.push_back(alias >= 0 ? device.parameters[alias]
                                            : allocate(program_->results()[i].bytes));
      }
    }
  }

  ProgramRunner(const ProgramRunner&) = delete;

  void write(size_t i, const nb::bytes& data, size_t device) {
    const auto& parameters = on(device).parameters;
    if (i >= parameters.size() || data.size() != program_->parameters()[i].bytes) {
      throw Error(Code::kInvalidArgument,
                  concat("[run_program] parameter ", i, "; expected one of ", parameters.size(),
                         " and its size, got ", data.size(), " bytes."));
    }
    std::memcpy(parameters[i], data.c_str(), data.size());
  }
  nb::bytes read(size_t i, size_t device) const {
    const auto& results = on(device).results;
    if (i >= results.size())
      throw Error(Code::kInvalidArgument, concat("[run_program] there is no result ", i, "."));
    return nb::bytes(results[i], program_->results()[i].bytes);
  }
  // Ctrl-C ends it: Python's main thread looks for signals, and the program runs in another.
  void run(int64_t times) {
    auto work = std::make_shared<Work>();
    const auto repeat = [=, this] {
      std::vector<DeviceRun> runs;
      const auto partitions = static_cast<int>(program_->header().partitions);
      for (const OnDevice& d : devices_) {
        const int number = static_cast<int>(runs.size());
        runs.push_back({{work->cancellation, 1, number, number / partitions, number % partitions},
                        d.parameters,
                        d.results,
                        d.workspace});
      }
      for (int64_t i = 0; i < times; ++i) program_->execute(runs, i % 2 == 0);
    };
    if (!in_main_thread()) {
      nb::gil_scoped_release release;
      return repeat();
    }
    main_threads_queue().submit(new Run(work, repeat));
    while (!work->ended_within(kGlance)) {
      if (PyErr_CheckSignals() == 0) continue;
      nb::python_error interrupt;  // takes the exception over
      work->cancellation.cancel_all();
      while (!work->ended_within(kGlance)) {
      }
      throw interrupt;
    }
    if (work->error) std::rethrow_exception(work->error);
  }
  // Element type code and shape per result.
  std::vector<std::vector<int64_t>> result_types() const {
    std::vector<std::vector<int64_t>> types;
    for (const TensorSpec& t : program_->results()) {
      types.emplace_back(t.dims).insert(types.back().begin(), static_cast<int64_t>(t.dtype));
    }
    return types;
  }

 private:
  std::byte* allocate(uint64_t size) { return memory_.emplace_back(std::make_unique<Memory>(size))->bytes; }

  struct OnDevice {
    std::byte* workspace;
    std::vector<std::byte*> parameters, results;
  };
  const OnDevice& on(size_t device) const {
    if (device >= devices_.size())
      throw Error(Code::kInvalidArgument, concat("[run_program] there is no device ", device, "."));
    return devices_[device];
  }

  std::shared_ptr<const Program> program_;
  std::vector<std::unique_ptr<Memory>> memory_;
  std::vector<OnDevice> devices_;
};

}  // namespace

void bind_device(nb::module_& m) {
  nb::class_<ProgramRunner>(m, "ProgramRunner")
      .def(nb::init<const nb::bytes&>())
      .def("write", &ProgramRunner::write, nb::arg("parameter"), nb::arg("data"), nb::arg("device") = 0)
      .def("read", &ProgramRunner::read, nb::arg("result"), nb::arg("device") = 0)
      .def("run", &ProgramRunner::run, nb::arg("times") = 1)
      .def_prop_ro("result_types", &ProgramRunner::result_types);
  m.def(
      "verify_program", [](const nb::bytes& bytes) { Program::load(span_of(bytes)); },
      "Load a Program and throw it away; RuntimeError says what is wrong with it.");
  m.def(
      "verify_kernel",
      [](const std::string& name, const nb::bytes& words, const std::string& target) {
        const std::optional<Target> parsed =
            target.empty() ? std::nullopt : std::optional(parse_target(target));
        verify_kernel(kernel_of(name, words), parsed ? &*parsed : nullptr);
      },
      "RuntimeError says which rule a kernel, as its encoded words, breaks; with a target, as text, its "
      "tiles "
      "must have addresses in the target's memories.");
  m.def(
      "print_kernel",
      [](const std::string& name, const nb::bytes& words) {
        std::vector<std::string> lines;
        for (const Instruction& i : kernel_of(name, words).body) lines.push_back(print(i));
        return lines;
      },
      "The text of each instruction of a kernel, as messages show it.");
  m.def(
      "strip_plans",
      [](const nb::bytes& bytes) {
        const Module module = read_verified(span_of(bytes));
        std::vector<std::vector<std::string>> plans;
        for (const Kernel& k : module.kernels) plans.push_back(KernelCode(k, module.target).strip_plans());
        return plans;
      },
      "Per kernel of a Program, how the executor runs its vector instructions: a line per part and chain.");
  m.def("simd_variants", [] {
    std::vector<std::string> names;
    for (std::string_view n : simd_variants()) names.emplace_back(n);
    return names;
  });
  m.def("set_simd_variant", [](const std::string& name) {
    if (!set_simd_variant(name))
      throw Error(Code::kInvalidArgument, concat("[set_simd_variant] this CPU has no variant ", name, "."));
  });
  m.def("set_delays", set_delays, nb::arg("seed"), nb::arg("most"),
        "For tests: devices that run together wait for random times, in microseconds, before they go on.");
  m.def("set_threads", [](int n) { Pool::instance().set_threads(n); });
}

}  // namespace ascend

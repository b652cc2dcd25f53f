// Compiling, loading and serialising executables.
#include <cfenv>
#include <cstring>

#include "plugin/pjrt/shim.h"
#include "plugin/runtime/compiler.h"

namespace ascend::pjrt {
namespace {

// jaxlib's threads take subnormal numbers as zero, which a constant of a program must not become.
class DefaultArithmetic {
 public:
  DefaultArithmetic() {
    std::fegetenv(&callers_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultArithmetic() { std::fesetenv(&callers_); }
  DefaultArithmetic(const DefaultArithmetic&) = delete;

 private:
  std::fenv_t callers_;
};

// A serialised executable: these eight bytes, the length of the compile options (u64, of this machine's byte
// order), the options, which say which devices it is for, and the program. A program's bytes alone are one,
// too.
constexpr std::string_view kMagic = "ASCENDEX";

std::string serialize(const Executable& executable) {
  const auto program = executable.program->bytes();
  const uint64_t size = executable.compile_options.size();
  std::string out(kMagic);
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out += executable.compile_options;
  out.append(reinterpret_cast<const char*>(program.data()), program.size());
  return out;
}

std::shared_ptr<const Executable> deserialize(std::string_view bytes, std::string_view overriding) {
  std::string_view options;
  if (bytes.starts_with(kMagic)) {
    bytes.remove_prefix(kMagic.size());
    uint64_t size = 0;
    if (bytes.size() >= sizeof size) std::memcpy(&size, bytes.data(), sizeof size);
    if (bytes.size() < sizeof size || size > bytes.size() - sizeof size)
      throw ascend::Error(Code::kDataLoss, "[deserialize] the executable is cut short. Compile it again.");
    options = bytes.substr(sizeof size, size);
    bytes.remove_prefix(sizeof size + size);
  }
  return std::make_shared<Executable>(bytes, overriding.empty() ? options : overriding);
}

std::shared_ptr<const Executable> compile(const CompileInput& input, std::string_view options,
                                          const Topology& topology) {
  const DefaultArithmetic arithmetic;
  note_size(input);
  std::string_view format = input.format;
  if (format != "mlir")
    throw ascend::Error(
        Code::kInvalidArgument,
        "[compile] unsupported program format; expected 'mlir'; got '" + std::string(format) + "'.");
  parse_compile_options(options).check_devices(topology.devices.size());  // before any work is done
  std::string bytes = compile_in_python({input.code, input.code_size}, options, topology.target_text);
  return std::make_shared<Executable>(bytes, options, functions_in_python);
}

}  // namespace

void fill_compile(Api& api) {
  fill(api.Client_Compile_, [](Client_Compile& a) {
    auto executable = compile(*a.program, a.options, *a.client->topology);
    a.executable = new LoadedExecutable(a.client, executable, executable->assignment);
  });
  fill(api.Compile_,
       [](Compile& a) { a.executable = new ExecutableHandle{compile(*a.program, a.options, *a.topology)}; });
  fill(api.Client_Load_, [](Client_Load& a) {
    std::string_view options = a.options;
    const auto& executable = a.executable->executable;
    a.loaded = new LoadedExecutable(
        a.client, executable, options.empty() ? executable->assignment : parse_compile_options(options));
  });
  fill(api.Executable_Serialize_, [](Executable_Serialize& a) {
    const Program& program = *a.executable->executable->program;
    if (!program.host_calls().empty())
      throw ascend::Error(
          Code::kUnimplemented,
          "[serialize " + program.header().name +
              "] the program calls functions of this process (jax.debug.print, pure_callback and "
              "the like), which bytes cannot carry; neither can XLA:CPU's. Serialise the program "
              "without them.");
    give_bytes(a, serialize(*a.executable->executable));
  });
  fill(api.Executable_DeserializeAndLoad_, [](Executable_DeserializeAndLoad& a) {
    const DefaultArithmetic arithmetic;
    std::string_view options = has(a, a.overridden_options) ? a.overridden_options : std::string_view();
    auto executable = deserialize(a.bytes, options);
    a.loaded = new LoadedExecutable(a.client, executable, executable->assignment);
  });
}

}  // namespace ascend::pjrt

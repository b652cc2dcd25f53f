// The way into the Python side, its compiler above all, by the plain C API of Python: JAX may load this
// library before, or without, importing the extension module.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <vector>

#include "plugin/device/aicpu/lapack_functions.h"
#include "plugin/isa/message.h"
#include "plugin/processes/zmq.h"
#include "plugin/python_object.h"
#include "plugin/runtime/compiler.h"

namespace ascend {
namespace {

// The threads that are inside the compiler. jaxlib compiles in threads of its own, and Ctrl-C ends only the
// wait for them. All of this is guarded by the GIL.
std::vector<unsigned long> compiling;
bool closed = false;  // to further compilations

class Compilation {
 public:
  Compilation() : thread_(PyThread_get_thread_ident()) {
    if (closed) throw Error(Code::kCancelled, "[compile] the process exits.");
    compiling.push_back(thread_);
  }
  ~Compilation() {
    compiling.erase(std::ranges::find(compiling, thread_));
    // An end that came too late. Without one, a null would leave the interpreter looking for it for ever.
    if (closed) PyThreadState_SetAsyncExc(thread_, nullptr);
  }
  Compilation(const Compilation&) = delete;

 private:
  const unsigned long thread_;
};

Py_ssize_t size(std::string_view s) { return static_cast<Py_ssize_t>(s.size()); }

// Calls a function of jax_ascend.registration that returns (0, bytes) or (code, message), for the sake of
// `place`.
template <class... Arguments>
std::string call(const char* place, const char* function, const char* format, Arguments... arguments) {
  const auto cannot_enter = [&] { throw_python_error(place, "cannot enter Python"); };
  Object module(call_python([] { return PyImport_ImportModule("jax_ascend.registration"); }));
  if (!module) cannot_enter();
  Object result(
      call_python([&] { return PyObject_CallMethod(module.pointer, function, format, arguments...); }));
  if (!result && !PyErr_ExceptionMatches(PyExc_Exception)) {  // KeyboardInterrupt, SystemExit
    if (in_main_thread()) postpone_exception();
    PyErr_Clear();
    throw Error(Code::kCancelled, concat("[", place, "] interrupted before it was done."));
  }
  if (!result) cannot_enter();
  int code;
  const char* data;
  Py_ssize_t length;
  if (!PyArg_ParseTuple(result.pointer, "is#", &code, &data, &length)) cannot_enter();
  std::string bytes(data, length);
  if (code) throw Error(static_cast<Code>(code), bytes);
  return bytes;
}

}  // namespace

size_t end_compilations() {
  closed = closed || !compiling.empty();
  for (unsigned long thread : compiling) PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
  return compiling.size();
}

std::string compile_in_python(std::string_view artifact, std::string_view options, std::string_view target) {
  Gil gil;
  Compilation compilation;
  return call("compile", "compile_for_plugin", "y#y#s#", artifact.data(), size(artifact), options.data(),
              size(options), target.data(), size(target));
}

std::string target_in_python(std::string_view name) {
  Gil gil;
  return call("client", "target_for_plugin", "(s#)", name.data(), size(name));
}

std::string profiler_in_python(const char* step) {
  if (finalizing()) return {};
  Gil gil;
  return call("profile", "profiler_for_plugin", "(s)", step);
}

std::uintptr_t aicpu::lapack_address(const std::string& name) {
  Gil gil;
  return std::stoull(call("lapack", "lapack_for_plugin", "(s#)", name.data(), size(name)));
}

std::string zmq::addresses(const std::string& names) {
  Gil gil;
  return call("several processes", "zeromq_for_plugin", "(s#)", names.data(), size(names));
}

}  // namespace ascend

// The way into Python functions that programs call, by the plain C API of Python, as in python_compiler.cc.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "plugin/python_exception.h"
#include "plugin/python_object.h"
#include "plugin/runtime/compiler.h"
#include "plugin/runtime/host_desk.h"
#include "plugin/runtime/queue.h"

namespace ascend {
namespace {

// References that a thread without the GIL has given up. To wait for the GIL in a destructor may be to wait
// for a thread that joins this one: Python's main thread drops them when it runs Python code again.
std::mutex given_up_mutex;
std::vector<PyObject*>& given_up = *new std::vector<PyObject*>;

int drop_given_up(void*) {
  std::vector<PyObject*> dropped;
  {
    std::lock_guard lock(given_up_mutex);
    dropped.swap(given_up);
  }
  for (PyObject* object : dropped) Py_DECREF(object);
  return 0;
}

// A list of (memory, code of the element type, dims); null if Python has raised.
PyObject* arrays(std::span<std::byte* const> slots, std::span<const TensorType> types, int access) {
  Object list(PyList_New(static_cast<Py_ssize_t>(types.size())));
  for (size_t i = 0; list && i < types.size(); ++i) {
    const auto& [dtype, dims] = types[i];
    int64_t bytes = dtype_bytes(dtype);
    for (int64_t d : dims) bytes *= d;
    Object shape(PyTuple_New(static_cast<Py_ssize_t>(dims.size())));
    if (!shape) return nullptr;
    for (size_t d = 0; d < dims.size(); ++d) {
      PyObject* extent = PyLong_FromLongLong(dims[d]);
      if (!extent) return nullptr;
      PyTuple_SET_ITEM(shape.pointer, static_cast<Py_ssize_t>(d), extent);
    }
    static char nothing;  // an array without elements may have no memory
    char* data = bytes ? reinterpret_cast<char*>(slots[i]) : &nothing;
    Object memory(PyMemoryView_FromMemory(data, bytes, access));
    if (!memory) return nullptr;
    PyObject* item = Py_BuildValue("OiO", memory.pointer, static_cast<int>(dtype), shape.pointer);
    if (!item) return nullptr;
    PyList_SET_ITEM(list.pointer, static_cast<Py_ssize_t>(i), item);
  }
  return list.release();
}

// The threads that are inside a function, and whether they are to end; guarded by the GIL.
std::vector<unsigned long> inside;
bool ending = false;

class Inside {
 public:
  Inside() : thread_(PyThread_get_thread_ident()) { inside.push_back(thread_); }
  ~Inside() {
    inside.erase(std::ranges::find(inside, thread_));
    if (ending) PyThreadState_SetAsyncExc(thread_, nullptr);  // as of a compilation
  }
  Inside(const Inside&) = delete;

 private:
  const unsigned long thread_;
};

class PythonFunctions final : public HostFunctions {
 public:
  // Takes references over; the caller holds the GIL.
  explicit PythonFunctions(std::map<int64_t, PyObject*> functions) : functions_(std::move(functions)) {}

  ~PythonFunctions() override {
    if (finalizing()) return;  // they go with the interpreter
    if (PyGILState_Check()) {
      for (auto& [number, function] : functions_) Py_DECREF(function);
      return;
    }
    {
      std::lock_guard lock(given_up_mutex);
      for (auto& [number, function] : functions_) given_up.push_back(function);
    }
    Py_AddPendingCall(drop_given_up, nullptr);  // if the queue of 32 is full, the next call takes them too
  }

  void call(HostDesk* desk, int64_t number, std::span<std::byte* const> slots,
            std::span<const TensorType> results, std::span<const TensorType> operands) const override {
    Queue::Away away;
    const auto call = [&] { call_here(number, slots, results, operands); };
    desk ? desk->perform(call) : call();
  }

 private:
  void call_here(int64_t number, std::span<std::byte* const> slots, std::span<const TensorType> results,
                 std::span<const TensorType> operands) const {
    Gil gil;
    Inside here;
    Object outs(arrays(slots.first(results.size()), results, PyBUF_WRITE));
    Object ins(outs ? arrays(slots.subspan(results.size()), operands, PyBUF_READ) : nullptr);
    if (!ins) throw_python_error("host call", "cannot show arrays to Python");
    Object failure(call_python([&] {
      return PyObject_CallFunctionObjArgs(functions_.at(number), outs.pointer, ins.pointer, nullptr);
    }));
    if (!failure) throw_python_error("host call", "the function cannot be called");
    if (failure.pointer == Py_None) return;
    const char* text = PyUnicode_AsUTF8(failure.pointer);
    if (!text) throw_python_error("host call", "the function failed without a text");
    throw Error(Code::kInternal, std::string("[host call] error calling callback: ") + text);
  }

  std::map<int64_t, PyObject*> functions_;
};

}  // namespace

void end_host_calls() {
  ending = true;
  for (unsigned long thread : inside) PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
}

std::shared_ptr<const HostFunctions> functions_in_python(std::span<const int64_t> numbers) {
  if (numbers.empty()) return nullptr;
  Gil gil;
  drop_given_up(nullptr);
  std::map<int64_t, PyObject*> functions;
  const auto drop = [&] {
    for (auto& [number, function] : functions) Py_DECREF(function);
  };
  Object module(call_python([] { return PyImport_ImportModule("jax_ascend.callbacks"); }));
  if (!module) throw_python_error("compile", "cannot find the functions of callbacks");
  for (int64_t number : numbers) {
    Object function(call_python([&] {
      return PyObject_CallMethod(module.pointer, "function_of", "L", static_cast<long long>(number));
    }));
    if (!function) drop(), throw_python_error("compile", "cannot find the functions of callbacks");
    if (function.pointer == Py_None) {
      drop();
      throw Error(Code::kInvalidArgument,
                  "[compile] the program calls host function " + std::to_string(number) +
                      "; expected one that was lowered in this process and is still referred to, got none. "
                      "Lower the JAX function again.");
    }
    functions.emplace(number, function.release());
  }
  return std::make_shared<PythonFunctions>(std::move(functions));
}

}  // namespace ascend

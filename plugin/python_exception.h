// Python's GIL and exceptions where no binding library is at hand: JAX may load this library before, or
// without, importing the extension module.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <cxxabi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "plugin/error.h"

namespace ascend {

// Calls what takes the GIL, or may take it again. Once Python exits, a thread that asks for the GIL is ended
// by unwinding its stack (before CPython 3.14), which would destroy objects of Python without the GIL and
// which no `catch (...)` on its way may stop. Here it sleeps until the process is gone instead, as it does
// since 3.14.
template <class F>
auto call_python(F f) {
  try {
    return f();
  } catch (const abi::__forced_unwind&) {
    for (;;) pause();
  }
}

class Gil {
 public:
  Gil() : state_(call_python(PyGILState_Ensure)) {}
  ~Gil() { PyGILState_Release(state_); }
  Gil(const Gil&) = delete;

 private:
  PyGILState_STATE state_;
};

// Takes the exception that is set, as a new reference; the caller holds the GIL.
inline PyObject* take_exception() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *raised, *trace;
  PyErr_Fetch(&type, &raised, &trace);
  PyErr_NormalizeException(&type, &raised, &trace);
  if (trace && raised) PyException_SetTraceback(raised, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return raised;
#endif
}

// Whether this is the thread in which Python runs handlers of signals.
inline bool in_main_thread() { return syscall(SYS_gettid) == getpid(); }

// Takes the exception that is set and raises it in the main thread as soon as that one runs Python code
// again: what C++ code between here and there has no way to carry, such as KeyboardInterrupt. Holds the GIL.
inline void postpone_exception() {
  PyObject* exception = take_exception();
  const auto raise = [](void* e) {
    auto* raised = static_cast<PyObject*>(e);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised)), raised);
    Py_DECREF(raised);
    return -1;
  };
  if (Py_AddPendingCall(raise, exception) != 0) Py_DECREF(exception);  // the queue of 32 is full of others
}

}  // namespace ascend

// Python's handlers of signals, by the plain C API of Python.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plugin/python_exception.h"
#include "plugin/runtime/signals.h"

namespace ascend {

void check_signals() {
  Gil gil;
  if (PyErr_CheckSignals() == 0) return;  // always in threads other than Python's main one
  postpone_exception();
  throw Error(Code::kCancelled, "[execute] interrupted by a signal before the launch was accepted.");
}

}  // namespace ascend

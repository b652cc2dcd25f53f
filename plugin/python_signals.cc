// Python's handlers of signals, by the plain C API of Python.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plugin/python_exception.h"
#include "plugin/runtime/signals.h"

namespace ascend {

bool interrupted() {
  Gil gil;
  if (PyErr_CheckSignals() == 0) return false;  // always in threads other than Python's main one
  postpone_exception();
  return true;
}

}  // namespace ascend

// Python's handlers of signals, by the plain C API of Python.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plugin/python_exception.h"
#include "plugin/runtime/signals.h"

namespace ascend {

bool interrupted() {
  // Handlers run in Python's main thread. Others leave the GIL alone: taking it while Python exits ends them.
  if (!in_main_thread()) return false;
  Gil gil;
  if (PyErr_CheckSignals() == 0) return false;
  postpone_exception();
  return true;
}

}  // namespace ascend

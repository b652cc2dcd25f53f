// References to Python objects, and Python's exceptions as errors; callers hold the GIL.
#pragma once
#include <string>
#include <utility>

#include "plugin/python_exception.h"

namespace ascend {

// Whether Python ends: objects go with it, and a thread that waits for the GIL never gets it.
inline bool finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return !Py_IsInitialized() || Py_IsFinalizing();
#else
  return !Py_IsInitialized() || _Py_IsFinalizing();
#endif
}

struct Object {
  explicit Object(PyObject* pointer) : pointer(pointer) {}
  ~Object() { Py_XDECREF(pointer); }
  Object(const Object&) = delete;
  explicit operator bool() const { return pointer != nullptr; }
  PyObject* release() { return std::exchange(pointer, nullptr); }
  PyObject* pointer;
};

// The exception that is set, as an error: `[place] what: text`.
[[noreturn]] inline void throw_python_error(const char* place, const char* what) {
  Object value(take_exception());
  Object text(value ? PyObject_Str(value.pointer) : nullptr);
  const char* utf8 = text ? PyUnicode_AsUTF8(text.pointer) : nullptr;
  std::string message = utf8 ? utf8 : "an exception without a message";
  PyErr_Clear();
  throw Error(Code::kInternal, "[" + std::string(place) + "] " + what + ": " + message);
}

}  // namespace ascend

// DLPack's capsules over host memory that a Python object holds.
#pragma once
#include <Python.h>

#include <cstdint>
#include <vector>

namespace ascend {

// Returns a capsule that holds `owner` until the consumer is done with the memory: elements of DLPack's type
// `code` and `bits`, rows in order. Null if Python has raised. The caller holds the GIL.
PyObject* dlpack_capsule(PyObject* owner, uintptr_t address, std::vector<int64_t> shape, int code, int bits);

}  // namespace ascend

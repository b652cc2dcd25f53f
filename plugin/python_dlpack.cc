// DLPack's capsules over host memory that a Python object holds, by the plain C API of Python.
#define PY_SSIZE_T_CLEAN
#include "plugin/python_dlpack.h"

#include <memory>
#include <vector>

#include "plugin/python_object.h"

namespace ascend {
namespace {

// The interface of github.com/dmlc/dlpack, include/dlpack/dlpack.h, before version 1.0: what XLA:CPU gives
// out.
struct DLTensor {
  void* data;
  struct {
    int32_t type, id;
  } device;
  int32_t rank;
  struct {
    uint8_t code, bits;
    uint16_t lanes;
  } dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
constexpr int32_t kHost = 1;
constexpr const char* kName = "dltensor";  // until a consumer takes the tensor over and renames the capsule

struct Tensor {
  DLManagedTensor managed{};
  std::vector<int64_t> shape, strides;
  PyObject* owner;
};

// Called by the consumer, in any thread.
void drop(DLManagedTensor* managed) {
  std::unique_ptr<Tensor> tensor(static_cast<Tensor*>(managed->context));
  if (finalizing()) return;
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(tensor->owner);
  PyGILState_Release(state);
}

void drop_if_not_taken(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, kName)) return;
  drop(static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, kName)));
}

}  // namespace

PyObject* dlpack_capsule(PyObject* owner, uintptr_t address, std::vector<int64_t> shape, int code, int bits) {
  auto tensor = std::make_unique<Tensor>();
  tensor->strides.resize(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) tensor->strides[i] = stride;
  tensor->shape = std::move(shape);
  tensor->owner = owner;
  DLTensor& t = tensor->managed.tensor;
  t.data = reinterpret_cast<void*>(address);
  t.device = {kHost, 0};
  t.rank = static_cast<int32_t>(tensor->shape.size());
  t.dtype = {static_cast<uint8_t>(code), static_cast<uint8_t>(bits), 1};
  t.shape = tensor->shape.data();
  t.strides = tensor->strides.data();
  tensor->managed.context = tensor.get();
  tensor->managed.deleter = drop;
  PyObject* capsule = PyCapsule_New(&tensor->managed, kName, drop_if_not_taken);
  if (!capsule) return nullptr;
  Py_INCREF(owner);
  (void)tensor.release();
  return capsule;
}

}  // namespace ascend

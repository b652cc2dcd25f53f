// What Python registers for foreign calls: pointers in capsules, as jax.ffi.pycapsule and nanobind make them.
#include "plugin/ffi/module_ffi.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "plugin/error.h"
#include "plugin/ffi/registry.h"

namespace nb = nanobind;

namespace ascend::ffi {
namespace {

void* pointer_in(const std::string& name, nb::handle capsule, const char* what) {
  if (PyCapsule_CheckExact(capsule.ptr()))
    if (void* pointer = PyCapsule_GetPointer(capsule.ptr(), PyCapsule_GetName(capsule.ptr()))) return pointer;
  PyErr_Clear();
  throw Error(Code::kInvalidArgument, "[ffi " + shown(name) + "] " + what +
                                          "; expected a capsule with a pointer, as jax.ffi.pycapsule makes, "
                                          "got an object of type " +
                                          Py_TYPE(capsule.ptr())->tp_name + ".");
}

}  // namespace

void bind_ffi(nb::module_& m) {
  m.def(
      "register_ffi_handler",
      [](const std::string& name, const nb::list& capsules) {
        Stages stages;
        if (capsules.size() != kStages) throw nb::value_error("one handler or None per stage");
        for (int i = 0; i < kStages; ++i)
          if (!capsules[i].is_none())
            stages.handlers[i] = reinterpret_cast<Handler*>(pointer_in(name, capsules[i], "a handler"));
        register_handler(name, stages);
      },
      nb::arg("name"), nb::arg("stages"),
      "Registers capsules of XLA_FFI_Handler, or None, of the stages instantiate, prepare, initialize and "
      "execute.");
  m.def("ffi_handlers", &handler_names, "Returns the names that have a handler.");
  m.def(
      "register_ffi_type",
      [](const std::string& name, nb::handle type, nb::handle info) {
        register_type(name, static_cast<TypeId*>(pointer_in(name, type, "the id of a type")),
                      info.is_none()
                          ? nullptr
                          : static_cast<TypeInfo*>(pointer_in(name, info, "what is known of a type")));
      },
      nb::arg("name"), nb::arg("type_id"), nb::arg("type_info").none(),
      "Registers a type of state: capsules of XLA_FFI_TypeId, which gets an id, and XLA_FFI_TypeInfo or "
      "None.");
}

}  // namespace ascend::ffi

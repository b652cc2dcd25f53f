// XLA's C interface to foreign functions, as far as this platform serves it: names, layouts and codes are
// those of openxla/xla, xla/ffi/api/c_api.h (0.3, and what 0.5 adds), which jaxlib installs
// (jax.ffi.include_dir()). tests/pjrt/test_ffi.py compares every size and offset with the installed header.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ascend::ffi {

inline constexpr int kApiMajor = 0, kApiMinor = 5;  // what handlers are told
inline constexpr int kMetadataExtension = 1;

struct Extension {
  size_t struct_size;
  int type;
  Extension* next;
};

// Every struct that crosses the interface starts with these.
struct Head {
  size_t struct_size;
  Extension* extensions;
};

struct ApiVersion : Head {
  int major, minor;
};

struct Failure;  // what an operation that failed returns; null: it succeeded
struct Context;  // one call
struct Future;
struct Api;

struct Bytes {
  const char* data;
  size_t size;
};

enum class ArgumentType : int { kBuffer = 1 };
enum class AttributeType : int { kArray = 1, kDictionary = 2, kScalar = 3, kString = 4 };
enum class Stage : int { kInstantiate, kPrepare, kInitialize, kExecute };
inline constexpr int kStages = 4;

struct Buffer : Head {
  int dtype;  // of xla_data.proto, PrimitiveType
  void* data;
  int64_t rank;
  const int64_t* dims;
};
struct Scalar {
  int dtype;
  const void* value;
};
struct Array {
  int dtype;
  size_t size;
  const void* data;
};
struct List : Head {
  int64_t size;
  const ArgumentType* types;
  void* const* items;
};
struct Dictionary : Head {
  int64_t size;
  const AttributeType* types;
  const Bytes* const* names;
  const void* const* items;
};
struct CallFrame : Head {
  const Api* api;
  Context* context;
  Stage stage;
  List arguments, results;
  Dictionary attributes;
  Future* future;  // out
};

using Handler = Failure*(CallFrame*);

struct TypeId {
  int64_t id;  // 0: unknown
};
struct TypeInfo : Head {
  void (*deleter)(void*);
};
struct Metadata {
  size_t struct_size;
  ApiVersion version;
  uint32_t traits;
  TypeId state_type;
};
struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct ErrorCreate : Head {
  const char* message;
  int code;
};
struct ErrorDetails : Head {
  Failure* error;
  const char* message;  // out
  int code;             // out, since 0.4
};
struct ErrorDestroy : Head {
  Failure* error;
};
struct HandlerRegister : Head {
  Bytes name, platform;
  Handler* stages[kStages];  // since 0.4 there is one more
  uint32_t traits;
};
struct TypeRegister : Head {
  Bytes name;
  TypeId* type;
  const TypeInfo* info;
};
struct StateAccess : Head {  // to set and to get
  Context* context;
  Stage stage;
  TypeId* type;
  void* state;
};
struct ContextGet : Head {
  Context* context;
  TypeId* type;
  void* data;
};
struct StreamGet : Head {
  Context* context;
  void* stream;
};
struct MemoryAllocate : Head {
  Context* context;
  size_t size, alignment;
  void* data;
};
struct MemoryFree : Head {
  Context* context;
  size_t size;
  void* data;
};
struct PoolSchedule : Head {
  Context* context;
  void (*task)(void*);
  void* data;
};
struct PoolThreads : Head {
  Context* context;
  int64_t* threads;  // out
};
struct FutureCreate : Head {
  Future* future;  // out
};
struct FutureSet : Head {
  Future* future;
};
struct FutureFail : Head {
  Future* future;
  Failure* error;  // taken over
};
struct RunIdGet : Head {
  Context* context;
  int64_t id;  // out
};
struct DeviceGet : Head {
  Context* context;
  int32_t device;  // out
};
struct FindExtension : Head {
  Context* context;
  int64_t type;
  const void* extension;  // out
};
struct OptionsGet : Head {
  Context* context;
  const Dictionary* options;  // out
};

// The functions that a handler may call.
struct Api : Head {
  ApiVersion version;
  const void* internal;
  Failure* (*error_create)(ErrorCreate*);
  void (*error_details)(ErrorDetails*);
  void (*error_destroy)(ErrorDestroy*);
  Failure* (*handler_register)(HandlerRegister*);
  Failure* (*stream_get)(StreamGet*);
  Failure* (*type_register)(TypeRegister*);
  Failure* (*context_get)(ContextGet*);
  Failure* (*state_set)(StateAccess*);
  Failure* (*state_get)(StateAccess*);
  Failure* (*memory_allocate)(MemoryAllocate*);
  Failure* (*memory_free)(MemoryFree*);
  Failure* (*pool_schedule)(PoolSchedule*);
  Failure* (*pool_threads)(PoolThreads*);
  Failure* (*future_create)(FutureCreate*);
  Failure* (*future_set)(FutureSet*);
  Failure* (*future_fail)(FutureFail*);
  Failure* (*run_id_get)(RunIdGet*);
  Failure* (*device_get)(DeviceGet*);
  Failure* (*find_extension)(FindExtension*);  // since 0.4
  Failure* (*options_get)(OptionsGet*);        // since 0.4
  Failure* (*later[16])(void*);                // what versions to come may add
};

}  // namespace ascend::ffi

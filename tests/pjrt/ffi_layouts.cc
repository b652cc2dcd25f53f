// Compiles only if the structs of plugin/ffi/c_api.h lie in memory as those of the header that jaxlib installs.
#include "plugin/ffi/c_api.h"
#include "xla/ffi/api/c_api.h"

namespace ours = ascend::ffi;

#pragma GCC diagnostic ignored "-Winvalid-offsetof"
#define SAME(our, their, our_field, their_field)                             \
  static_assert(offsetof(ours::our, our_field) == offsetof(their, their_field) && \
                sizeof(ours::our::our_field) == sizeof(their::their_field), #our "." #our_field)

SAME(Extension, XLA_FFI_Metadata_Extension, type, extension_base.type);
SAME(ApiVersion, XLA_FFI_Api_Version, extensions, extension_start);
SAME(ApiVersion, XLA_FFI_Api_Version, minor, minor_version);
SAME(Bytes, XLA_FFI_ByteSpan, size, len);
SAME(Buffer, XLA_FFI_Buffer, dtype, dtype);
SAME(Buffer, XLA_FFI_Buffer, data, data);
SAME(Buffer, XLA_FFI_Buffer, rank, rank);
SAME(Buffer, XLA_FFI_Buffer, dims, dims);
SAME(Scalar, XLA_FFI_Scalar, value, value);
SAME(Array, XLA_FFI_Array, size, size);
SAME(Array, XLA_FFI_Array, data, data);
SAME(List, XLA_FFI_Args, size, size);
SAME(List, XLA_FFI_Args, types, types);
SAME(List, XLA_FFI_Rets, items, rets);
SAME(Dictionary, XLA_FFI_Attrs, types, types);
SAME(Dictionary, XLA_FFI_Attrs, names, names);
SAME(Dictionary, XLA_FFI_Attrs, items, attrs);
SAME(CallFrame, XLA_FFI_CallFrame, api, api);
SAME(CallFrame, XLA_FFI_CallFrame, context, ctx);
SAME(CallFrame, XLA_FFI_CallFrame, stage, stage);
SAME(CallFrame, XLA_FFI_CallFrame, arguments, args);
SAME(CallFrame, XLA_FFI_CallFrame, results, rets);
SAME(CallFrame, XLA_FFI_CallFrame, attributes, attrs);
SAME(CallFrame, XLA_FFI_CallFrame, future, future);
static_assert(sizeof(ours::CallFrame) - sizeof(void*) == XLA_FFI_CallFrame_STRUCT_SIZE);
SAME(TypeInfo, XLA_FFI_TypeInfo, deleter, deleter);
SAME(Metadata, XLA_FFI_Metadata, version, api_version);
SAME(Metadata, XLA_FFI_Metadata, traits, traits);
SAME(Metadata, XLA_FFI_Metadata, state_type, state_type_id);
SAME(MetadataExtension, XLA_FFI_Metadata_Extension, metadata, metadata);
SAME(ErrorCreate, XLA_FFI_Error_Create_Args, message, message);
SAME(ErrorCreate, XLA_FFI_Error_Create_Args, code, errc);
SAME(ErrorDestroy, XLA_FFI_Error_Destroy_Args, error, error);
SAME(HandlerRegister, XLA_FFI_Handler_Register_Args, platform, platform);
static_assert(offsetof(ours::HandlerRegister, stages) == offsetof(XLA_FFI_Handler_Register_Args, bundle));
SAME(TypeRegister, XLA_FFI_Type_Register_Args, type, type_id);
SAME(TypeRegister, XLA_FFI_Type_Register_Args, info, type_info);
SAME(StateAccess, XLA_FFI_State_Set_Args, stage, stage);
SAME(StateAccess, XLA_FFI_State_Set_Args, type, type_id);
SAME(StateAccess, XLA_FFI_State_Get_Args, state, state);
SAME(StreamGet, XLA_FFI_Stream_Get_Args, stream, stream);
SAME(MemoryAllocate, XLA_FFI_DeviceMemory_Allocate_Args, alignment, alignment);
SAME(MemoryAllocate, XLA_FFI_DeviceMemory_Allocate_Args, data, data);
SAME(MemoryFree, XLA_FFI_DeviceMemory_Free_Args, data, data);
SAME(PoolSchedule, XLA_FFI_ThreadPool_Schedule_Args, task, task);
SAME(PoolSchedule, XLA_FFI_ThreadPool_Schedule_Args, data, data);
SAME(PoolThreads, XLA_FFI_ThreadPool_NumThreads_Args, threads, num_threads);
SAME(FutureCreate, XLA_FFI_Future_Create_Args, future, future);
SAME(FutureFail, XLA_FFI_Future_SetError_Args, error, error);
SAME(RunIdGet, XLA_FFI_RunId_Get_Args, id, run_id);
SAME(DeviceGet, XLA_FFI_DeviceOrdinal_Get_Args, device, device_ordinal);
SAME(Api, XLA_FFI_Api, version, api_version);
SAME(Api, XLA_FFI_Api, internal, internal_api);
SAME(Api, XLA_FFI_Api, error_create, XLA_FFI_Error_Create);
SAME(Api, XLA_FFI_Api, error_destroy, XLA_FFI_Error_Destroy);
SAME(Api, XLA_FFI_Api, handler_register, XLA_FFI_Handler_Register);
SAME(Api, XLA_FFI_Api, stream_get, XLA_FFI_Stream_Get);
SAME(Api, XLA_FFI_Api, type_register, XLA_FFI_Type_Register);
SAME(Api, XLA_FFI_Api, state_set, XLA_FFI_State_Set);
SAME(Api, XLA_FFI_Api, state_get, XLA_FFI_State_Get);
SAME(Api, XLA_FFI_Api, memory_allocate, XLA_FFI_DeviceMemory_Allocate);
SAME(Api, XLA_FFI_Api, memory_free, XLA_FFI_DeviceMemory_Free);
SAME(Api, XLA_FFI_Api, pool_schedule, XLA_FFI_ThreadPool_Schedule);
SAME(Api, XLA_FFI_Api, pool_threads, XLA_FFI_ThreadPool_NumThreads);
SAME(Api, XLA_FFI_Api, future_create, XLA_FFI_Future_Create);
SAME(Api, XLA_FFI_Api, future_set, XLA_FFI_Future_SetAvailable);
SAME(Api, XLA_FFI_Api, future_fail, XLA_FFI_Future_SetError);
SAME(Api, XLA_FFI_Api, run_id_get, XLA_FFI_RunId_Get);
SAME(Api, XLA_FFI_Api, device_get, XLA_FFI_DeviceOrdinal_Get);
#if XLA_FFI_API_MINOR < 4
SAME(ErrorDetails, XLA_FFI_Error_GetMessage_Args, message, message);
SAME(Api, XLA_FFI_Api, error_details, XLA_FFI_Error_GetMessage);
SAME(Api, XLA_FFI_Api, context_get, XLA_FFI_ExecutionContext_Get);
SAME(ContextGet, XLA_FFI_ExecutionContext_Get_Args, data, data);
SAME(HandlerRegister, XLA_FFI_Handler_Register_Args, traits, traits);
#else
SAME(ErrorDetails, XLA_FFI_Error_GetDetails_Args, message, message);
SAME(ErrorDetails, XLA_FFI_Error_GetDetails_Args, code, errc);
SAME(Api, XLA_FFI_Api, error_details, XLA_FFI_Error_GetDetails);
SAME(Api, XLA_FFI_Api, context_get, XLA_FFI_InvokeContext_Get);
SAME(ContextGet, XLA_FFI_InvokeContext_Get_Args, data, data);
SAME(FindExtension, XLA_FFI_InvokeContext_FindExtension_Args, type, extension_type);
SAME(FindExtension, XLA_FFI_InvokeContext_FindExtension_Args, extension, extension);
SAME(OptionsGet, XLA_FFI_CustomOptions_Get_Args, options, attrs);
SAME(Api, XLA_FFI_Api, find_extension, XLA_FFI_InvokeContext_FindExtension);
SAME(Api, XLA_FFI_Api, options_get, XLA_FFI_CustomOptions_Get);
#endif

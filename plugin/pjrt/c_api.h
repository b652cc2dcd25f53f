// The PJRT C API as this plugin speaks it: the ABI facts of the interface, in a form of our own.
//
// Version 0.114 with what jaxlib passes since: up to 0.116 the function table has the same slots, and only
// ExecuteOptions has grown. tests/pjrt/test_c_api.py compares every struct with the jaxlib installed.
//
// One struct per slot, named after the slot, holds the arguments in ABI order; PJRT_SLOTS lists the slots in
// the order of the function table. Handles that the interface calls opaque are our own domain objects. Pairs
// of (pointer, count) are Text and List, which have the same layout. Callers of another version pass a
// shorter or longer struct: `has` says whether a late field exists before it is written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ascend {
class Buffer;
class Client;
class Device;
class Event;
class LoadedExecutable;
class MemorySpace;
struct DeviceDescription;
struct Topology;
}  // namespace ascend

// clang-format off: one struct a line.
namespace ascend::pjrt {

inline constexpr int kApiMajor = 0;
inline constexpr int kApiMinor = 114;

struct ExecutableHandle;  // a shared reference to an executable
struct Opaque;            // handles this plugin never hands out

struct Text {
  const char* data;
  size_t size;
  Text& operator=(std::string_view s) { return data = s.data(), size = s.size(), *this; }
  operator std::string_view() const { return {data, size}; }
};

template <class T>
struct List {
  T* items;
  size_t count;
  T* begin() const { return items; }
  T* end() const { return items + count; }
};

enum ExtensionType : int {
  kProfilerExtension = 1,
  kLayoutsExtension = 4,
  kMemoryDescriptionsExtension = 6,
  kShardingsExtension = 19,
};

struct Extension {
  size_t struct_size;
  ExtensionType type;
  const Extension* next;
};

struct Args {
  size_t struct_size;
  Extension* extension_start;
};

// Whether the caller's struct is long enough to hold `field`.
template <class A, class Field>
bool has(const A& args, const Field& field) {
  return reinterpret_cast<const char*>(&field + 1) <= reinterpret_cast<const char*>(&args) + args.struct_size;
}

// ---- errors: the first word of an error is a table through which newer callers go directly
struct Error;
using PayloadVisitor = void (*)(const char* key, size_t key_size, const char* value, size_t value_size, void* user);
struct ErrorTable {
  size_t struct_size, instance_size;
  Extension* extension_start;
  void (*destroy)(Error*);
  void (*message)(const Error*, const char** data, size_t* size);
  int (*code)(const Error*);
  void (*for_each_payload)(const Error*, PayloadVisitor, void* user);
};
struct Error_Destroy : Args { Error* error; };
struct Error_Message : Args { const Error* error; Text message; };
struct Error_GetCode : Args { const Error* error; int code; };
struct Error_ForEachPayload : Args { const Error* error; PayloadVisitor visitor; void* user; };

// ---- named values: attributes and options
enum NamedValueType : int { kString, kInt64, kInt64List, kFloat, kBool };
struct NamedValue : Args {
  Text name;
  NamedValueType type;
  union {
    const char* string_value;
    int64_t int64_value;
    const int64_t* int64_list;
    float float_value;
    bool bool_value;
  };
  size_t value_size;
};
using NamedValues = List<const NamedValue>;

// ---- plugin
struct Plugin_Initialize : Args {};
struct Plugin_Attributes : Args { NamedValues attributes; };

// ---- events
struct Event_Destroy : Args { Event* event; };
struct Event_IsReady : Args { Event* event; bool is_ready; };
struct Event_Error : Args { Event* event; };
struct Event_Await : Args { Event* event; };
struct Event_OnReady : Args { Event* event; void (*callback)(Error*, void* user); void* user; };
struct Event_Create : Args { Event* event; };
struct Event_Set : Args { Event* event; int code; Text message; };

// ---- element types are ascend::DType codes; layouts
struct TiledLayout : Args {
  List<const int64_t> minor_to_major;
  const int64_t* tile_dims;
  const size_t* tile_dim_sizes;
  size_t num_tiles;
};
struct StridedLayout : Args { List<const int64_t> byte_strides; };
enum LayoutType : int { kTiled, kStrides };
struct MemoryLayout : Args {
  union {
    TiledLayout tiled;
    StridedLayout strided;
  };
  LayoutType type;
};
struct ShapeSpec : Args { List<const int64_t> dims; int type; };
struct CompileInput : Args { char* code; size_t code_size; Text format; };

// ---- client; a caller's key-value store, which makes its errors by ours
using MakeError = Error* (*)(int code, const char* message, size_t size);
struct KeyValueGet : Args {
  Text key;
  int milliseconds;
  MakeError* make_error;
  void* user;
  char* value; size_t value_size;
  void (*deleter)(char* value);
};
struct KeyValuePut : Args { Text key, value; MakeError* make_error; void* user; };
struct Client_Create : Args {
  NamedValues options;
  Error* (*kv_get)(KeyValueGet*); void* kv_get_user;
  Error* (*kv_put)(KeyValuePut*); void* kv_put_user;
  Client* client;
  void* kv_try_get; void* kv_try_get_user;
};
struct Client_Destroy : Args { Client* client; };
struct Client_PlatformName : Args { Client* client; Text name; };
struct Client_ProcessIndex : Args { Client* client; int process_index; };
struct Client_PlatformVersion : Args { Client* client; Text version; };
struct Client_TopologyDescription : Args { Client* client; Topology* topology; };
struct Client_Devices : Args { Client* client; List<Device* const> devices; };
struct Client_AddressableDevices : Args { Client* client; List<Device* const> devices; };
struct Client_LookupDevice : Args { Client* client; int id; Device* device; };
struct Client_LookupAddressableDevice : Args { Client* client; int local_hardware_id; Device* device; };
struct Client_UpdateGlobalProcessInfo : Args { Client* client; List<void> infos; };
struct Client_AddressableMemories : Args { Client* client; List<MemorySpace* const> memories; };
struct Client_Compile : Args { Client* client; const CompileInput* program; Text options; LoadedExecutable* executable; };
struct Client_Load : Args { Client* client; ExecutableHandle* executable; Text options; LoadedExecutable* loaded; };
struct Client_DefaultDeviceAssignment : Args {
  Client* client;
  int num_replicas, num_partitions;
  size_t assignment_size;
  int* assignment;
};
struct Client_DmaMap : Args { Client* client; void* data; size_t size; };
struct Client_DmaUnmap : Args { Client* client; void* data; };
struct Client_CreateUninitializedBuffer : Args {
  Client* client;
  List<const int64_t> dims;
  int type;
  MemoryLayout* layout;
  Device* device;
  MemorySpace* memory;
  Buffer* buffer;
};
struct Client_CreateErrorBuffer : Args {
  Client* client;
  int code;
  Text message;
  List<const int64_t> dims;
  int type;
  MemoryLayout* layout;
  MemorySpace* memory;
  Buffer* buffer;
  NamedValues payload;
};
struct Client_CreateAliasBuffer : Args {
  Client* client;
  MemorySpace* memory;
  List<const int64_t> dims;
  int type;
  MemoryLayout* layout;
  Buffer* buffer;
  Opaque* fulfill;
};
struct Client_FulfillAliasBuffer : Args { Client* client; Buffer* buffer; int code; Text message; Opaque* fulfill; };
struct Client_BufferFromHostBuffer : Args {
  Client* client;
  const void* data;
  int type;
  List<const int64_t> dims;
  List<const int64_t> byte_strides;
  int host_buffer_semantics;
  Device* device;
  MemorySpace* memory;
  MemoryLayout* device_layout;
  Event* done_with_host_buffer;
  Buffer* buffer;
};
struct Client_CreateViewOfDeviceBuffer : Args {
  Client* client;
  void* data;
  List<const int64_t> dims;
  int type;
  MemoryLayout* layout;
  Device* device;
  void (*on_delete)(void* data, void* user);
  void* on_delete_user;
  intptr_t stream;
  Buffer* buffer;
  MemorySpace* memory;
};
struct Client_CreateBuffersForAsyncHostToDevice : Args {
  Client* client;
  List<ShapeSpec> shapes;
  List<MemoryLayout*> layouts;
  MemorySpace* memory;
  Opaque* manager;
};

// ---- asynchronous host-to-device transfers
struct AsyncHostToDeviceTransferManager_Destroy : Args { Opaque* manager; };
struct AsyncHostToDeviceTransferManager_TransferData : Args {
  Opaque* manager;
  int index;
  const void* data;
  int64_t offset, size;
  bool is_last;
  Event* done;
};
struct AsyncHostToDeviceTransferManager_TransferLiteral : Args {
  Opaque* manager;
  int index;
  const void* data;
  List<const int64_t> dims;
  int type;
  MemoryLayout* layout;
  Event* done;
};
struct AsyncHostToDeviceTransferManager_RetrieveBuffer : Args { Opaque* manager; int index; Buffer* buffer; };
struct AsyncHostToDeviceTransferManager_Device : Args { Opaque* manager; Device* device; };
struct AsyncHostToDeviceTransferManager_BufferCount : Args { Opaque* manager; size_t count; };
struct AsyncHostToDeviceTransferManager_BufferSize : Args { Opaque* manager; int index; size_t size; };
struct AsyncHostToDeviceTransferManager_SetBufferError : Args { Opaque* manager; int index; int code; Text message; };
struct AsyncHostToDeviceTransferManager_AddMetadata : Args { Opaque* manager; NamedValues metadata; };

// ---- device descriptions and devices
struct DeviceDescription_Id : Args { DeviceDescription* description; int id; };
struct DeviceDescription_ProcessIndex : Args { DeviceDescription* description; int process_index; };
struct DeviceDescription_Attributes : Args { DeviceDescription* description; size_t count; const NamedValue* attributes; };
struct DeviceDescription_Kind : Args { DeviceDescription* description; Text kind; };
struct DeviceDescription_DebugString : Args { DeviceDescription* description; Text text; };
struct DeviceDescription_ToString : Args { DeviceDescription* description; Text text; };
struct Device_GetDescription : Args { Device* device; DeviceDescription* description; };
struct Device_IsAddressable : Args { Device* device; bool is_addressable; };
struct Device_LocalHardwareId : Args { Device* device; int local_hardware_id; };
struct Device_AddressableMemories : Args { Device* device; List<MemorySpace* const> memories; };
struct Device_DefaultMemory : Args { Device* device; MemorySpace* memory; };
struct OptionalStat { int64_t value; bool is_set; };
struct Device_MemoryStats : Args {
  Device* device;
  int64_t bytes_in_use;
  OptionalStat peak_bytes_in_use, num_allocs, largest_alloc_size, bytes_limit, bytes_reserved, peak_bytes_reserved,
      bytes_reservable_limit, largest_free_block_bytes, pool_bytes, peak_pool_bytes, peak_allocated_bytes;
};
struct Device_ClearMemoryStats : Args { Device* device; };
struct Device_PoisonExecution : Args {
  Device* device;
  int32_t launch_id;
  int code;
  Text message;
  bool poisoned;
  NamedValues payload;
};
struct Device_GetAttributes : Args { Device* device; NamedValues attributes; void* owner; void (*deleter)(void* owner); };
struct Device_CreateAsyncTrackingEvent : Args { Device* device; Text description; Opaque* event; };
struct AsyncTrackingEvent_Destroy : Args { Opaque* event; };

// ---- memory spaces: the first word is a table through which callers attach data of their own
struct MemoryTable {
  size_t struct_size;
  Extension* extension_start;
  size_t instance_size;
  void* (*get_user_data)(MemorySpace*, const void* key);
  void (*set_user_data)(MemorySpace*, const void* key, void* data, void (*destroy)(void*));
};
struct Memory_Id : Args { MemorySpace* memory; int id; };
struct Memory_Kind : Args { MemorySpace* memory; Text kind; };
struct Memory_Kind_Id : Args { MemorySpace* memory; int kind_id; };
struct Memory_DebugString : Args { MemorySpace* memory; Text text; };
struct Memory_ToString : Args { MemorySpace* memory; Text text; };
struct Memory_AddressableByDevices : Args { MemorySpace* memory; List<Device* const> devices; };

// ---- executables
struct ExecuteContext_Create : Args { Opaque* context; };
struct ExecuteContext_Destroy : Args { Opaque* context; };
struct Executable_Destroy : Args { ExecutableHandle* executable; };
struct Executable_Name : Args { ExecutableHandle* executable; Text name; };
struct Executable_NumReplicas : Args { ExecutableHandle* executable; size_t count; };
struct Executable_NumPartitions : Args { ExecutableHandle* executable; size_t count; };
struct Executable_NumOutputs : Args { ExecutableHandle* executable; size_t count; };
struct Executable_SizeOfGeneratedCodeInBytes : Args { ExecutableHandle* executable; int64_t size; };
struct Executable_Fingerprint : Args { ExecutableHandle* executable; Text fingerprint; };
struct Executable_GetCostAnalysis : Args { ExecutableHandle* executable; size_t count; const NamedValue* properties; };
struct SideMemoryStats { int64_t generated_code, argument, output, alias, temp; };
struct Executable_GetCompiledMemoryStats : Args {
  ExecutableHandle* executable;
  SideMemoryStats device, host;
  int64_t peak_memory, total_size, total_allocation, indefinite_allocations, peak_unpadded_heap;
};
struct Executable_OutputElementTypes : Args { ExecutableHandle* executable; List<const int> types; };
struct Executable_OutputDimensions : Args {
  ExecutableHandle* executable;
  size_t count;
  const int64_t* dims;
  const size_t* ranks;
};
struct MemoryKinds : Args { ExecutableHandle* executable; size_t count; const char* const* kinds; const size_t* sizes; };
struct Executable_ParameterMemoryKinds : MemoryKinds {};
struct Executable_OutputMemoryKinds : MemoryKinds {};
struct Executable_OptimizedProgram : Args { ExecutableHandle* executable; CompileInput* program; };
struct Executable_Serialize : Args {
  const ExecutableHandle* executable;
  Text bytes;
  void* owner;
  void (*deleter)(void* owner);
};
struct Executable_GetCompileOptions : Args { ExecutableHandle* executable; Text bytes; void* owner; void (*deleter)(void* owner); };
struct Executable_DeserializeAndLoad : Args {
  Client* client;
  Text bytes;
  LoadedExecutable* loaded;
  Text overridden_options;
  void* load_options;
};
struct LoadedExecutable_Destroy : Args { LoadedExecutable* executable; };
struct LoadedExecutable_GetExecutable : Args { LoadedExecutable* loaded; ExecutableHandle* executable; };
struct LoadedExecutable_GetDeviceAssignment : Args {
  LoadedExecutable* executable;
  Text bytes;
  void* owner;
  void (*deleter)(void* owner);
};
struct LogicalDeviceId { int replica, partition; };
struct LoadedExecutable_AddressableDevices : Args { LoadedExecutable* executable; List<Device* const> devices; };
struct LoadedExecutable_AddressableDeviceLogicalIds : Args { LoadedExecutable* executable; List<LogicalDeviceId> ids; };
struct LoadedExecutable_Delete : Args { LoadedExecutable* executable; };
struct LoadedExecutable_IsDeleted : Args { LoadedExecutable* executable; bool is_deleted; };
struct LoadedExecutable_Fingerprint : Args { LoadedExecutable* executable; Text fingerprint; };
struct ExecuteOptions : Args {
  void* send_callbacks; void* recv_callbacks;
  size_t num_send_ops, num_recv_ops;
  int launch_id;
  List<const int64_t> non_donatable_inputs;
  Opaque* context;
  const char* call_location;
  size_t num_tasks;
  int* task_ids;
  int64_t* incarnation_ids;
  void* multi_slice_config;
  bool use_major_to_minor_data_layout_for_callbacks;
  List<void> hlo_output_callbacks;
  NamedValues custom_options;  // not before 0.115
};
struct LoadedExecutable_Execute : Args {
  LoadedExecutable* executable;
  ExecuteOptions* options;
  Buffer* const* const* argument_lists;
  size_t num_devices, num_args;
  Buffer** const* output_lists;
  Event** device_complete_events;
  Device* execute_device;
};

// ---- buffers
struct Buffer_Destroy : Args { Buffer* buffer; };
struct Buffer_ElementType : Args { Buffer* buffer; int type; };
struct Buffer_Dimensions : Args { Buffer* buffer; List<const int64_t> dims; };
struct Buffer_UnpaddedDimensions : Args { Buffer* buffer; List<const int64_t> dims; };
struct Buffer_DynamicDimensionIndices : Args { Buffer* buffer; List<const size_t> indices; };
struct Buffer_GetMemoryLayout : Args { Buffer* buffer; MemoryLayout layout; };
struct Buffer_ToHostBuffer : Args { Buffer* buffer; MemoryLayout* host_layout; void* data; size_t size; Event* event; };
struct Buffer_OnDeviceSizeInBytes : Args { Buffer* buffer; size_t size; };
struct Buffer_Delete : Args { Buffer* buffer; };
struct Buffer_IsDeleted : Args { Buffer* buffer; bool is_deleted; };
struct Buffer_CopyRawToHost : Args { Buffer* buffer; void* data; int64_t offset, size; Event* event; };
struct Buffer_CopyRawToHostFuture : Args { Buffer* buffer; int64_t offset, size; Event* event; void* user; void* callback; };
struct Buffer_CopyToDevice : Args { Buffer* buffer; Device* device; Buffer* copy; };
struct Buffer_CopyToMemory : Args { Buffer* buffer; MemorySpace* memory; Buffer* copy; };
struct Buffer_Bitcast : Args { Buffer* buffer; int type; List<const int64_t> dims; MemoryLayout* layout; Buffer* result; };
struct Buffer_IsOnCpu : Args { Buffer* buffer; bool is_on_cpu; };
struct Buffer_Device : Args { Buffer* buffer; Device* device; };
struct Buffer_Memory : Args { Buffer* buffer; MemorySpace* memory; };
struct Buffer_ReadyEvent : Args { Buffer* buffer; Event* event; };
struct Buffer_UnsafePointer : Args { Buffer* buffer; uintptr_t pointer; };
struct Buffer_IncreaseExternalReferenceCount : Args { Buffer* buffer; };
struct Buffer_DecreaseExternalReferenceCount : Args { Buffer* buffer; };
struct Buffer_OpaqueDeviceMemoryDataPointer : Args { Buffer* buffer; void* pointer; };
struct Buffer_DonateWithControlDependency : Args { Buffer* buffer; void* user; void* callback; Buffer* result; };
struct CopyToDeviceStream_Destroy : Args { Opaque* stream; };
struct CopyToDeviceStream_AddChunk : Args { Opaque* stream; void* chunk; Event* done; };
struct CopyToDeviceStream_TotalBytes : Args { Opaque* stream; int64_t bytes; };
struct CopyToDeviceStream_GranuleSize : Args { Opaque* stream; int64_t bytes; };
struct CopyToDeviceStream_CurrentBytes : Args { Opaque* stream; int64_t bytes; };

// ---- topologies: what ahead-of-time compilation knows of devices
struct TopologyDescription_Create : Args { Text name; NamedValues options; Topology* topology; };
struct TopologyDescription_Destroy : Args { Topology* topology; };
struct TopologyDescription_PlatformName : Args { const Topology* topology; Text name; };
struct TopologyDescription_PlatformVersion : Args { const Topology* topology; Text version; };
struct TopologyDescription_GetDeviceDescriptions : Args { const Topology* topology; List<DeviceDescription* const> descriptions; };
struct TopologyDescription_Serialize : Args { const Topology* topology; Text bytes; void* owner; void (*deleter)(void* owner); };
struct TopologyDescription_Deserialize : Args { Text bytes; Topology* topology; };
struct TopologyDescription_Attributes : Args { const Topology* topology; NamedValues attributes; };
struct TopologyDescription_Fingerprint : Args { const Topology* topology; uint64_t fingerprint; };
struct TopologyDescription_MakeCanonicalShapeForMemorySpace : Args {
  const Topology* topology;
  int memory_space_kind_id;
  List<const int64_t> dims;
  int type;
  const MemoryLayout* layout;
  Text shape;
  void (*deleter)(const char*);
};
struct TopologyDescription_GetMemorySpaceKindIds : Args { const Topology* topology; List<const int> kind_ids; };
struct Compile : Args {
  const Topology* topology;
  const CompileInput* program;
  Text options;
  Client* client;
  ExecutableHandle* executable;
};

// The function table's slots, in order.
#define PJRT_SLOTS(X) \
  X(Error_Destroy) X(Error_Message) X(Error_GetCode) X(Plugin_Initialize) X(Plugin_Attributes) X(Event_Destroy) \
  X(Event_IsReady) X(Event_Error) X(Event_Await) X(Event_OnReady) X(Client_Create) X(Client_Destroy) \
  X(Client_PlatformName) X(Client_ProcessIndex) X(Client_PlatformVersion) X(Client_Devices) \
  X(Client_AddressableDevices) X(Client_LookupDevice) X(Client_LookupAddressableDevice) \
  X(Client_AddressableMemories) X(Client_Compile) X(Client_DefaultDeviceAssignment) X(Client_BufferFromHostBuffer) \
  X(DeviceDescription_Id) X(DeviceDescription_ProcessIndex) X(DeviceDescription_Attributes) \
  X(DeviceDescription_Kind) X(DeviceDescription_DebugString) X(DeviceDescription_ToString) X(Device_GetDescription) \
  X(Device_IsAddressable) X(Device_LocalHardwareId) X(Device_AddressableMemories) X(Device_DefaultMemory) \
  X(Device_MemoryStats) X(Memory_Id) X(Memory_Kind) X(Memory_DebugString) X(Memory_ToString) \
  X(Memory_AddressableByDevices) X(Executable_Destroy) X(Executable_Name) X(Executable_NumReplicas) \
  X(Executable_NumPartitions) X(Executable_NumOutputs) X(Executable_SizeOfGeneratedCodeInBytes) \
  X(Executable_GetCostAnalysis) X(Executable_OutputMemoryKinds) X(Executable_OptimizedProgram) \
  X(Executable_Serialize) X(LoadedExecutable_Destroy) X(LoadedExecutable_GetExecutable) \
  X(LoadedExecutable_AddressableDevices) X(LoadedExecutable_Delete) X(LoadedExecutable_IsDeleted) \
  X(LoadedExecutable_Execute) X(Executable_DeserializeAndLoad) X(LoadedExecutable_Fingerprint) X(Buffer_Destroy) \
  X(Buffer_ElementType) X(Buffer_Dimensions) X(Buffer_UnpaddedDimensions) X(Buffer_DynamicDimensionIndices) \
  X(Buffer_GetMemoryLayout) X(Buffer_OnDeviceSizeInBytes) X(Buffer_Device) X(Buffer_Memory) X(Buffer_Delete) \
  X(Buffer_IsDeleted) X(Buffer_CopyToDevice) X(Buffer_ToHostBuffer) X(Buffer_IsOnCpu) X(Buffer_ReadyEvent) \
  X(Buffer_UnsafePointer) X(Buffer_IncreaseExternalReferenceCount) X(Buffer_DecreaseExternalReferenceCount) \
  X(Buffer_OpaqueDeviceMemoryDataPointer) X(CopyToDeviceStream_Destroy) X(CopyToDeviceStream_AddChunk) \
  X(CopyToDeviceStream_TotalBytes) X(CopyToDeviceStream_GranuleSize) X(CopyToDeviceStream_CurrentBytes) \
  X(TopologyDescription_Create) X(TopologyDescription_Destroy) X(TopologyDescription_PlatformName) \
  X(TopologyDescription_PlatformVersion) X(TopologyDescription_GetDeviceDescriptions) \
  X(TopologyDescription_Serialize) X(TopologyDescription_Attributes) X(Compile) X(Executable_OutputElementTypes) \
  X(Executable_OutputDimensions) X(Buffer_CopyToMemory) X(Client_CreateViewOfDeviceBuffer) \
  X(Executable_Fingerprint) X(Client_TopologyDescription) X(Executable_GetCompiledMemoryStats) X(Memory_Kind_Id) \
  X(ExecuteContext_Create) X(ExecuteContext_Destroy) X(Buffer_CopyRawToHost) \
  X(AsyncHostToDeviceTransferManager_Destroy) X(AsyncHostToDeviceTransferManager_TransferData) \
  X(Client_CreateBuffersForAsyncHostToDevice) X(AsyncHostToDeviceTransferManager_RetrieveBuffer) \
  X(AsyncHostToDeviceTransferManager_Device) X(AsyncHostToDeviceTransferManager_BufferCount) \
  X(AsyncHostToDeviceTransferManager_BufferSize) X(AsyncHostToDeviceTransferManager_SetBufferError) \
  X(AsyncHostToDeviceTransferManager_AddMetadata) X(Client_DmaMap) X(Client_DmaUnmap) \
  X(Client_CreateUninitializedBuffer) X(Client_UpdateGlobalProcessInfo) X(TopologyDescription_Deserialize) \
  X(Client_CreateAliasBuffer) X(Client_FulfillAliasBuffer) X(LoadedExecutable_GetDeviceAssignment) \
  X(Client_CreateErrorBuffer) X(AsyncHostToDeviceTransferManager_TransferLiteral) X(Buffer_CopyRawToHostFuture) \
  X(Device_PoisonExecution) X(Device_CreateAsyncTrackingEvent) X(AsyncTrackingEvent_Destroy) \
  X(Executable_GetCompileOptions) X(Buffer_DonateWithControlDependency) X(Event_Create) X(Event_Set) \
  X(Device_GetAttributes) X(Client_Load) X(LoadedExecutable_AddressableDeviceLogicalIds) X(Buffer_Bitcast) \
  X(Error_ForEachPayload) X(TopologyDescription_Fingerprint) X(Executable_ParameterMemoryKinds) \
  X(Device_ClearMemoryStats) X(TopologyDescription_MakeCanonicalShapeForMemorySpace) \
  X(TopologyDescription_GetMemorySpaceKindIds)

template <class A>
using Slot = Error* (*)(A*);

struct Api {
  size_t struct_size;
  const Extension* extension_start;
  struct {
    size_t struct_size;
    Extension* extension_start;
    int major, minor;
  } version;
#define X(name) Slot<name> name##_;
  PJRT_SLOTS(X)
#undef X
};

// ---- extensions
struct Layout;  // a serialised layout
struct Layouts_Destroy : Args { Layout* layout; };
struct Layouts_Serialize : Args { Layout* layout; Text bytes; void* owner; void (*deleter)(void* owner); };
struct Layouts_OfBuffer : Args { Buffer* buffer; Layout* layout; };
struct Layouts_ClientDefault : Args { Client* client; int type; List<const int64_t> dims; Layout* layout; };
struct Layouts_TopologyDefault : Args { Topology* topology; int type; List<const int64_t> dims; Layout* layout; };
struct Layouts_Outputs : Args { ExecutableHandle* executable; size_t count; Layout** layouts; };
struct Layouts_Parameters : Args { ExecutableHandle* executable; size_t count; Layout** layouts; };
struct LayoutsExtension : Extension {
  Slot<Layouts_Destroy> destroy;
  Slot<Layouts_Serialize> serialize;
  Slot<Layouts_ClientDefault> client_default;
  Slot<Layouts_OfBuffer> of_buffer;
  Slot<Layouts_TopologyDefault> topology_default;
  Slot<Layouts_Outputs> outputs;
  Slot<Layouts_Parameters> parameters;
};

struct MemoryDescription;
struct MemoryDescriptions_OfDevice : Args {
  DeviceDescription* description;
  List<const MemoryDescription* const> memories;
  size_t default_index;
};
struct MemoryDescriptions_Kind : Args { const MemoryDescription* memory; Text kind; int kind_id; };
struct MemoryDescriptionsExtension : Extension {
  Slot<MemoryDescriptions_OfDevice> of_device;
  Slot<MemoryDescriptions_Kind> kind;
};

// What is passed to the profiler has no chain of extensions, and its size is not set.
struct Profiler;
struct ProfilerArgs { size_t struct_size; };
struct ProfilerErrorArgs : ProfilerArgs { void* state; };
struct Profiler_Error_Destroy : ProfilerErrorArgs { Error* error; };
struct Profiler_Error_Message : ProfilerErrorArgs { const Error* error; Text message; };
struct Profiler_Error_GetCode : ProfilerErrorArgs { const Error* error; int code; };
struct Profiler_Create : ProfilerArgs { Text options; Profiler* profiler; };
struct Profiler_Destroy : ProfilerArgs { Profiler* profiler; };
struct Profiler_Start : ProfilerArgs { Profiler* profiler; };
struct Profiler_Stop : ProfilerArgs { Profiler* profiler; };
struct Profiler_CollectData : ProfilerArgs { Profiler* profiler; uint8_t* buffer; size_t size; };
struct ProfilerApi {
  size_t struct_size;
  void* state;
  void (*error_destroy)(Profiler_Error_Destroy*);
  void (*error_message)(Profiler_Error_Message*);
  Slot<Profiler_Error_GetCode> error_code;
  Slot<Profiler_Create> create;
  Slot<Profiler_Destroy> destroy;
  Slot<Profiler_Start> start;
  Slot<Profiler_Stop> stop;
  Slot<Profiler_CollectData> collect_data;
};
struct ProfilerExtension : Extension {
  const ProfilerApi* api;
  int64_t traced_call;  // where it goes with arguments; there is no `api` then
};

struct ShardingList : Args { ExecutableHandle* executable; size_t count; const char* const* shardings; const size_t* sizes; };
struct Shardings_Parameters : ShardingList {};
struct Shardings_Outputs : ShardingList {};
struct ShardingsExtension : Extension {
  Slot<Shardings_Parameters> parameters;
  Slot<Shardings_Outputs> outputs;
};

// What callers pass besides the arguments of slots: arguments of extensions, and structs inside of arguments.
#define PJRT_OTHER_STRUCTS(X) \
  X(Layouts_Destroy) X(Layouts_Serialize) X(Layouts_ClientDefault) X(Layouts_OfBuffer) X(Layouts_TopologyDefault) \
  X(Layouts_Outputs) X(Layouts_Parameters) X(MemoryDescriptions_OfDevice) X(MemoryDescriptions_Kind) \
  X(Shardings_Parameters) X(Shardings_Outputs) X(NamedValue) X(CompileInput) X(ExecuteOptions)

}  // namespace ascend::pjrt
// clang-format on

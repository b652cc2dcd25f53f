// PJRT_Client.
#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {
namespace {

// What the caller's processes share, as PJRT_Client_Create hands it over.
class CallersStore final : public KeyValueStore {
 public:
  explicit CallersStore(const Client_Create& args) : args_(args) {}

  void put(const std::string& key, const std::string& value) override {
    MakeError make = make_error;
    KeyValuePut a{};
    a.struct_size = sizeof a;
    a.key = key, a.value = value, a.make_error = &make, a.user = args_.kv_put_user;
    if (Error* error = args_.kv_put(&a)) fail(take_status(error));
  }

  std::unique_ptr<std::string> get(const std::string& key, std::chrono::milliseconds time) override {
    MakeError make = make_error;
    KeyValueGet a{};
    a.struct_size = sizeof a;
    a.key = key, a.make_error = &make, a.user = args_.kv_get_user;
    a.milliseconds = static_cast<int>(time.count());
    if (Error* error = args_.kv_get(&a)) {
      const Status status = take_status(error);
      if (status->code == Code::kDeadlineExceeded) return nullptr;
      fail(status);
    }
    auto value = std::make_unique<std::string>(a.value, a.value_size);
    a.deleter(a.value);
    return value;
  }

 private:
  static Error* make_error(int code, const char* message, size_t size) {
    return to_error(std::make_shared<Failure>(Failure{static_cast<Code>(code), std::string(message, size)}));
  }
  [[noreturn]] static void fail(const Status& status) {
    throw ascend::Error(status->code, "[client] the processes cannot meet: " + status->message);
  }
  const Client_Create& args_;
};

MemorySpace* memory_of(Device* device, MemorySpace* memory) {
  if (memory) device = memory->device;
  if (device) device->check_addressable();
  if (memory) return memory;
  if (device) return &device->device_memory;
  throw ascend::Error(Code::kInvalidArgument,
                      "[client] no place for the buffer; expected a device or a memory.");
}

// Arrays here are row-major; a caller may say so, and no more.
void check_layout(const MemoryLayout* layout, size_t rank) {
  if (!layout || layout->type != kTiled) return;
  auto order = to_span(layout->tiled.minor_to_major);
  bool row_major = layout->tiled.num_tiles == 0 && order.size() == rank;
  for (size_t i = 0; row_major && i < rank; ++i) row_major = order[i] == static_cast<int64_t>(rank - 1 - i);
  if (!row_major && rank > 1)
    throw ascend::Error(Code::kUnimplemented, "[client] unsupported device layout; expected row-major.");
}

void fill_buffer_makers(Api& api) {
  fill(api.Client_BufferFromHostBuffer_, [](Client_BufferFromHostBuffer& a) {
    check_layout(a.device_layout, a.dims.count);
    a.buffer = Buffer::from_host(a.data, element_type(a.type), to_vector(a.dims), to_span(a.byte_strides),
                                 memory_of(a.device, a.memory));
    a.done_with_host_buffer = Event::ready().release();
  });
  fill(api.Client_CreateUninitializedBuffer_, [](Client_CreateUninitializedBuffer& a) {
    check_layout(a.layout, a.dims.count);
    a.buffer =
        new Buffer(element_type(a.type), to_vector(a.dims), memory_of(a.device, a.memory), Event::ready());
  });
  fill(api.Client_CreateErrorBuffer_, [](Client_CreateErrorBuffer& a) {
    auto failure = std::make_shared<Failure>(Failure{static_cast<Code>(a.code), std::string(a.message)});
    a.buffer = new Buffer(element_type(a.type), to_vector(a.dims), memory_of(nullptr, a.memory),
                          Event::failed(failure));
  });
  fill(api.Client_CreateViewOfDeviceBuffer_, [](Client_CreateViewOfDeviceBuffer& a) {
    check_layout(a.layout, a.dims.count);
    MemorySpace* memory = memory_of(a.device, has(a, a.memory) ? a.memory : nullptr);
    auto buffer = std::make_unique<Buffer>(element_type(a.type), to_vector(a.dims), memory, Ref<Storage>(),
                                           Event::ready());
    std::function<void()> release;
    if (a.on_delete)
      release = [call = a.on_delete, data = a.data, user = a.on_delete_user] { call(data, user); };
    auto storage = make_ref<Storage>(static_cast<std::byte*>(a.data), buffer->bytes, std::move(release));
    a.buffer = new Buffer(buffer->dtype, buffer->dims, memory, storage, Event::ready());
  });
}

}  // namespace

void fill_client(Api& api) {
  fill(api.Client_Create_, [](Client_Create& a) {
    for (const NamedValue& option : a.options) note_size(option);
    CallersStore store(a);
    a.client = new Client(Client::Options::from(a.options), a.kv_get && a.kv_put ? &store : nullptr);
  });
  fill(api.Client_Destroy_, [](Client_Destroy& a) { delete a.client; });
  fill(api.Client_PlatformName_, [](Client_PlatformName& a) { a.name = kPlatformName; });
  fill(api.Client_ProcessIndex_, [](Client_ProcessIndex& a) { a.process_index = a.client->process(); });
  fill(api.Client_PlatformVersion_,
       [](Client_PlatformVersion& a) { a.version = a.client->platform_version; });
  fill(api.Client_TopologyDescription_,
       [](Client_TopologyDescription& a) { a.topology = a.client->topology.get(); });
  fill(api.Client_Devices_,
       [](Client_Devices& a) { a.devices = {a.client->devices.data(), a.client->devices.size()}; });
  fill(api.Client_AddressableDevices_, [](Client_AddressableDevices& a) {
    a.devices = {a.client->addressable_devices.data(), a.client->addressable_devices.size()};
  });
  fill(api.Client_LookupDevice_, [](Client_LookupDevice& a) { a.device = a.client->device(a.id); });
  fill(api.Client_LookupAddressableDevice_, [](Client_LookupAddressableDevice& a) {
    a.device = a.client->addressable_device(a.local_hardware_id);
  });
  fill(api.Client_UpdateGlobalProcessInfo_, [](Client_UpdateGlobalProcessInfo&) {});
  fill(api.Client_AddressableMemories_, [](Client_AddressableMemories& a) {
    a.memories = {a.client->memories.data(), a.client->memories.size()};
  });
  fill(api.Client_DefaultDeviceAssignment_, [](Client_DefaultDeviceAssignment& a) {
    size_t count = static_cast<size_t>(a.num_replicas) * a.num_partitions;
    const auto& own = a.client->addressable_devices;
    if (count > a.assignment_size || count > a.client->devices.size())
      throw ascend::Error(Code::kInvalidArgument,
                          "[client] too few devices; expected at least " + std::to_string(count) + "; got " +
                              std::to_string(a.client->devices.size()) + ". Set JAX_ASCEND_DEVICES.");
    for (size_t i = 0; i < count; ++i)
      a.assignment[i] = count <= own.size() ? own[i]->description->id : static_cast<int>(i);
  });
  // Host memory is directly readable by the emulated device, mapped or not.
  fill(api.Client_DmaMap_, [](Client_DmaMap&) {});
  fill(api.Client_DmaUnmap_, [](Client_DmaUnmap&) {});
  fill_buffer_makers(api);
}

}  // namespace ascend::pjrt

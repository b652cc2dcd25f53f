// PJRT_DeviceDescription and PJRT_Device.
#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {
namespace {

void fill_descriptions(Api& api) {
  fill(api.DeviceDescription_Id_, [](DeviceDescription_Id& a) { a.id = a.description->id; });
  fill(api.DeviceDescription_ProcessIndex_,
       [](DeviceDescription_ProcessIndex& a) { a.process_index = a.description->process; });
  fill(api.DeviceDescription_Attributes_, [](DeviceDescription_Attributes& a) {
    auto view = a.description->attributes.view();
    a.count = view.count;
    a.attributes = view.items;
  });
  fill(api.DeviceDescription_Kind_, [](DeviceDescription_Kind& a) { a.kind = a.description->kind; });
  fill(api.DeviceDescription_DebugString_,
       [](DeviceDescription_DebugString& a) { a.text = a.description->text; });
  fill(api.DeviceDescription_ToString_, [](DeviceDescription_ToString& a) { a.text = a.description->text; });
}

}  // namespace

void fill_devices(Api& api) {
  fill_descriptions(api);
  fill(api.Device_GetDescription_, [](Device_GetDescription& a) { a.description = a.device->description; });
  fill(api.Device_IsAddressable_,
       [](Device_IsAddressable& a) { a.is_addressable = a.device->addressable(); });
  fill(api.Device_LocalHardwareId_,
       [](Device_LocalHardwareId& a) { a.local_hardware_id = a.device->description->local_id; });
  fill(api.Device_AddressableMemories_, [](Device_AddressableMemories& a) {
    a.memories = {a.device->memories, std::size(a.device->memories)};
  });
  fill(api.Device_DefaultMemory_, [](Device_DefaultMemory& a) { a.memory = &a.device->device_memory; });
  fill(api.Device_MemoryStats_, [](Device_MemoryStats& a) {
    MemoryStats stats = a.device->device_memory.arena->stats();
    a.bytes_in_use = static_cast<int64_t>(stats.in_use);
    auto set = [&](OptionalStat& stat, uint64_t value) {
      if (has(a, stat.is_set)) stat = {static_cast<int64_t>(value), true};
    };
    auto unset = [&](OptionalStat& stat) {
      if (has(a, stat.is_set)) stat.is_set = false;
    };
    set(a.peak_bytes_in_use, stats.peak);
    set(a.num_allocs, stats.allocations);
    set(a.largest_alloc_size, stats.largest);
    set(a.bytes_limit, stats.limit);
    set(a.bytes_reserved, 0);
    set(a.peak_bytes_reserved, 0);
    set(a.bytes_reservable_limit, stats.limit);
    set(a.largest_free_block_bytes, stats.limit - stats.in_use);
    set(a.pool_bytes, stats.reserved);
    unset(a.peak_pool_bytes);
    unset(a.peak_allocated_bytes);
  });
  fill(api.Device_ClearMemoryStats_,
       [](Device_ClearMemoryStats& a) { a.device->device_memory.arena->clear_stats(); });
  fill(api.Device_GetAttributes_, [](Device_GetAttributes& a) {
    a.attributes = a.device->description->attributes.view();
    a.owner = nullptr;
    a.deleter = [](void*) {};  // they live as long as the device
  });
}

}  // namespace ascend::pjrt

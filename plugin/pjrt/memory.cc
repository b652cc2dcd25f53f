// PJRT_Memory, and the extension that describes memories to ahead-of-time compilation.
#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {

struct MemoryDescription {
  int kind_id;
};

void fill_memories(Api& api) {
  fill(api.Memory_Id_, [](Memory_Id& a) { a.id = a.memory->id; });
  fill(api.Memory_Kind_, [](Memory_Kind& a) { a.kind = a.memory->kind; });
  fill(api.Memory_Kind_Id_, [](Memory_Kind_Id& a) { a.kind_id = a.memory->kind_id; });
  fill(api.Memory_DebugString_, [](Memory_DebugString& a) { a.text = a.memory->text; });
  fill(api.Memory_ToString_, [](Memory_ToString& a) { a.text = a.memory->text; });
  fill(api.Memory_AddressableByDevices_,
       [](Memory_AddressableByDevices& a) { a.devices = {&a.memory->device, 1}; });
}

const Extension* memory_descriptions_extension() {
  static const MemoryDescription kinds[] = {{0}, {1}};
  static const MemoryDescription* const pointers[] = {&kinds[0], &kinds[1]};
  static_assert(std::size(kinds) == std::size(kMemoryKinds));
  static const MemoryDescriptionsExtension extension = [] {
    MemoryDescriptionsExtension e{};
    e.struct_size = sizeof(e);
    e.type = kMemoryDescriptionsExtension;
    e.next = shardings_extension();
    fill(e.of_device, [](MemoryDescriptions_OfDevice& a) {
      a.memories = {pointers, std::size(pointers)};
      a.default_index = 0;
    });
    fill(e.kind, [](MemoryDescriptions_Kind& a) {
      a.kind = kMemoryKinds[a.memory->kind_id];
      a.kind_id = a.memory->kind_id;
    });
    return e;
  }();
  return &extension;
}

}  // namespace ascend::pjrt

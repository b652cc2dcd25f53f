// PJRT_Buffer. Most of these are called with the GIL held: they start work and never wait for any.
#include "plugin/pjrt/shim.h"
#include "plugin/runtime/strided_copy.h"

namespace ascend::pjrt {
namespace {

void fill_facts(Api& api) {
  fill(api.Buffer_ElementType_, [](Buffer_ElementType& a) { a.type = static_cast<int>(a.buffer->dtype); });
  fill(api.Buffer_Dimensions_,
       [](Buffer_Dimensions& a) { a.dims = {a.buffer->dims.data(), a.buffer->dims.size()}; });
  fill(api.Buffer_UnpaddedDimensions_,
       [](Buffer_UnpaddedDimensions& a) { a.dims = {a.buffer->dims.data(), a.buffer->dims.size()}; });
  fill(api.Buffer_DynamicDimensionIndices_,
       [](Buffer_DynamicDimensionIndices& a) { a.indices = {nullptr, 0}; });
  fill(api.Buffer_GetMemoryLayout_, [](Buffer_GetMemoryLayout& a) {
    a.layout = {};
    a.layout.struct_size = sizeof(a.layout);
    a.layout.type = kTiled;
    a.layout.tiled.struct_size = sizeof(a.layout.tiled);
    a.layout.tiled.minor_to_major = {a.buffer->minor_to_major.data(), a.buffer->minor_to_major.size()};
  });
  fill(api.Buffer_OnDeviceSizeInBytes_, [](Buffer_OnDeviceSizeInBytes& a) { a.size = a.buffer->bytes; });
  fill(api.Buffer_Device_, [](Buffer_Device& a) { a.device = a.buffer->memory->device; });
  fill(api.Buffer_Memory_, [](Buffer_Memory& a) { a.memory = a.buffer->memory; });
  // Device memory is the process's own, rows in order: jaxlib may give NumPy and memoryview a view, which
  // holds it.
  fill(api.Buffer_IsOnCpu_, [](Buffer_IsOnCpu& a) { a.is_on_cpu = true; });
  fill(api.Buffer_IsDeleted_, [](Buffer_IsDeleted& a) { a.is_deleted = a.buffer->is_deleted(); });
  fill(api.Buffer_ReadyEvent_, [](Buffer_ReadyEvent& a) { a.event = Ref<Event>(a.buffer->ready).release(); });
}

std::vector<int64_t> host_strides(const Buffer& buffer, const MemoryLayout* layout) {
  int width = dtype_bytes(buffer.dtype);
  if (!layout) return dense_strides(buffer.dims, width);
  if (layout->type == kStrides) return to_vector(layout->strided.byte_strides);
  auto order = to_span(layout->tiled.minor_to_major);
  if (layout->tiled.num_tiles || order.size() != buffer.dims.size())
    throw ascend::Error(Code::kUnimplemented,
                        "[buffer] unsupported host layout; expected an order of dimensions.");
  return strides_of_layout(buffer.dims, order, width);
}

}  // namespace

void fill_buffers(Api& api) {
  fill_facts(api);
  fill(api.Buffer_Destroy_, [](Buffer_Destroy& a) { delete a.buffer; });
  fill(api.Buffer_Delete_, [](Buffer_Delete& a) { a.buffer->drop(); });
  fill(api.Buffer_ToHostBuffer_, [](Buffer_ToHostBuffer& a) {
    if (!a.data) {
      a.size = a.buffer->bytes;
      return;
    }
    if (a.size < a.buffer->bytes)
      throw ascend::Error(Code::kInvalidArgument, "[buffer] host memory too small; expected at least " +
                                                      std::to_string(a.buffer->bytes) + " bytes; got " +
                                                      std::to_string(a.size) + ".");
    a.event = a.buffer->copy_to_host(a.data, host_strides(*a.buffer, a.host_layout)).release();
  });
  fill(api.Buffer_CopyRawToHost_, [](Buffer_CopyRawToHost& a) {
    a.event = a.buffer->copy_raw_to_host(a.data, a.offset, a.size).release();
  });
  fill(api.Buffer_CopyToDevice_,
       [](Buffer_CopyToDevice& a) { a.copy = a.buffer->copy_to(&a.device->device_memory); });
  fill(api.Buffer_CopyToMemory_, [](Buffer_CopyToMemory& a) { a.copy = a.buffer->copy_to(a.memory); });
  // The address of results that are still to be computed is decided here.
  fill(api.Buffer_UnsafePointer_,
       [](Buffer_UnsafePointer& a) { a.pointer = reinterpret_cast<uintptr_t>(a.buffer->storage()->data()); });
  fill(api.Buffer_OpaqueDeviceMemoryDataPointer_,
       [](Buffer_OpaqueDeviceMemoryDataPointer& a) { a.pointer = a.buffer->storage()->data(); });
  fill(api.Buffer_IncreaseExternalReferenceCount_,
       [](Buffer_IncreaseExternalReferenceCount& a) { a.buffer->hold_address(); });
  fill(api.Buffer_DecreaseExternalReferenceCount_,
       [](Buffer_DecreaseExternalReferenceCount& a) { a.buffer->release_address(); });
}

}  // namespace ascend::pjrt

// PJRT_TopologyDescription.
#include "plugin/runtime/topology.h"

#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {

void fill_topologies(Api& api) {
  fill(api.TopologyDescription_Create_, [](TopologyDescription_Create& a) {
    auto options = Client::Options::from(a.options);
    std::string_view name = a.name;  // "", "<target>", "<target> <devices>", or a serialised topology
    if (name.find(' ') != std::string_view::npos) {
      a.topology = Topology::parse(name).release();
    } else {
      a.topology = new Topology(name.empty() ? options.target : name, options.devices);
    }
  });
  fill(api.TopologyDescription_Destroy_, [](TopologyDescription_Destroy& a) { delete a.topology; });
  fill(api.TopologyDescription_PlatformName_,
       [](TopologyDescription_PlatformName& a) { a.name = kPlatformName; });
  fill(api.TopologyDescription_PlatformVersion_,
       [](TopologyDescription_PlatformVersion& a) { a.version = a.topology->platform_version; });
  fill(api.TopologyDescription_GetDeviceDescriptions_, [](TopologyDescription_GetDeviceDescriptions& a) {
    a.descriptions = {a.topology->device_pointers.data(), a.topology->device_pointers.size()};
  });
  fill(api.TopologyDescription_Serialize_,
       [](TopologyDescription_Serialize& a) { give_bytes(a, a.topology->serialized); });
  fill(api.TopologyDescription_Deserialize_,
       [](TopologyDescription_Deserialize& a) { a.topology = Topology::parse(a.bytes).release(); });
  fill(api.TopologyDescription_Attributes_,
       [](TopologyDescription_Attributes& a) { a.attributes = a.topology->attributes.view(); });
  fill(api.TopologyDescription_Fingerprint_, [](TopologyDescription_Fingerprint& a) {
    a.fingerprint = std::hash<std::string>()(a.topology->platform_version + a.topology->serialized);
  });
  fill(api.TopologyDescription_GetMemorySpaceKindIds_, [](TopologyDescription_GetMemorySpaceKindIds& a) {
    static const int ids[] = {0, 1};
    static_assert(std::size(ids) == std::size(kMemoryKinds));
    a.kind_ids = {ids, std::size(ids)};
  });
}

}  // namespace ascend::pjrt

#include "plugin/runtime/client.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <utility>

#include "plugin/error.h"
#include "plugin/isa/message.h"
#include "plugin/runtime/version.h"

namespace ascend {
namespace {

// Pinned host memory has no capacity of its own; this much address space is set aside for it.
constexpr uint64_t kPinnedHostBytes = uint64_t{256} << 30;
// Of address space for all memories: half of what Linux gives a process, so that threads get their stacks.
constexpr uint64_t kAddresses = uint64_t{64} << 40;

std::mutex clients_mutex;
std::vector<Client*> clients;

std::vector<Client*> all_clients() {
  std::lock_guard lock(clients_mutex);
  return clients;
}

}  // namespace

const pjrt::MemoryTable MemorySpace::kTable = {sizeof(pjrt::MemoryTable), nullptr, sizeof(void*),
                                               get_user_data, set_user_data};

MemorySpace::MemorySpace(Device* device, int id, int kind_id, uint64_t capacity)
    : table_(&kTable),
      device(device),
      id(id),
      kind_id(kind_id),
      kind(kMemoryKinds[kind_id]),
      text(device->description->text + " " + std::string(kind)),
      arena(std::make_shared<Arena>(text, capacity,
                                    kAddresses / (2 * device->client->topology->devices.size()))) {}

MemorySpace::~MemorySpace() {
  for (auto& [key, user] : user_data_)
    if (user.destroy) user.destroy(user.data);
}

void* MemorySpace::get_user_data(MemorySpace* memory, const void* key) {
  std::lock_guard lock(memory->mutex_);
  auto found = memory->user_data_.find(key);
  return found == memory->user_data_.end() ? nullptr : found->second.data;
}

void MemorySpace::set_user_data(MemorySpace* memory, const void* key, void* data, void (*destroy)(void*)) {
  UserData old{};
  {
    std::lock_guard lock(memory->mutex_);
    old = std::exchange(memory->user_data_[key], {data, destroy});
  }
  if (old.destroy) old.destroy(old.data);
}

Device::Device(Client* client, DeviceDescription* description, uint64_t hbm_bytes)
    : client(client),
      description(description),
      device_memory(this, 2 * description->id, 0, addressable() ? hbm_bytes : 0),
      pinned_host(this, 2 * description->id + 1, 1, addressable() ? kPinnedHostBytes : 0),
      memories{&device_memory, &pinned_host} {}

bool Device::addressable() const { return description->process == client->process(); }

void Device::check_addressable() const {
  if (!addressable())
    throw Error(Code::kInvalidArgument,
                concat("[client] ", description->text, " is a device of process ", description->process,
                       "; expected one of this process, ", client->process(),
                       ". Each process gives data to its own devices: jax.local_devices(), "
                       "jax.make_array_from_process_local_data."));
}

namespace {

// A whole number, also as the text of one: jax_pjrt_client_create_options="devices:8". -1 if it is none.
int64_t whole_number(const pjrt::NamedValue& value) {
  if (value.type == pjrt::kInt64) return value.int64_value;
  int64_t number = -1;
  if (value.type != pjrt::kString) return number;
  const char* last = value.string_value + value.value_size;
  const auto [end, error] = std::from_chars(value.string_value, last, number);
  return error == std::errc() && end == last ? number : -1;
}

}  // namespace

Client::Options Client::Options::from(pjrt::NamedValues values) {
  Options options;
  for (const auto& value : values) {
    std::string_view name = value.name;
    const int64_t number = whole_number(value);
    if (name == "target" && value.type == pjrt::kString) {
      options.target.assign(value.string_value, value.value_size);
    } else if (name == "host" && value.type == pjrt::kString) {
      options.processes.host.assign(value.string_value, value.value_size);
    } else if (name == "devices" && number > 0 && number <= 4096) {
      options.devices = static_cast<int>(number);
    } else if (name == "hbm_bytes" && number >= 0) {
      options.hbm_bytes = number;
    } else if (name == "process_seconds" && number > 0) {
      options.processes.seconds = number;
    } else if (name == "num_nodes" && number > 0 && number <= INT_MAX) {
      options.processes.count = static_cast<int>(number);
    } else if (name == "node_id" && number >= 0 && number <= INT_MAX) {
      options.processes.self = static_cast<int>(number);
    } else if (name == "partition_index" && number >= 0) {
      // of jax.distributed: slices of machines, which are not told apart here
    } else {
      throw Error(Code::kInvalidArgument,
                  "[client] unusable option '" + std::string(name) +
                      "'; expected target (string), devices (1 to 4096), hbm_bytes (non-negative integer), "
                      "num_nodes and node_id (of jax.distributed), process_seconds (positive integer), "
                      "host (string).");
    }
  }
  if (options.processes.self >= options.processes.count)
    throw Error(Code::kInvalidArgument,
                concat("[client] process ", options.processes.self, " of ", options.processes.count,
                       "; expected a process_id below num_processes."));
  return options;
}

namespace {

std::unique_ptr<Processes> meet(const Client::Options& options, KeyValueStore* store) {
  if (options.processes.count == 1) return nullptr;
  if (!store)
    throw Error(Code::kInvalidArgument,
                "[client] several processes need a key-value store to meet at; expected the client of "
                "jax.distributed. Call jax.distributed.initialize() before the first use of a device.");
  return std::make_unique<Processes>(options.processes, *store, options.devices,
                                     concat(package_version(), "\n", options.target));
}

}  // namespace

Client::Client(const Options& options, KeyValueStore* store)
    : processes(meet(options, store)),
      topology(std::make_unique<Topology>(options.target,
                                          processes ? processes->devices() : std::vector{options.devices})),
      platform_version(platform_version_of(topology->target, topology->target_text)) {
  uint64_t hbm = options.hbm_bytes ? options.hbm_bytes : static_cast<uint64_t>(topology->target.hbm_bytes);
  for (DeviceDescription* description : topology->device_pointers) {
    Device* device = owned_.emplace_back(std::make_unique<Device>(this, description, hbm)).get();
    devices.push_back(device);
    if (!device->addressable()) continue;
    addressable_devices.push_back(device);
    memories.insert(memories.end(), std::begin(device->memories), std::end(device->memories));
  }
  std::lock_guard lock(clients_mutex);
  clients.push_back(this);
}

Client::~Client() {
  drain_until(Clock::time_point::max());
  std::lock_guard lock(clients_mutex);
  std::erase(clients, this);
}

Device* Client::device(int id) const {
  if (id < 0 || id >= static_cast<int>(devices.size()))
    throw Error(Code::kInvalidArgument, "[client] no such device; expected an id below " +
                                            std::to_string(devices.size()) + "; got " + std::to_string(id) +
                                            ". Set JAX_ASCEND_DEVICES for more.");
  return devices[id];
}

Device* Client::addressable_device(int local_id) const {
  if (local_id < 0 || local_id >= static_cast<int>(addressable_devices.size()))
    throw Error(Code::kInvalidArgument,
                concat("[client] no such device in this process; expected a number below ",
                       addressable_devices.size(), "; got ", local_id, ". Set JAX_ASCEND_DEVICES for more."));
  return addressable_devices[local_id];
}

bool Client::drain_until(Clock::time_point deadline) {
  return std::ranges::all_of(addressable_devices, [&](Device* device) {
    return device->launches.drain_until(deadline) && device->transfers.drain_until(deadline);
  });
}

bool Client::drain_all_until(Clock::time_point deadline) {
  return std::ranges::all_of(all_clients(), [&](Client* client) { return client->drain_until(deadline); });
}

void Client::leave_all(std::chrono::milliseconds linger) {
  for (Client* client : all_clients())
    if (client->processes) client->processes->leave(linger);
}

void Client::cancel_all(bool for_good) {
  for (Client* client : all_clients()) {
    if (for_good) client->cancellation.cancel_all();
    client->cancellation.cancel_accepted();
  }
}

}  // namespace ascend

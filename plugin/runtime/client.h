// The client and what it owns: emulated devices, each with its queues and its two memory spaces.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugin/device/run_context.h"
#include "plugin/processes/processes.h"
#include "plugin/runtime/arena.h"
#include "plugin/runtime/queue.h"
#include "plugin/runtime/topology.h"

namespace ascend {

class Client;
class Device;

// Callers attach data of their own to a memory space through the table in its first word.
class MemorySpace {
 public:
  MemorySpace(Device* device, int id, int kind_id, uint64_t capacity);
  ~MemorySpace();
  MemorySpace(const MemorySpace&) = delete;

 private:
  [[maybe_unused]] const pjrt::MemoryTable* table_;

 public:
  Device* const device;
  const int id, kind_id;
  const std::string_view kind;
  const std::string text;
  const std::shared_ptr<Arena> arena;

 private:
  struct UserData {
    void* data;
    void (*destroy)(void*);
  };
  static void* get_user_data(MemorySpace* memory, const void* key);
  static void set_user_data(MemorySpace* memory, const void* key, void* data, void (*destroy)(void*));
  static const pjrt::MemoryTable kTable;

  std::mutex mutex_;
  std::map<const void*, UserData> user_data_;
};

class Device {
 public:
  Device(Client* client, DeviceDescription* description, uint64_t hbm_bytes);

  // Another process's has a description alone: it is a name in device assignments.
  bool addressable() const;
  void check_addressable() const;  // throws Error{kInvalidArgument}

  Client* const client;
  DeviceDescription* const description;
  MemorySpace device_memory, pinned_host;
  MemorySpace* const memories[2];

  // Launches are accepted in one order; who accepts one holds this until it is queued, or has run.
  std::mutex accept;
  Queue launches;
  Queue transfers;  // copies to the host and between devices overlap with launches
};

class Client {
 public:
  struct Options {
    std::string target;  // as Topology takes it
    int devices = 1;
    uint64_t hbm_bytes = 0;  // of each device; 0 means the target's
    Processes::Options processes;

    static Options from(pjrt::NamedValues values);
  };
  // `store` is what several processes meet at. Throws Error.
  explicit Client(const Options& options, KeyValueStore* store = nullptr);
  ~Client();

  Device* device(int id) const;                    // throws Error{kInvalidArgument}
  Device* addressable_device(int local_id) const;  // the same
  int process() const { return processes ? processes->self() : 0; }
  // Waits for the work that was accepted, callbacks included; returns false if that takes longer.
  using Clock = std::chrono::steady_clock;
  bool drain_until(Clock::time_point deadline);

  // Of all clients of this process: what Python calls before it exits.
  static bool drain_all_until(Clock::time_point deadline);
  static void cancel_all(bool for_good);  // launches accepted so far; for good: those to come, too
  // No more launches over several processes; sends the others what is still to be sent.
  static void leave_all(std::chrono::milliseconds linger);

  const std::unique_ptr<Processes> processes;  // null: this one alone
  std::unique_ptr<Topology> topology;
  std::string platform_version;
  std::vector<Device*> devices;              // of all processes, by id
  std::vector<Device*> addressable_devices;  // of this one
  std::vector<MemorySpace*> memories;        // of these
  Cancellation cancellation;                 // of launches

 private:
  std::vector<std::unique_ptr<Device>> owned_;
};

}  // namespace ascend

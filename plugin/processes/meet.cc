// How processes find each other, through what JAX's coordination service stores for them.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <random>

#include "plugin/isa/message.h"
#include "plugin/processes/processes.h"
#include "plugin/runtime/signals.h"

namespace ascend {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kAtOnce(1000);  // one question; between two Ctrl-C is heard

// What the processes of one machine have in common: this start of its system, and how they see its network.
std::string machine() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  char network[64] = "";
  if (readlink("/proc/self/ns/net", network, sizeof network - 1) < 0) network[0] = '\0';
  return concat(boot, " ", network);
}

std::string host_name() {
  char name[256] = "localhost";
  gethostname(name, sizeof name - 1);
  return name;
}

std::string random_name() {
  std::random_device random;
  std::string name;
  for (int i = 0; i < 32; ++i) name += "0123456789abcdef"[random() % 16];
  return name;
}

}  // namespace

void Processes::meet(KeyValueStore& store, int devices, const std::string& facts) {
  // A process may make one client after another.
  static std::atomic<int> clients{0};
  const std::string prefix = concat("jax_ascend/", clients++, "/");
  const auto give = [&](const char* what, const std::string& value) {
    store.put(concat(prefix, what, "/", options_.self), value);
  };
  const auto take = [&](const char* what, int process) {
    const auto end = Clock::now() + std::chrono::seconds(options_.seconds);
    while (true) {
      if (auto value = store.get(concat(prefix, what, "/", process), kAtOnce)) return *value;
      if (interrupted())
        throw Error(Code::kCancelled, "[client] interrupted while it waited for the other processes.");
      if (Clock::now() > end)
        throw Error(Code::kDeadlineExceeded,
                    concat("[client] process ", process, " has not come; expected ", options_.count,
                           " processes of jax.distributed, all of which use the platform ascend, within ",
                           options_.seconds, " s (JAX_ASCEND_PROCESS_SECONDS)."));
    }
  };
  const auto take_all = [&](const char* what) {
    std::vector<std::string> values;
    for (int p = 0; p < options_.count; ++p) values.push_back(take(what, p));
    return values;
  };

  give("devices", std::to_string(devices));
  give("facts", facts);
  give("machine", options_.host.empty() ? machine() : "");
  if (options_.self == 0) give("session", random_name());
  for (const std::string& value : take_all("devices")) devices_.push_back(std::stoi(value));
  const auto all_facts = take_all("facts");
  for (int p = 0; p < options_.count; ++p)
    if (all_facts[p] != all_facts[0])
      throw Error(Code::kInvalidArgument,
                  concat("[client] process ", p,
                         " differs from process 0 in its version of jax_ascend or in "
                         "JAX_ASCEND_TARGET; expected the same in all. Give all processes the same."));

  transport_ = std::make_unique<Transport>(
      Transport::Options{options_.self, options_.count, take("session", 0),
                         std::chrono::seconds(options_.seconds)},
      Transport::Hooks{[this](int process, Transport::Received r) { receive(process, std::move(r)); },
                       [this](int process, const std::string& how) { note_gone(process, how); }});
  const auto machines = take_all("machine");
  const bool near =
      std::ranges::all_of(machines, [&](const std::string& m) { return !m.empty() && m == machines[0]; });
  give("address", near ? transport_->listen_here()
                       : transport_->listen(options_.host.empty() ? host_name() : options_.host));
  transport_->connect(take_all("address"));
}

}  // namespace ascend

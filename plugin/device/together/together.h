// One program on several devices at once: each is run up to its next exchange, then the exchanges are done
// whose devices are all there, and so on. So no device waits in a thread of its own, an exchange that can
// never be complete is an error at once, and nothing depends on who was first.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>

#include "plugin/device/program.h"
#include "plugin/device/together/exchange.h"

namespace ascend {

using ExchangePlans = std::unordered_map<const CollectiveCommand*, ExchangePlan>;
ExchangePlans plan_exchanges(const Module& module);

// Runs to completion. Run i is that of device number i; `spread` has devices run on the pool's threads.
// Throws the error of the first device that fails, or that they wait for each other for ever.
void run_together(const Stream& stream, const ExchangePlans& plans, std::span<const DeviceRun> runs,
                  bool spread);

// For tests: devices wait for random times before they go on, up to so many microseconds (0: they do not).
void set_delays(uint64_t seed, int64_t most);

}  // namespace ascend

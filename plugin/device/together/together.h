// One program on several devices at once: each is run up to its next exchange, then the exchanges are done
// whose devices are all there, and so on. So no device waits in a thread of its own, an exchange that can
// never be complete is an error at once, and nothing depends on who was first. Of a program over several
// processes each runs its own devices, and waits only where none of these can go on.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>

#include "plugin/device/program.h"
#include "plugin/device/together/exchange.h"
#include "plugin/device/together/others.h"

namespace ascend {

using ExchangePlans = std::unordered_map<const CollectiveCommand*, ExchangePlan>;
ExchangePlans plan_exchanges(const Module& module);

// Of the name of a program and of all that its exchanges say.
uint64_t hash_of_exchanges(const Module& module);

// Runs to completion. A run's context says which device of the program it is; `spread` has devices run on the
// pool's threads. Throws the error of the first device that fails, or that they wait for each other for ever.
// `others` have the devices without a run; null: there are none.
void run_together(const Stream& stream, const ExchangePlans& plans, std::span<const DeviceRun> runs,
                  bool spread, Others* others);

// For tests: devices wait for random times before they go on, up to so many microseconds (0: they do not).
void set_delays(uint64_t seed, int64_t most);

}  // namespace ascend

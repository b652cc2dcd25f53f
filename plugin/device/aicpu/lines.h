// Work on lines that do not depend on each other: over the pool, where that pays.
#pragma once
#include <cstdint>

#include "plugin/device/pool.h"
#include "plugin/device/run_context.h"

namespace ascend::aicpu {

// Calls f(line) for every line; `elements` is the length of one.
template <class F>
void for_each_line(const RunContext& context, int64_t lines, int64_t elements, const F& f) {
  constexpr int64_t kWorthSharing = 8192;  // elements: some ten microseconds of work
  const auto run_line = [&](int64_t line) {
    context.check();
    f(line);
  };
  if (lines > 1 && lines * elements >= kWorthSharing) {
    Pool::instance().run(
        lines, [](const void* g, int64_t line) { (*static_cast<const decltype(run_line)*>(g))(line); },
        &run_line);
  } else {
    for (int64_t line = 0; line < lines; ++line) run_line(line);
  }
}

}  // namespace ascend::aicpu

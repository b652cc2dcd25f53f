#include "plugin/device/run_context.h"

#include <string>

#include "plugin/error.h"

namespace ascend {

void RunContext::end() const {
  throw Error(Code::kCancelled,
              "[execute] the execution on device " + std::to_string(device) +
                  " was cancelled before it ended: by Ctrl-C, or because the process exits.");
}

}  // namespace ascend

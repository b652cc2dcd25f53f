// What an instruction is decoded to: one object with its operands resolved as far as possible, and one call
// to run it.
#pragma once
#include <memory>
#include <vector>

#include "plugin/device/core.h"

namespace ascend {

class Action {
 public:
  virtual ~Action() = default;
  virtual void run(Core& core) const = 0;
};

using ActionPtr = std::unique_ptr<Action>;
using Block = std::vector<ActionPtr>;

inline void run(const Block& block, Core& core) {
  for (const ActionPtr& action : block) action->run(core);
}

}  // namespace ascend

// What an instruction is decoded to: one object with its operands resolved as far as possible, and one call
// to run it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "plugin/device/core.h"

namespace ascend {

class Action {
 public:
  virtual ~Action() = default;
  virtual void run(Core& core) const = 0;

  // Whether products may wait while this runs (product.h): it neither reads sums nor writes operands.
  virtual bool lets_products_wait() const { return false; }
  // Makes a product wait for core.product.flush() from now on.
  virtual void wait() {}
  // Adds lines on how strips inside are executed.
  virtual void describe(std::vector<std::string>& lines) const {}
};

using ActionPtr = std::unique_ptr<Action>;
using Actions = std::vector<ActionPtr>;

inline void run(const Actions& actions, Core& core) {
  for (const ActionPtr& action : actions) action->run(core);
}

inline void describe(const Actions& actions, std::vector<std::string>& lines) {
  for (const ActionPtr& action : actions) action->describe(lines);
}

}  // namespace ascend

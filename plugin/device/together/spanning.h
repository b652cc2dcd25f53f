// An exchange under way whose devices several processes run. Each sends the others what these need of its
// devices' operands, and does the part of its own devices: an element is combined by one call, in the order
// of the group, so the bits are those of a run in one process. Large all_reduces are shared: a process
// combines a share of the elements, and gives it to the others in a second step.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "plugin/device/together/exchange.h"
#include "plugin/device/together/others.h"

namespace ascend {

class SpanningExchange {
 public:
  // All members of this process are at the command: `members` has cursors for these. `tag` is that of its
  // first step.
  SpanningExchange(const ExchangePlan& plan, size_t meeting, std::vector<ExchangePlan::Member> members,
                   Others& others, Others::Tag tag);

  // Does what can be done with what has come; true once all is done, false while it waits.
  bool advance();
  int waits_for() const { return waits_for_; }
  const ExchangePlan& plan() const { return plan_; }
  size_t meeting() const { return meeting_; }

 private:
  struct Process {
    int number;
    std::vector<size_t> members;              // that it runs
    std::vector<ExchangePlan::Range> ranges;  // of its message of this step; none: it sends none
    std::shared_ptr<const std::byte> message;
  };
  Share share_of(size_t process) const;
  void send(const Process& to, const std::vector<ExchangePlan::Range>& ranges, bool results);
  bool receive_all();
  void use_operands();
  void start_second_step();
  void use_results();

  const ExchangePlan& plan_;
  const size_t meeting_;
  std::vector<ExchangePlan::Member> members_;
  Others& others_;
  Others::Tag tag_;
  const bool shared_;
  std::vector<Process> processes_;  // all that run a member, by number
  size_t own_ = 0;                  // this process's place there
  int waits_for_ = -1;
};

}  // namespace ascend

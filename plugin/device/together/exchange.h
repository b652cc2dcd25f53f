// One exchange of a stream (EXCHANGES in compiler/isa/stream.py): who meets whom, and what is moved then.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "plugin/device/stream.h"

namespace ascend {

class ExchangePlan {
 public:
  // Of a verified command of a program for so many devices.
  ExchangePlan(const CollectiveCommand& command, int64_t devices);

  // Devices that meet, by number, in the order in which they are combined and put together; every device is
  // in one of these lists.
  const std::vector<std::vector<int64_t>>& meetings() const { return meetings_; }

  // Does it for the devices of a meeting, which are all at the command; `members` are in its order.
  void run(size_t meeting, std::span<const Stream::Cursor* const> members) const;

 private:
  void reduce(std::span<const Stream::Cursor* const> members, bool scatter) const;
  void gather(std::span<const Stream::Cursor* const> members) const;
  void all_to_all(std::span<const Stream::Cursor* const> members) const;
  void send(size_t meeting, std::span<const Stream::Cursor* const> members) const;
  void ragged(size_t meeting, std::span<const Stream::Cursor* const> members) const;
  std::byte* result(const Stream::Cursor* member, size_t k) const { return member->slot(command_.slots[k]); }
  std::byte* operand(const Stream::Cursor* member, size_t k) const {
    return member->slot(command_.slots[command_.results.size() + k]);
  }

  const CollectiveCommand& command_;
  std::vector<std::vector<int64_t>> meetings_;
  std::vector<std::vector<int64_t>>
      senders_;  // per meeting and member: the member that it gets all of, or -1
};

}  // namespace ascend

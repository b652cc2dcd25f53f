// One exchange of a stream (EXCHANGES in compiler/isa/stream.py): who meets whom, and what is moved then.
//
// Devices may be run by several processes. Then each of these does the part of its own devices, with what it
// needs of the others' operands: `needed` says what that is.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "plugin/device/stream.h"

namespace ascend {

// Of the elements of an array one of `count` nearly equal shares.
struct Share {
  int64_t index = 0, count = 1;
  int64_t first(int64_t elements) const {
    return elements / count * index + std::min(index, elements % count);
  }
  int64_t last(int64_t elements) const { return Share{index + 1, count}.first(elements); }
};

class ExchangePlan {
 public:
  // Of a verified command of a program for so many devices, its exchange `number`.
  ExchangePlan(const CollectiveCommand& command, int64_t devices, int64_t number);

  // Devices that meet, by number, in the order in which they are combined and put together; every device is
  // in one of these lists.
  const std::vector<std::vector<int64_t>>& meetings() const { return meetings_; }

  // Operands are taken whole, or in as many equal parts as there are members, part i for member i.
  int64_t parts(size_t meeting) const {
    return in_parts() ? static_cast<int64_t>(meetings_[meeting].size()) : 1;
  }

  // A device at the command, of this process; or what this process needs of another's, by operand and part.
  struct Member {
    const Stream::Cursor* cursor = nullptr;
    std::vector<const std::byte*> needed{};
  };

  // Does it for the devices of a meeting, which are all at the command; `members` are in its order.
  // Reductions without parts are done for a share of the elements.
  void run(size_t meeting, std::span<const Member> members, Share share = {}) const;

  // Bytes of operand (or result) `k` of member `member`; of its part `part`.
  struct Range {
    size_t member, k, part;
    int64_t offset, bytes;
  };
  // What the process that runs the members `there` needs of `here`, to do `share`.
  std::vector<Range> needed(size_t meeting, std::span<const size_t> here, std::span<const size_t> there,
                            Share share) const;
  // Whether shares of the processes pay: each combines one, and gives it to the others.
  bool is_shared(size_t meeting) const;
  // A share of the results of a member.
  std::vector<Range> results(size_t member, Share share) const;

  const CollectiveCommand& command() const { return command_; }
  int64_t number() const { return number_; }
  std::byte* result(const Stream::Cursor* member, size_t k) const { return member->slot(command_.slots[k]); }
  std::byte* operand(const Stream::Cursor* member, size_t k) const {
    return member->slot(command_.slots[command_.results.size() + k]);
  }

 private:
  using Members = std::span<const Member>;
  bool in_parts() const {
    return command_.exchange == Exchange::kreduce_scatter || command_.exchange == Exchange::kall_to_all;
  }
  const std::byte* operand(const Member& member, size_t k, int64_t part, int64_t parts) const;
  void reduce(Members members, Share share) const;
  void reduce_scatter(Members members) const;
  void gather(Members members) const;
  void all_to_all(Members members) const;
  void send(size_t meeting, Members members) const;
  void ragged(size_t meeting, Members members) const;

  const CollectiveCommand& command_;
  const int64_t number_;
  std::vector<std::vector<int64_t>> meetings_;
  std::vector<std::vector<int64_t>>
      senders_;  // per meeting and member: the member that it gets all of, or -1
};

}  // namespace ascend

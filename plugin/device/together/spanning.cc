#include "plugin/device/together/spanning.h"

#include <algorithm>
#include <cstring>

namespace ascend {

using Range = ExchangePlan::Range;

SpanningExchange::SpanningExchange(const ExchangePlan& plan, size_t meeting,
                                   std::vector<ExchangePlan::Member> members, Others& others, Others::Tag tag)
    : plan_(plan),
      meeting_(meeting),
      members_(std::move(members)),
      others_(others),
      tag_(tag),
      shared_(plan.is_shared(meeting)) {
  const auto& devices = plan.meetings()[meeting];
  for (size_t i = 0; i < devices.size(); ++i) {
    const int number = others_.process_of(devices[i]);
    const auto at = std::ranges::lower_bound(processes_, number, {}, &Process::number);
    if (at != processes_.end() && at->number == number)
      at->members.push_back(i);
    else
      processes_.insert(at, {number, {i}, {}, nullptr});
  }
  own_ = std::ranges::find(processes_, others_.self(), &Process::number) - processes_.begin();
  for (size_t p = 0; p < processes_.size(); ++p) {
    if (p == own_) continue;
    Process& other = processes_[p];
    const auto& own = processes_[own_].members;
    other.ranges = plan.needed(meeting, other.members, own, share_of(own_));
    send(other, plan.needed(meeting, own, other.members, share_of(p)), false);
  }
}

Share SpanningExchange::share_of(size_t process) const {
  if (!shared_) return {};
  return {static_cast<int64_t>(process), static_cast<int64_t>(processes_.size())};
}

void SpanningExchange::send(const Process& to, const std::vector<Range>& ranges, bool results) {
  if (ranges.empty()) return;
  std::vector<Others::Piece> pieces;
  for (const Range& range : ranges) {
    const Stream::Cursor* cursor = members_[range.member].cursor;
    const std::byte* start = results ? plan_.result(cursor, range.k) : plan_.operand(cursor, range.k);
    pieces.push_back({start + range.offset, range.bytes});
  }
  others_.send(to.number, tag_, pieces);
}

bool SpanningExchange::receive_all() {
  for (Process& process : processes_) {
    if (process.ranges.empty() || process.message) continue;
    int64_t bytes = 0;
    for (const Range& range : process.ranges) bytes += Others::padded(range.bytes);
    process.message = others_.receive(process.number, tag_, bytes);
    if (process.message) continue;
    waits_for_ = process.number;
    return false;
  }
  return true;
}

bool SpanningExchange::advance() {
  if (!receive_all()) return false;
  if (tag_.step > 0) {
    use_results();
    return true;
  }
  use_operands();
  plan_.run(meeting_, members_, share_of(own_));
  if (!shared_) return true;
  start_second_step();
  return advance();
}

void SpanningExchange::use_operands() {
  const size_t operands = plan_.command().operands.size();
  const auto parts = static_cast<size_t>(plan_.parts(meeting_));
  for (const Process& process : processes_) {
    const std::byte* at = process.message.get();
    for (const Range& range : process.ranges) {
      auto& needed = members_[range.member].needed;
      needed.resize(operands * parts);
      needed[range.k * parts + range.part] = at;
      at += Others::padded(range.bytes);
    }
  }
}

void SpanningExchange::start_second_step() {
  ++tag_.step;
  const auto own = plan_.results(processes_[own_].members.front(), share_of(own_));
  for (size_t p = 0; p < processes_.size(); ++p) {
    if (p == own_) continue;
    processes_[p].message.reset();
    processes_[p].ranges = plan_.results(processes_[p].members.front(), share_of(p));
    send(processes_[p], own, true);
  }
}

void SpanningExchange::use_results() {
  for (const Process& process : processes_) {
    const std::byte* at = process.message.get();
    for (const Range& range : process.ranges) {
      for (size_t member : processes_[own_].members)
        std::memcpy(plan_.result(members_[member].cursor, range.k) + range.offset, at, range.bytes);
      at += Others::padded(range.bytes);
    }
  }
}

}  // namespace ascend

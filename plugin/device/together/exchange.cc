#include "plugin/device/together/exchange.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "plugin/device/pool.h"
#include "plugin/device/together/combine.h"
#include "plugin/error.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace {

constexpr int64_t kPieceBytes = 256 << 10;  // what one thread moves at a time
// A reduction of more operands is done in shares by the processes that run its devices: of less the second
// message costs more than it saves.
constexpr int64_t kSharedBytes = 64 << 10;

// Calls f(first, last) for pieces of [0, count), on the pool's threads if there are several.
template <class F>
void in_pieces(int64_t count, int64_t piece, const F& f) {
  piece = std::max<int64_t>(1, piece);
  const int64_t pieces = (count + piece - 1) / piece;
  const auto run = [&](int64_t i) { f(i * piece, std::min(count, (i + 1) * piece)); };
  Pool::instance().run(
      pieces, [](const void* g, int64_t i) { (*static_cast<const decltype(run)*>(g))(i); }, &run);
}

struct Move {
  std::byte* to;
  const std::byte* from;  // null: zeros
  int64_t bytes;
};

void move_all(const std::vector<Move>& moves) {
  int64_t longest = 0, bytes = 0;
  for (const Move& m : moves) longest = std::max(longest, m.bytes), bytes += m.bytes;
  const auto move = [](const Move& m, int64_t first, int64_t last) {
    last = std::min(last, m.bytes);
    if (first >= last) return;
    if (m.from)
      std::memmove(m.to + first, m.from + first, last - first);
    else
      std::memset(m.to + first, 0, last - first);
  };
  if (bytes <= kPieceBytes) {
    for (const Move& m : moves) move(m, 0, m.bytes);
    return;
  }
  const int64_t pieces = std::max<int64_t>(1, (longest + kPieceBytes - 1) / kPieceBytes);
  in_pieces(pieces * static_cast<int64_t>(moves.size()), 1, [&](int64_t i, int64_t) {
    move(moves[i / pieces], i % pieces * kPieceBytes, (i % pieces + 1) * kPieceBytes);
  });
}

// Lists of devices that pairs connect, each ascending; devices in no pair are alone.
std::vector<std::vector<int64_t>> connected(const std::vector<std::vector<int64_t>>& pairs, int64_t devices) {
  std::vector<int64_t> root(devices);
  std::iota(root.begin(), root.end(), 0);
  const auto find = [&](int64_t d) {
    while (root[d] != d) d = root[d] = root[root[d]];
    return d;
  };
  for (const auto& pair : pairs)
    root[std::max(find(pair[0]), find(pair[1]))] = std::min(find(pair[0]), find(pair[1]));
  std::vector<std::vector<int64_t>> lists;
  std::vector<int64_t> list_of(devices, -1);
  for (int64_t d = 0; d < devices; ++d) {
    int64_t& list = list_of[find(d)];
    if (list < 0) list = static_cast<int64_t>(lists.size()), lists.emplace_back();
    lists[list].push_back(d);
  }
  return lists;
}

int64_t bytes_of(const TensorType& type) { return tensor_bytes(type.dtype, type.dims); }

}  // namespace

ExchangePlan::ExchangePlan(const CollectiveCommand& command, int64_t devices, int64_t number)
    : command_(command), number_(number) {
  if (command.exchange == Exchange::kcollective_permute) {
    meetings_ = connected(command.groups, devices);
    std::vector<int64_t> source(devices, -1), place(devices);
    for (const auto& pair : command.groups) source[pair[1]] = pair[0];
    for (const auto& meeting : meetings_) {
      for (size_t i = 0; i < meeting.size(); ++i) place[meeting[i]] = static_cast<int64_t>(i);
      auto& senders = senders_.emplace_back();
      for (int64_t d : meeting) senders.push_back(source[d] < 0 ? -1 : place[source[d]]);
    }
    return;
  }
  meetings_ = command.groups;
  std::vector<bool> met(devices);
  for (const auto& group : meetings_) {
    for (int64_t d : group) met[d] = true;
    senders_.emplace_back(group.size(), 0);
  }
  for (int64_t d = 0; d < devices; ++d) {
    if (met[d]) continue;  // only broadcasts leave somebody out
    meetings_.push_back({d});
    senders_.push_back({-1});
  }
}

void ExchangePlan::run(size_t meeting, Members members, Share share) const {
  switch (command_.exchange) {
    case Exchange::kall_reduce:
      return reduce(members, share);
    case Exchange::kreduce_scatter:
      return reduce_scatter(members);
    case Exchange::kall_gather:
      return gather(members);
    case Exchange::kall_to_all:
      return all_to_all(members);
    case Exchange::kcollective_broadcast:
    case Exchange::kcollective_permute:
      return send(meeting, members);
    case Exchange::kragged_all_to_all:
      return ragged(meeting, members);
  }
}

std::vector<ExchangePlan::Range> ExchangePlan::needed(size_t meeting, std::span<const size_t> here,
                                                      std::span<const size_t> there, Share share) const {
  std::vector<Range> ranges;
  const int64_t count = parts(meeting);
  for (size_t k = 0; k < command_.operands.size(); ++k) {
    const int64_t bytes = bytes_of(command_.operands[k]);
    for (size_t from : here) {
      switch (command_.exchange) {
        case Exchange::kall_reduce: {
          const int64_t each = dtype_bytes(command_.operands[k].dtype), elements = bytes / each;
          const int64_t first = share.first(elements), last = share.last(elements);
          ranges.push_back({from, k, 0, first * each, (last - first) * each});
          break;
        }
        case Exchange::kreduce_scatter:
        case Exchange::kall_to_all: {
          const int64_t part = bytes / count;
          for (size_t to : there) ranges.push_back({from, k, to, static_cast<int64_t>(to) * part, part});
          break;
        }
        case Exchange::kall_gather:
        case Exchange::kragged_all_to_all:
          ranges.push_back({from, k, 0, 0, bytes});
          break;
        case Exchange::kcollective_broadcast:
        case Exchange::kcollective_permute:
          if (std::ranges::any_of(
                  there, [&](size_t to) { return senders_[meeting][to] == static_cast<int64_t>(from); }))
            ranges.push_back({from, k, 0, 0, bytes});
          break;
      }
    }
  }
  return ranges;
}

bool ExchangePlan::is_shared(size_t meeting) const {
  if (command_.exchange != Exchange::kall_reduce) return false;
  int64_t bytes = 0;
  for (const TensorType& type : command_.operands) bytes += bytes_of(type);
  return bytes * static_cast<int64_t>(meetings_[meeting].size()) > kSharedBytes;
}

std::vector<ExchangePlan::Range> ExchangePlan::results(size_t member, Share share) const {
  std::vector<Range> ranges;
  for (size_t k = 0; k < command_.results.size(); ++k) {
    const int64_t each = dtype_bytes(command_.results[k].dtype);
    const int64_t elements = bytes_of(command_.results[k]) / each;
    const int64_t first = share.first(elements), last = share.last(elements);
    ranges.push_back({member, k, 0, first * each, (last - first) * each});
  }
  return ranges;
}

// Part `part` of `parts` of an operand.
const std::byte* ExchangePlan::operand(const Member& member, size_t k, int64_t part, int64_t parts) const {
  if (!member.cursor) return member.needed[k * parts + part];
  return operand(member.cursor, k) + bytes_of(command_.operands[k]) / parts * part;
}

void ExchangePlan::reduce(Members members, Share share) const {
  for (size_t k = 0; k < command_.operands.size(); ++k) {
    const TensorType& type = command_.operands[k];
    const int64_t each = dtype_bytes(type.dtype), elements = bytes_of(type) / each;
    const int64_t start = share.first(elements), count = share.last(elements) - start;
    const CombineFn combine = find_combination(command_.reduction, type.dtype);
    std::vector<const std::byte*> sources;
    std::vector<std::byte*> targets;
    for (const Member& member : members) {
      sources.push_back(member.cursor ? operand(member.cursor, k) + start * each : member.needed[k]);
      if (member.cursor) targets.push_back(result(member.cursor, k) + start * each);
    }
    in_pieces(count, kPieceBytes / each / 4, [&](int64_t first, int64_t last) {
      combine({sources.data(), static_cast<int64_t>(sources.size()), targets.data(),
               static_cast<int64_t>(targets.size()), first, last});
    });
  }
}

void ExchangePlan::reduce_scatter(Members members) const {
  const auto count = static_cast<int64_t>(members.size());
  for (size_t k = 0; k < command_.operands.size(); ++k) {
    const TensorType& type = command_.operands[k];
    const int64_t each = dtype_bytes(type.dtype), part = bytes_of(type) / each / count;
    const CombineFn combine = find_combination(command_.reduction, type.dtype);
    std::vector<const std::byte*> sources;  // of each target those of all members
    std::vector<std::byte*> targets;
    for (int64_t to = 0; to < count; ++to) {
      if (!members[to].cursor) continue;
      targets.push_back(result(members[to].cursor, k));
      for (const Member& from : members) sources.push_back(operand(from, k, to, count));
    }
    const int64_t piece = std::max<int64_t>(1, std::min(part, kPieceBytes / each));
    const int64_t pieces = (part + piece - 1) / piece;
    in_pieces(pieces * static_cast<int64_t>(targets.size()), 1, [&](int64_t i, int64_t) {
      const int64_t target = i / pieces, first = i % pieces * piece;
      combine({sources.data() + target * count, count, &targets[target], 1, first,
               std::min(part, first + piece)});
    });
  }
}

void ExchangePlan::gather(Members members) const {
  std::vector<Move> moves;
  for (size_t k = 0; k < command_.operands.size(); ++k) {
    const int64_t bytes = bytes_of(command_.operands[k]);
    for (const Member& to : members) {
      if (!to.cursor) continue;
      for (size_t i = 0; i < members.size(); ++i)
        moves.push_back(
            {result(to.cursor, k) + static_cast<int64_t>(i) * bytes, operand(members[i], k, 0, 1), bytes});
    }
  }
  move_all(moves);
}

void ExchangePlan::all_to_all(Members members) const {
  std::vector<Move> moves;
  const auto count = static_cast<int64_t>(members.size());
  for (size_t k = 0; k < command_.operands.size(); ++k) {
    const int64_t part = bytes_of(command_.operands[k]) / count;
    for (int64_t to = 0; to < count; ++to) {
      if (!members[to].cursor) continue;
      for (int64_t from = 0; from < count; ++from)
        moves.push_back(
            {result(members[to].cursor, k) + from * part, operand(members[from], k, to, count), part});
    }
  }
  move_all(moves);
}

void ExchangePlan::send(size_t meeting, Members members) const {
  std::vector<Move> moves;
  for (size_t k = 0; k < command_.operands.size(); ++k) {
    for (size_t i = 0; i < members.size(); ++i) {
      if (!members[i].cursor) continue;
      const int64_t from = senders_[meeting][i];
      moves.push_back({result(members[i].cursor, k), from < 0 ? nullptr : operand(members[from], k, 0, 1),
                       bytes_of(command_.operands[k])});
    }
  }
  move_all(moves);
}

void ExchangePlan::ragged(size_t meeting, Members members) const {
  const TensorType &sent = command_.operands[0], &kept = command_.results[0], &numbers = command_.operands[1];
  const bool wide = dtype_bytes(numbers.dtype) == 8;
  const auto number = [&](const Member& member, size_t k, int64_t i) {
    const std::byte* list = operand(member, k, 0, 1);
    return wide ? reinterpret_cast<const int64_t*>(list)[i] : reinterpret_cast<const int32_t*>(list)[i];
  };
  const auto count = static_cast<int64_t>(members.size());
  const int64_t pieces = numbers.dims[0] / count, rows = sent.dims[0];
  if (rows == 0 || kept.dims[0] == 0) return;  // nobody has or takes anything
  const int64_t row = bytes_of(sent) / rows;
  for (int64_t from = 0; from < count; ++from) {
    for (int64_t to = 0; to < count; ++to) {
      for (int64_t p = 0; p < pieces; ++p) {
        const int64_t j = to * pieces + p;
        const int64_t start = number(members[from], 1, j), size = number(members[from], 2, j),
                      target = number(members[from], 3, j);
        const auto fits = [size](int64_t at, int64_t all) {
          return at >= 0 && at <= all && size <= all - at;
        };
        if (size < 0 || !fits(start, rows) || !fits(target, kept.dims[0])) {
          throw Error(Code::kInvalidArgument,
                      concat("[ragged_all_to_all] device ", meetings_[meeting][from], " sends ", size,
                             " rows from row ", start, " of ", rows, " to row ", target, " of ", kept.dims[0],
                             " on device ", meetings_[meeting][to],
                             "; expected all of them to be there. Check the offsets and sizes."));
        }
        if (!members[to].cursor) continue;
        std::memmove(result(members[to].cursor, 0) + target * row,
                     operand(members[from], 0, 0, 1) + start * row, size * row);
      }
    }
  }
}

}  // namespace ascend

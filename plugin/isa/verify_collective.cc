// Rules of exchanges: groups list devices that there are, each where it may be, and the types of results
// follow from those of the operands.
#include <algorithm>
#include <vector>

#include "plugin/device/together/combine.h"
#include "plugin/error.h"
#include "plugin/isa/limits.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace {

class CollectiveVerifier {
 public:
  CollectiveVerifier(const CollectiveCommand& command, int64_t devices) : c_(command), devices_(devices) {}

  void run() const {
    if (devices_ > kMaxCollectiveDevices)
      fail(concat("between too many devices; expected at most ", kMaxCollectiveDevices, ", got ", devices_,
                  "."));
    const bool reduces = c_.exchange == Exchange::kall_reduce || c_.exchange == Exchange::kreduce_scatter;
    if (reduces != (c_.reduction != Reduction::knone))
      fail(reduces ? "expected a reduction, got none." : "expected no reduction.");
    switch (c_.exchange) {
      case Exchange::kall_reduce:
        groups(true, true);
        return types(1, 1, true);
      case Exchange::kreduce_scatter:
        groups(false, true);
        return types(1, size(), true);
      case Exchange::kall_gather:
        groups(false, true);
        return types(size(), 1, false);
      case Exchange::kall_to_all:
        groups(false, true);
        return types(size(), size(), false);
      case Exchange::kcollective_broadcast:
        groups(true, false);
        return types(1, 1, false);
      case Exchange::kcollective_permute:
        pairs();
        return types(1, 1, false);
      case Exchange::kragged_all_to_all:
        groups(false, true);
        return ragged();
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Code::kInvalidArgument, concat(kExchangeNames[static_cast<int>(c_.exchange)], ": ", what));
  }
  int64_t size() const { return static_cast<int64_t>(c_.groups.front().size()); }

  void device(int64_t number) const {
    if (number < 0 || number >= devices_)
      fail(concat("no such device; expected 0 to ", devices_ - 1, ", got ", number, "."));
  }

  void groups(bool uneven, bool everyone) const {
    if (c_.groups.empty()) fail("expected a group, got none.");
    std::vector<bool> seen(devices_);
    int64_t count = 0;
    for (const auto& group : c_.groups) {
      if (group.empty()) fail("expected devices in each group, got none.");
      if (!uneven && static_cast<int64_t>(group.size()) != size()) fail("expected groups of one size.");
      for (int64_t d : group) {
        device(d);
        if (seen[d]) fail(concat("device ", d, " is listed twice."));
        seen[d] = true;
        ++count;
      }
    }
    if (everyone && count != devices_)
      fail(concat("expected all ", devices_, " devices in groups, got ", count, "."));
  }

  void pairs() const {
    std::vector<bool> seen[2] = {std::vector<bool>(devices_), std::vector<bool>(devices_)};
    for (const auto& pair : c_.groups) {
      if (pair.size() != 2) fail(concat("expected pairs, got a group of ", pair.size(), "."));
      for (int side = 0; side < 2; ++side) {
        device(pair[side]);
        if (seen[side][pair[side]])
          fail(concat("device ", pair[side], side ? " receives" : " sends", " twice."));
        seen[side][pair[side]] = true;
      }
    }
  }

  // Results have `times` the elements of operands over `over`.
  void types(int64_t times, int64_t over, bool reduces) const {
    if (c_.results.size() != c_.operands.size()) fail("expected a result for each operand.");
    for (size_t k = 0; k < c_.operands.size(); ++k) {
      const TensorType &x = c_.operands[k], &y = c_.results[k];
      const int64_t given = tensor_bytes(x.dtype, x.dims), made = tensor_bytes(y.dtype, y.dims);
      if (given < 0 || made < 0) fail(concat("array ", k, " is too large."));
      if (x.dtype != y.dtype) fail(concat("result ", k, " has another element type than its operand."));
      const int64_t part = dtype_bytes(x.dtype) * over;
      int64_t expected;
      if (given % part != 0 || __builtin_mul_overflow(given / over, times, &expected) || expected != made)
        fail(concat("result ", k, " of ", made, " bytes does not follow from an operand of ", given, "."));
      if (reduces && !find_combination(c_.reduction, x.dtype))
        fail(concat("operand ", k, " has an element type without this reduction."));
    }
  }

  void ragged() const {
    if (c_.results.size() != 1 || c_.operands.size() != 5) fail("expected 1 result and 5 operands.");
    const TensorType &sent = c_.operands[0], &kept = c_.results[0], &numbers = c_.operands[1];
    const bool rows = !sent.dims.empty() && sent.dims.size() == kept.dims.size() &&
                      sent.dtype == kept.dtype &&
                      std::equal(sent.dims.begin() + 1, sent.dims.end(), kept.dims.begin() + 1);
    if (!rows) fail("expected rows of one type.");
    if (numbers.dtype != DType::ki32 && numbers.dtype != DType::ki64) fail("expected offsets in i32 or i64.");
    for (size_t k = 1; k < 5; ++k) {
      const TensorType& list = c_.operands[k];
      if (list.dtype != numbers.dtype || list.dims != numbers.dims || list.dims.size() != 1)
        fail("expected offsets and sizes of one type.");
    }
    if (numbers.dims[0] % size() != 0)
      fail(concat("expected as many pieces for each of ", size(), " members."));
  }

  const CollectiveCommand& c_;
  const int64_t devices_;
};

}  // namespace

void verify_collective(const CollectiveCommand& command, int64_t devices) {
  CollectiveVerifier(command, devices).run();
}

}  // namespace ascend

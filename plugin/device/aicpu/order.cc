#include "plugin/device/aicpu/order.h"

#include <numeric>

#include "plugin/error.h"

namespace ascend::aicpu {
namespace {

struct Item {
  uint64_t key;
  uint32_t number;
  bool operator<(const Item& other) const {
    return key != other.key ? key < other.key : number < other.number;
  }
};

template <class T>
uint64_t bits_at(const std::byte* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

// The order of a float with `width` bits and `mantissa` of them in the significand, as an unsigned integer.
inline uint64_t float_key(uint64_t bits, int width, int mantissa, bool total) {
  const uint64_t sign = uint64_t{1} << (width - 1), magnitude = bits & (sign - 1);
  const uint64_t infinity = (sign - 1) >> mantissa << mantissa;
  if (!total) {
    if (magnitude > infinity) return sign | (sign - 1);
    if (magnitude == 0) return sign;
  }
  return bits & sign ? ~bits & (sign | (sign - 1)) : bits | sign;
}

template <class T, class Key>
void read(const std::byte* src, int64_t stride, int64_t count, uint64_t flip, uint64_t* keys, Key key) {
  for (int64_t i = 0; i < count; ++i) keys[i] = key(bits_at<T>(src + i * stride)) ^ flip;
}

template <class T>
void read_as(const KeyType& type, bool total, uint64_t flip, const std::byte* src, int64_t stride,
             int64_t count, uint64_t* keys) {
  constexpr int width = 8 * sizeof(T);
  switch (type.kind) {
    case KeyKind::kUnsigned:
      return read<T>(src, stride, count, flip, keys, [](uint64_t x) { return x; });
    case KeyKind::kSigned:
      return read<T>(src, stride, count, flip, keys,
                     [](uint64_t x) { return x ^ uint64_t{1} << (width - 1); });
    case KeyKind::kFloat:
      return read<T>(src, stride, count, flip, keys,
                     [&](uint64_t x) { return float_key(x, width, type.mantissa, total); });
    case KeyKind::kDecoded:
      return read<T>(src, stride, count, flip, keys, [&](uint64_t x) {
        return float_key(std::bit_cast<uint32_t>(type.decode(static_cast<unsigned>(x))), 32, 23, total);
      });
  }
}

template <class T>
KeyType decoded() {
  return {KeyKind::kDecoded, 4, 0, [](unsigned code) { return T::decode(code); }};
}

// Key and number in one word: sorting words is stable.
constexpr int64_t kRadixFrom = 512;

// Least significant digit first, a byte at a time; bytes that all keys share take no pass.
void radix_sort(uint64_t* words, uint64_t* other, int64_t count, int key_bytes) {
  std::array<std::array<uint32_t, 256>, 4> counts{};
  for (int64_t i = 0; i < count; ++i)
    for (int b = 0; b < key_bytes; ++b) ++counts[b][words[i] >> (32 + 8 * b) & 255];
  for (int b = 0; b < key_bytes; ++b) {
    auto& n = counts[b];
    if (n[words[0] >> (32 + 8 * b) & 255] == count) continue;
    std::exclusive_scan(n.begin(), n.end(), n.begin(), 0u);
    for (int64_t i = 0; i < count; ++i) other[n[words[i] >> (32 + 8 * b) & 255]++] = words[i];
    std::memcpy(words, other, count * sizeof *words);
  }
}

uint64_t* words_of(const uint64_t* keys, int64_t count) {
  uint64_t* words = scratch<uint64_t, 0>(count);
  for (int64_t i = 0; i < count; ++i) words[i] = keys[i] << 32 | static_cast<uint64_t>(i);
  return words;
}
Item* items_of(const uint64_t* keys, int64_t count) {
  Item* items = scratch<Item, 1>(count);
  for (int64_t i = 0; i < count; ++i) items[i] = {keys[i], static_cast<uint32_t>(i)};
  return items;
}

constexpr int64_t kFew = 32;

// The least k keys, kept in order while all go by: few of many come near.
void first_few(const uint64_t* keys, int64_t count, int64_t k, uint32_t* order) {
  uint64_t best[kFew];
  int64_t size = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (size == k && keys[i] >= best[k - 1]) continue;
    int64_t at = size < k ? size++ : k - 1;
    for (; at > 0 && best[at - 1] > keys[i]; --at) best[at] = best[at - 1], order[at] = order[at - 1];
    best[at] = keys[i], order[at] = static_cast<uint32_t>(i);
  }
}

}  // namespace

KeyType key_type(DType t) {
  switch (t) {
    case DType::ki1:
    case DType::ku8:
    case DType::ku16:
    case DType::ku32:
    case DType::ku64:
      return {KeyKind::kUnsigned, dtype_bytes(t)};
    case DType::ki8:
    case DType::ki16:
    case DType::ki32:
    case DType::ki64:
      return {KeyKind::kSigned, dtype_bytes(t)};
    case DType::kf16:
      return {KeyKind::kFloat, 2, 10};
    case DType::kbf16:
      return {KeyKind::kFloat, 2, 7};
    case DType::kf32:
      return {KeyKind::kFloat, 4, 23};
    case DType::kf64:
      return {KeyKind::kFloat, 8, 52};
    case DType::kf8e5m2:
      return decoded<F8e5m2>();
    case DType::kf8e4m3:
      return decoded<F8e4m3>();
    case DType::kf8e3m4:
      return decoded<F8e3m4>();
    case DType::kf8e4m3fn:
      return decoded<F8e4m3fn>();
    case DType::kf8e4m3b11fnuz:
      return decoded<F8e4m3b11fnuz>();
    case DType::kf8e5m2fnuz:
      return decoded<F8e5m2fnuz>();
    case DType::kf8e4m3fnuz:
      return decoded<F8e4m3fnuz>();
    case DType::kf8e8m0fnu:
      return decoded<F8e8m0fnu>();
    case DType::kf4e2m1fn:
      return decoded<F4e2m1fn>();
    case DType::ki4:
      return decoded<SmallInt<4, true>>();
    case DType::ku4:
      return decoded<SmallInt<4, false>>();
    case DType::ki2:
      return decoded<SmallInt<2, true>>();
    case DType::ku2:
      return decoded<SmallInt<2, false>>();
    default:
      throw Error(Code::kInvalidArgument, std::string("[aicpu sort] elements of type ") + dtype_name(t) +
                                              " have no order; expected a real type.");
  }
}

void read_keys(const KeyType& type, bool total, bool descending, const std::byte* src, int64_t stride,
               int64_t count, uint64_t* keys) {
  const uint64_t flip = descending ? ~uint64_t{0} >> (64 - 8 * type.bytes) : 0;
  switch (type.kind == KeyKind::kDecoded ? 1 : type.bytes) {
    case 1:
      return read_as<uint8_t>(type, total, flip, src, stride, count, keys);
    case 2:
      return read_as<uint16_t>(type, total, flip, src, stride, count, keys);
    case 4:
      return read_as<uint32_t>(type, total, flip, src, stride, count, keys);
    default:
      return read_as<uint64_t>(type, total, flip, src, stride, count, keys);
  }
}

void sort_by_keys(const uint64_t* keys, int key_bytes, int64_t count, uint32_t* order) {
  if (key_bytes <= 4) {
    uint64_t* words = words_of(keys, count);
    if (count >= kRadixFrom)
      radix_sort(words, scratch<uint64_t, 2>(count), count, key_bytes);
    else
      std::sort(words, words + count);
    for (int64_t i = 0; i < count; ++i) order[i] = static_cast<uint32_t>(words[i]);
  } else {
    Item* items = items_of(keys, count);
    std::sort(items, items + count);
    for (int64_t i = 0; i < count; ++i) order[i] = items[i].number;
  }
}

namespace {

// Puts the k least of `count` items in front, in order. Of many items most are not moved: they are above the
// k-th least of those before them.
template <class T>
void least_first(T* x, int64_t count, int64_t k) {
  const int64_t room = 4 * k;
  int64_t n = std::min(count, room);
  const auto keep_least = [&] {
    if (k < n) std::nth_element(x, x + k - 1, x + n);
    n = k;
  };
  for (int64_t i = n; i < count; ++i) {
    if (n == room) keep_least();
    for (const T limit = x[k - 1]; i < count; ++i) {
      if (!(x[i] < limit)) continue;
      x[n++] = x[i];
      if (n == room) break;
    }
  }
  keep_least();
  std::sort(x, x + k);
}

}  // namespace

void first_by_keys(const uint64_t* keys, int key_bytes, int64_t count, int64_t k, uint32_t* order) {
  if (k == 0) return;
  if (k <= kFew) return first_few(keys, count, k, order);
  const auto first = [k, count](auto* x) { least_first(x, count, k); };
  if (key_bytes <= 4) {
    uint64_t* words = words_of(keys, count);
    first(words);
    for (int64_t i = 0; i < k; ++i) order[i] = static_cast<uint32_t>(words[i]);
  } else {
    Item* items = items_of(keys, count);
    first(items);
    for (int64_t i = 0; i < k; ++i) order[i] = items[i].number;
  }
}

}  // namespace ascend::aicpu

// Sorting a row: pairs of a key's bits and a column's number, one u64, of which the larger comes first.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/rows.h"

namespace ascend::SIMD_VARIANT {
namespace {

constexpr int kRun = 32;  // columns that tsort32 sorts

// The bits of f32 in total order as those of an unsigned number, above the complement of the column: of equal
// keys the lower column is the larger pair.
ASCEND_INLINE uint64_t pair_of(uint32_t key, uint32_t column) {
  const uint32_t ordered = key ^ (key >> 31 ? 0xffffffffu : 0x80000000u);
  return uint64_t{ordered} << 32 | static_cast<uint32_t>(~column);
}
ASCEND_INLINE uint32_t key_of(uint64_t pair) {
  const uint32_t ordered = static_cast<uint32_t>(pair >> 32);
  return ordered ^ (ordered >> 31 ? 0x80000000u : 0xffffffffu);
}

// Batcher's odd-even merge sort (K. E. Batcher, Sorting networks and their applications, 1968) of kRun rows,
// every lane for itself, largest first.
ASCEND_INLINE void sort_lanes(Vec<uint64_t>* x) {
  for (int p = 1; p < kRun; p *= 2)
    for (int k = p; k >= 1; k /= 2)
      for (int j = k % p; j + k < kRun; j += 2 * k)
        for (int i = j; i < j + k && i + k < kRun; ++i) {
          if (i / (2 * p) != (i + k) / (2 * p)) continue;
          const Vec<uint64_t> a = x[i], b = x[i + k];
          const auto keep = a > b;
          x[i] = keep ? a : b;
          x[i + k] = keep ? b : a;
        }
}

// Every run of 32 columns; as many runs at a time, of whatever rows, as a vector has lanes.
void sort_runs(const VectorArgs& a) {
  constexpr int N = kLanes<uint64_t>;
  const int64_t per_row = (a.columns + kRun - 1) / kRun, runs = a.rows * per_row;
  alignas(64) uint64_t pairs[kRun][N];
  Vec<uint64_t> x[kRun];
  for (int64_t first = 0; first < runs; first += N) {
    const int lanes = static_cast<int>(runs - first < N ? runs - first : N);
    if (lanes < N) __builtin_memset(pairs, 0, sizeof pairs);
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t r = (first + lane) / per_row, c = (first + lane) % per_row * kRun;
      auto* keys = reinterpret_cast<const uint32_t*>(a.src[0] + r * a.src_stride[0]) + c;
      auto* columns = reinterpret_cast<const uint32_t*>(a.src[1] + r * a.src_stride[1]) + c;
      const int64_t n = a.columns - c < kRun ? a.columns - c : kRun;
      for (int64_t i = 0; i < n; ++i) pairs[i][lane] = pair_of(keys[i], columns[i]);
      for (int64_t i = n; i < kRun; ++i) pairs[i][lane] = 0;  // the least: after all others
    }
    __builtin_memcpy(x, pairs, sizeof x);
    sort_lanes(x);
    __builtin_memcpy(pairs, x, sizeof x);
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t r = (first + lane) / per_row, c = (first + lane) % per_row * kRun;
      auto* dst = reinterpret_cast<uint64_t*>(a.dst + r * a.dst_stride) + c;
      const int64_t n = a.columns - c < kRun ? a.columns - c : kRun;
      for (int64_t i = 0; i < n; ++i) dst[i] = pairs[i][lane];
    }
  }
}

// The first n of four runs merged: always the largest of what comes next, of equals that of the first run. A
// run that is at its end shows 0, the least pair.
void merge_four(uint64_t* dst, int64_t n, const uint64_t* const* begin, const int64_t* length) {
  const uint64_t* at[4];
  const uint64_t* end[4];
  uint64_t head[4];
  for (int i = 0; i < 4; ++i) {
    at[i] = begin[i], end[i] = begin[i] + length[i];
    head[i] = at[i] < end[i] ? *at[i] : 0;
  }
  for (int64_t c = 0; c < n; ++c) {
    const int low = head[0] >= head[1] ? 0 : 1, high = head[2] >= head[3] ? 2 : 3;
    const int best = head[low] >= head[high] ? low : high;
    dst[c] = head[best];
    at[best] += at[best] < end[best];
    head[best] = at[best] < end[best] ? *at[best] : 0;
  }
}

void merge_runs(const VectorArgs& a) {
  const int64_t run = a.param[0], take = a.param[1] < run ? a.param[1] : run;
  for (int64_t r = 0; r < a.rows; ++r) {
    auto* dst = reinterpret_cast<uint64_t*>(a.dst + r * a.dst_stride);
    auto* src = reinterpret_cast<const uint64_t*>(a.src[0] + r * a.src_stride[0]);
    int64_t done = 0;
    for (int64_t first = 0; first < a.src_columns && done < a.columns;) {
      const uint64_t* begin[4];
      int64_t length[4], all = 0;
      for (int i = 0; i < 4; ++i) {
        const int64_t left = a.src_columns - first, here = left < run ? left : run;
        begin[i] = src + first;
        length[i] = here < take ? here : take;
        all += length[i], first += here;
      }
      if (all > a.columns - done) all = a.columns - done;
      merge_four(dst + done, all, begin, length);
      done += all;
    }
    for (; done < a.columns; ++done) dst[done] = 0;
  }
}

template <class T, class F>
ASCEND_INLINE void each_pair(const VectorArgs& a, F f) {
  for (int64_t r = 0; r < a.rows; ++r) {
    auto* dst = reinterpret_cast<T*>(a.dst + r * a.dst_stride);
    auto* src = reinterpret_cast<const uint64_t*>(a.src[0] + r * a.src_stride[0]);
    for (int64_t c = 0; c < a.columns; ++c) dst[c] = f(src[c]);
  }
}
void keys(const VectorArgs& a) { each_pair<uint32_t>(a, key_of); }
void columns(const VectorArgs& a) {
  each_pair<uint32_t>(a, [](uint64_t pair) { return ~static_cast<uint32_t>(pair); });
}

}  // namespace

VectorBody find_sorting(const VectorKey& key) {
  switch (key.opcode) {
    case Opcode::ktsort32:
      return &sort_runs;
    case Opcode::ktmrgsort:
      return &merge_runs;
    case Opcode::ktpairkey:
      return &keys;
    case Opcode::ktpairindex:
      return &columns;
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT

// Sorting a row: pairs of a key's bits and a column's number, one u64, of which the larger comes first.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/rows.h"
#include "plugin/device/execute/simd/transpose.h"

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

// Batcher's odd-even merge sort (K. E. Batcher, Sorting networks and their applications, 1968) of kRun
// elements: what is compared with what.
struct Network {
  uint8_t low[192], high[192];
  int count = 0;
  constexpr Network() : low(), high() {
    for (int p = 1; p < kRun; p *= 2)
      for (int k = p; k >= 1; k /= 2)
        for (int j = k % p; j + k < kRun; j += 2 * k)
          for (int i = j; i < j + k && i + k < kRun; ++i)
            if (i / (2 * p) == (i + k) / (2 * p)) {
              low[count] = static_cast<uint8_t>(i), high[count] = static_cast<uint8_t>(i + k);
              ++count;
            }
  }
};
constexpr Network kNetwork;

// Sorts every lane of kRun vectors for itself, largest first.
ASCEND_INLINE void sort_lanes(Vec<uint64_t>* x) {
  for (int c = 0; c < kNetwork.count; ++c) {
    const Vec<uint64_t> a = x[kNetwork.low[c]], b = x[kNetwork.high[c]];
    const auto keep = a > b;
    x[kNetwork.low[c]] = keep ? a : b;
    x[kNetwork.high[c]] = keep ? b : a;
  }
}

// As many runs as a vector has lanes: lane l sorts the columns from keys[l], columns[l] on.
struct Runs {
  static constexpr int N = kLanes<uint64_t>;
  const uint32_t* keys[N];
  const uint32_t* columns[N];
  uint64_t* dst[N];
  int lengths[N];
  int count = 0, full = 0;

  void add(const uint32_t* key, const uint32_t* column, uint64_t* to, int64_t length) {
    keys[count] = key, columns[count] = column, dst[count] = to;
    lengths[count++] = static_cast<int>(length);
    full += length == kRun;
  }
  void sort() {
    Vec<uint64_t> x[kRun];
    full == N ? load_full(x) : load_some(x);
    sort_lanes(x);
    full == N ? store_full(x) : store_some(x);
    count = full = 0;
  }

 private:
  using Keys = VecN<uint32_t, N>;
  void load_full(Vec<uint64_t>* x) const {
    for (int i = 0; i < kRun; i += N) {
      for (int lane = 0; lane < N; ++lane) {
        Keys key, column;
        __builtin_memcpy(&key, keys[lane] + i, sizeof key);
        __builtin_memcpy(&column, columns[lane] + i, sizeof column);
        key ^= bits_as<Keys>(bits_as<VecN<int32_t, N>>(key) >> 31) | 0x80000000u;
        x[i + lane] = __builtin_convertvector(key, Vec<uint64_t>) << 32 |
                      __builtin_convertvector(~column, Vec<uint64_t>);
      }
      transpose_lanes<uint64_t, N>(x + i);
    }
  }
  void load_some(Vec<uint64_t>* x) const {
    uint64_t pairs[kRun][N] = {};  // 0, the least, comes after all others
    for (int lane = 0; lane < count; ++lane)
      for (int i = 0; i < lengths[lane]; ++i) pairs[i][lane] = pair_of(keys[lane][i], columns[lane][i]);
    __builtin_memcpy(x, pairs, sizeof pairs);
  }
  void store_full(Vec<uint64_t>* x) const {
    for (int i = 0; i < kRun; i += N) {
      transpose_lanes<uint64_t, N>(x + i);
      for (int lane = 0; lane < N; ++lane) __builtin_memcpy(dst[lane] + i, &x[i + lane], sizeof x[0]);
    }
  }
  void store_some(const Vec<uint64_t>* x) const {
    for (int lane = 0; lane < count; ++lane)
      for (int i = 0; i < lengths[lane]; ++i) dst[lane][i] = x[i][lane];
  }
};

// Every run of 32 columns, of whatever rows.
void sort_runs(const VectorArgs& a) {
  Runs runs;
  for (int64_t r = 0; r < a.rows; ++r) {
    auto* keys = reinterpret_cast<const uint32_t*>(a.src[0] + r * a.src_stride[0]);
    auto* columns = reinterpret_cast<const uint32_t*>(a.src[1] + r * a.src_stride[1]);
    auto* dst = reinterpret_cast<uint64_t*>(a.dst + r * a.dst_stride);
    for (int64_t c = 0; c < a.columns; c += kRun) {
      runs.add(keys + c, columns + c, dst + c, a.columns - c < kRun ? a.columns - c : kRun);
      if (runs.count == Runs::N) runs.sort();
    }
  }
  if (runs.count > 0) runs.sort();
}

// Two sorted runs and where the first `left` of both go, the larger first.
struct Merge {
  const uint64_t* a = nullptr;
  const uint64_t* a_end = nullptr;
  const uint64_t* b = nullptr;
  const uint64_t* b_end = nullptr;
  uint64_t* dst = nullptr;
  int64_t left = 0;

  // Steps that need no look at the ends.
  int64_t safe() const {
    const int64_t in_a = a_end - a, in_b = b_end - b, shorter = in_a < in_b ? in_a : in_b;
    return shorter < left ? shorter : left;
  }
  // Without a branch, which would be wrong every other time.
  ASCEND_INLINE void step() {
    const uint64_t x = *a, y = *b;
    const int64_t second = x < y;
    *dst++ = second ? y : x;
    a += 1 - second, b += second;
  }
  void finish() {  // one run is at its end
    const int64_t n = a_end > a ? a_end - a : b_end - b;
    __builtin_memcpy(dst, a_end > a ? a : b, (n < left ? n : left) * sizeof *dst);
  }
};

// Takes merges as they come and does some at a time, since a step waits for the one before it.
class Merges {
 public:
  ~Merges() {
    while (count_ > 0) advance();
  }
  void add(const Merge& merge) {
    if (merge.left <= 0) return;
    merges_[count_++] = merge;
    while (count_ == kTogether) advance();
  }

 private:
  static constexpr int kTogether = 4;
  Merge merges_[kTogether];
  int count_ = 0;

  void advance() {
    int64_t steps = INT64_MAX;
    for (int i = 0; i < count_; ++i) steps = merges_[i].safe() < steps ? merges_[i].safe() : steps;
    if (count_ == kTogether)
      for (int64_t s = 0; s < steps; ++s)
        for (Merge& m : merges_) m.step();
    else
      for (int i = 0; i < count_; ++i)
        for (int64_t s = 0; s < steps; ++s) merges_[i].step();
    for (int i = count_; i-- > 0;) {
      merges_[i].left -= steps;
      if (merges_[i].safe() > 0) continue;
      merges_[i].finish();
      merges_[i] = merges_[--count_];
    }
  }
};

// Room for the halves of a row between the two rounds of merging.
struct Halves {
  uint64_t* pairs = nullptr;
  int64_t size = 0;
  Halves() = default;
  Halves(const Halves&) = delete;
  Halves& operator=(const Halves&) = delete;
  ~Halves() { delete[] pairs; }
  uint64_t* of(int64_t n) {
    if (n > size) {
      delete[] pairs;
      pairs = nullptr, size = 0;
      pairs = new uint64_t[static_cast<size_t>(n)];
      size = n;
    }
    return pairs;
  }
};

// Calls with the first column of every group of so many runs, how many pairs are taken of its first half, and
// of both.
template <class F>
ASCEND_INLINE void each_group(int64_t columns, int64_t run, int64_t take, F f) {
  const auto taken = [&](int64_t first) {
    const int64_t here = columns - first < run ? columns - first : run;
    return here < 0 ? 0 : here < take ? here : take;
  };
  for (int64_t first = 0; first < columns; first += 4 * run) f(first, taken);
}

// Runs of `run` columns, by pairs and then pairs of these; a run is not longer than `columns`.
void merge_row(uint64_t* dst, int64_t columns, const uint64_t* src, int64_t src_columns, int64_t run,
               int64_t take, Halves& halves) {
  uint64_t* half = halves.of(src_columns);
  {
    Merges merges;
    uint64_t* to = half;
    each_group(src_columns, run, take, [&](int64_t first, auto taken) {
      for (int64_t r = first; r < first + 4 * run; r += 2 * run) {
        const int64_t a = taken(r), b = taken(r + run);
        merges.add({src + r, src + r + a, src + r + run, src + r + run + b, to, a + b});
        to += a + b;
      }
    });
  }
  int64_t done = 0;
  Merges merges;
  each_group(src_columns, run, take, [&](int64_t first, auto taken) {
    const int64_t a = taken(first) + taken(first + run), b = taken(first + 2 * run) + taken(first + 3 * run);
    const int64_t room = columns - done, n = a + b < room ? a + b : room;
    merges.add({half, half + a, half + a, half + a + b, dst + done, n});
    half += a + b, done += n;
  });
  for (; done < columns; ++done) dst[done] = 0;
}

void merge_runs(const VectorArgs& a) {
  thread_local Halves halves;
  const int64_t run = a.param[0] < a.src_columns ? a.param[0] : a.src_columns;
  const int64_t take = a.param[1] < run ? a.param[1] : run;
  for (int64_t r = 0; r < a.rows; ++r)
    merge_row(reinterpret_cast<uint64_t*>(a.dst + r * a.dst_stride), a.columns,
              reinterpret_cast<const uint64_t*>(a.src[0] + r * a.src_stride[0]), a.src_columns, run, take,
              halves);
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

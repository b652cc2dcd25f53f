// timg2col: what the feature map has under each position of a window, gathered into L0A or L0B.
#include <algorithm>
#include <cstring>

#include "plugin/device/execute/left_right.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

// A run of columns of dst: channels under one kernel position.
struct Tap {
  int64_t y, x;          // from the first element under the window
  int32_t channel;       // the run's first
  int32_t place, count;  // elements: where the run begins in row 0 of dst, and its length
};

constexpr int64_t kNowhere = int64_t{1} << 60;  // y of what is beyond the kernel's last position

// `count` elements, zeros without a source, kGroup apart (OperandLayout::group).
template <class T, int kGroup>
void put(std::byte* dst, const std::byte* src, int64_t count) {
  if (kGroup == 1 && count > 1) {
    src ? std::memcpy(dst, src, count * sizeof(T)) : std::memset(dst, 0, count * sizeof(T));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    T x{};
    if (src) std::memcpy(&x, src + i * sizeof(T), sizeof(T));
    std::memcpy(dst + i * kGroup * sizeof(T), &x, sizeof(T));
  }
}

struct Img2col final : Action {
  Img2col(const isa::timg2col& i, Decoder& d)
      : dst(d.tile(i.dst_)),
        src(d.tile(i.src_)),
        slot(dst, d.source()),
        src_slot(src, d.source()),
        m(i.m_),
        k(i.k_),
        top(i.top_),
        left(i.left_),
        to(dst, d.cube().panel) {
    const Site site = d.site();
    rows = d.valid_rows(dst, dst.spec().rows);
    columns = d.valid_columns(dst, dst.spec().columns);
    valid = d.valid_rows(src, src.spec().rows);
    if (i.shape_.size() != 4 || i.window_.size() != 10)
      site.fail("expected 4 numbers of shape and 10 of window.");
    for (const auto* numbers : {&i.shape_, &i.window_}) {
      for (int64_t x : *numbers) {
        if (x < 1 || x > (1 << 20)) site.fail("shape and window; expected numbers from 1 to 2^20.");
      }
    }
    if (src.spec().layout == Layout::kzn) site.fail("expected src in rows, got zn.");
    if (i.shape_[3] > src.spec().columns)
      site.fail("src has fewer columns than the feature map has channels.");
    if (dst.spec().columns * int64_t{sizeof(Tap)} > kScratchBytes) site.fail("dst has too many columns.");
    images = i.shape_[0], height = i.shape_[1], width = i.shape_[2], channels = i.shape_[3];
    kernel_h = i.window_[0], kernel_w = i.window_[1], stride_h = i.window_[2], stride_w = i.window_[3];
    dilation_h = i.window_[4], dilation_w = i.window_[5], input_h = i.window_[6], input_w = i.window_[7];
    out_h = i.window_[8], out_w = i.window_[9];
    if (!d.cube().widen(dst.dtype())) site.fail("the cube unit does not take this element type.");
    switch (dst.element_bytes()) {
      case 1:
        gather = to.group == 4 ? &Img2col::fill<uint8_t, 4> : &Img2col::fill<uint8_t, 1>;
        break;
      case 2:
        gather = to.group == 2 ? &Img2col::fill<uint16_t, 2> : &Img2col::fill<uint16_t, 1>;
        break;
      case 4:
        gather = &Img2col::fill<uint32_t, 1>;
        break;
      default:
        gather = &Img2col::fill<uint64_t, 1>;
    }
    d.add_work(dst.spec().bytes() / 5.0);
  }

  // What a run of the instruction works on.
  struct Piece {
    const CubeOperand& map;
    std::byte* dst;
    int64_t first, rows;  // output positions
    int64_t limit;        // rows of the map that are there
    int64_t pad_top, pad_left;
    const Tap *taps, *end;
  };

  TileAccess dst, src;
  OperandSlot slot, src_slot;
  Affine m, k, top, left;
  Extent rows, columns, valid;
  int64_t images, height, width, channels, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int64_t input_h, input_w;  // dilation of the map
  int64_t out_h, out_w;
  OperandLayout to;
  void (Img2col::*gather)(const Piece&) const;

  void run(Core& core) const override {
    const CubeOperand& map = src_slot(core);
    slot(core) = {dst.at(core), to.stride, dst.spec().rows, dst.spec().columns, map.least_exponent};
    const int64_t first = evaluate(m, core), start = evaluate(k, core), pad_top = evaluate(top, core),
                  pad_left = evaluate(left, core);
    constexpr int64_t kMostPosition = int64_t{1} << 40, kMostPadding = 1 << 24;
    if (first < 0 || start < 0 || first > kMostPosition || start > kMostPosition || pad_top < -kMostPadding ||
        pad_top > kMostPadding || pad_left < -kMostPadding || pad_left > kMostPadding) {
      return;  // no such position
    }
    Tap* taps = reinterpret_cast<Tap*>(core.scratch);
    const Tap* end = list_taps(taps, start, columns(core));
    (this->*gather)({map, dst.at(core), first, rows(core), valid(core), pad_top, pad_left, taps, end});
  }

  // The runs that `n` columns from kernel position `start` on consist of, none of which crosses into a panel.
  Tap* list_taps(Tap* tap, int64_t start, int64_t n) const {
    int64_t channel = start % channels, x = start / channels % kernel_w, y = start / channels / kernel_w;
    for (int64_t c = 0; c < n; ++tap) {
      int64_t count = std::min(channels - channel, n - c);
      if (to.panel) count = std::min(count, to.panel - c % to.panel);
      *tap = {y < kernel_h ? y * dilation_h : kNowhere, x * dilation_w, static_cast<int32_t>(channel),
              static_cast<int32_t>(to.at(0, c)), static_cast<int32_t>(count)};
      c += count, channel += count;
      if (channel < channels) continue;
      channel = 0;
      if (++x == kernel_w) x = 0, ++y;
    }
    return tap;
  }

  template <class T, int kGroup>
  void fill(const Piece& p) const {
    int64_t image = p.first / (out_h * out_w), oy = p.first / out_w % out_h, ox = p.first % out_w;
    const bool dilated = input_h > 1 || input_w > 1;
    for (int64_t r = 0; r < p.rows; ++r) {
      std::byte* row = p.dst + to.at(r, 0) * sizeof(T);
      const int64_t y0 = oy * stride_h - p.pad_top, x0 = ox * stride_w - p.pad_left;
      for (const Tap* tap = p.taps; tap != p.end; ++tap) {
        int64_t y = y0 + tap->y, x = x0 + tap->x;
        bool inside = image < images && y >= 0 && x >= 0;
        if (dilated) {
          inside = inside && y % input_h == 0 && x % input_w == 0;
          y /= input_h, x /= input_w;
        }
        inside = inside && y < height && x < width;
        const int64_t at = inside ? (image * height + y) * width + x : p.limit;
        inside = at < p.limit;
        put<T, kGroup>(row + tap->place * sizeof(T),
                       inside ? p.map.data + (at * p.map.stride + tap->channel) * sizeof(T) : nullptr,
                       tap->count);
      }
      if (++ox < out_w) continue;
      ox = 0;
      if (++oy == out_h) oy = 0, ++image;
    }
  }
};

}  // namespace

ActionPtr decode(const isa::timg2col& i, Decoder& d) { return std::make_unique<Img2col>(i, d); }

}  // namespace ascend

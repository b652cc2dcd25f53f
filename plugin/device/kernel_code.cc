#include "plugin/device/kernel_code.h"

#include <algorithm>

#include "plugin/device/execute/left_right.h"
#include "plugin/device/pack_cache.h"
#include "plugin/device/pool.h"

namespace ascend {
namespace {

// Handing blocks to another thread costs a few microseconds.
constexpr double kWorthSharing = 15000;  // nanoseconds of work

// Emptying the cache of packed windows costs microseconds too.
constexpr double kWorthPacking = 200000;

}  // namespace

KernelCode::KernelCode(const Kernel& kernel, const Target& target)
    : kernel_(kernel), blocks_(kernel.blocks()), core_bytes_(CoreBytes::of(target)) {
  Decoder decoder(kernel, target);
  body_ = decoder.kernel();
  unbounded_ = decoder.unbounded();
  parallel_ =
      blocks_ > 1 && !decoder.serial() && decoder.work() * static_cast<double>(blocks_) > kWorthSharing;
  if (decoder.work() * static_cast<double>(blocks_) > kWorthPacking)
    shared_arguments_ = decoder.shared_arguments();
  in_place_arguments_ = decoder.in_place_arguments();
  for (const auto& [value, reg] : decoder.constants()) constants_.emplace_back(reg, value);
  const int64_t panel = decoder.cube().panel;
  for (int64_t i = 0; i < static_cast<int64_t>(kernel.tiles.size()); ++i) {
    const TileSpec& t = kernel.tiles[i];
    if (!is_operand(t)) continue;
    const int64_t stride = t.layout == Layout::kzn ? host_panel_stride(t, panel) : host_row_stride(t);
    for (int64_t s = 0; s < t.slots; ++s) {
      const int64_t offset = kCubeScale * (t.address + s * t.slot_stride);
      operands_.push_back({t.loc, offset, {nullptr, stride, t.rows, t.columns}});
    }
  }
}

void KernelCode::run_block(Core& core, int64_t number) const {
  for (int64_t i = static_cast<int64_t>(kernel_.grid.size()) - 1; i >= 0; --i) {
    core.registers[i] = number % kernel_.grid[i];
    number /= kernel_.grid[i];
  }
  std::fill(core.registers.begin() + kernel_.grid.size(), core.registers.begin() + kernel_.registers, 0);
  for (const auto& [reg, value] : constants_) core.registers[reg] = value;
  core.leaves = false;
  core.operands.resize(std::max(core.operands.size(), operands_.size()));
  for (size_t i = 0; i < operands_.size(); ++i) {
    core.operands[i] = operands_[i].operand;
    core.operands[i].data = core.memory[static_cast<int>(operands_[i].loc)] + operands_[i].offset;
  }
  core.product.forget();  // of a block that failed
  run(body_, core);
}

// Whether the launch writes none of the arguments `reads`, under whatever name: then windows stay what they
// were.
bool KernelCode::unwritten(const std::vector<int>& reads, std::byte* const* arguments) const {
  const auto end = [&](size_t i) {
    return arguments[i] + kernel_.arguments[i].size * dtype_bytes(kernel_.arguments[i].dtype);
  };
  for (int read : reads) {
    for (size_t i = 0; i < kernel_.arguments.size(); ++i) {
      if (kernel_.arguments[i].writes && arguments[i] < end(read) && arguments[read] < end(i)) return false;
    }
  }
  return true;
}

void KernelCode::launch(const RunContext& context, std::byte* const* arguments) const {
  struct Lease {
    PackCache* cache;
    ~Lease() {
      if (cache) cache->release();
    }
  };
  const bool share = !shared_arguments_.empty() && unwritten(shared_arguments_, arguments);
  const Lease lease{share ? PackCache::acquire() : nullptr};
  const bool in_place = unwritten(in_place_arguments_, arguments);
  const auto block = [this, &context, arguments, in_place, &lease](int64_t number) {
    context.check();
    Core& core = Core::of_this_thread();
    core.context = &context;
    core.fit(core_bytes_);
    core.arguments = arguments;
    core.packed = lease.cache;
    core.in_place = in_place;
    core.select_subblock(0);
    run_block(core, number);
  };
  if (parallel_) {
    Pool::instance().run(
        blocks_, [](const void* f, int64_t i) { (*static_cast<const decltype(block)*>(f))(i); }, &block);
  } else {
    for (int64_t i = 0; i < blocks_; ++i) block(i);
  }
}

}  // namespace ascend

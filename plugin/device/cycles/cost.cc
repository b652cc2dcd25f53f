#include "plugin/device/cycles/cost.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>

#include "plugin/isa/operands.h"
#include "plugin/isa/target.h"

namespace ascend::cycles {
namespace {

// The tiles of an instruction in their order, and its view.
struct Places {
  const TileOperand* tiles[kMostOperands] = {};
  int n_tiles = 0;
  const ViewOperand* view = nullptr;
  bool written = false;  // the view

  explicit Places(const Instruction& instruction) {
    for (const OperandRef& o : Operands(instruction)) {
      if (o.kind() == OperandKind::ktile) tiles[n_tiles++] = &o.tile();
      if (o.kind() == OperandKind::kview) view = &o.view(), written = o.info().effect != 1;
    }
  }
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Extent {
  int64_t rows, columns;
  DType dtype;
  int64_t elements() const { return rows * columns; }
  int64_t bytes() const { return elements() * dtype_bytes(dtype); }
};

Extent extent(const Walk& walk, const TileOperand& operand) {
  const TileSpec& t = walk.kernel().tiles[operand.tile];
  return {walk.value(t.valid_rows), walk.value(t.valid_columns), t.dtype};
}

// Segments of a view: the dimensions, by stride, that lie without gaps form one, in whatever order the tile
// takes them. L1 takes them in any order, fractal by fractal; UB as they come, so that its pieces are what is
// contiguous there too.
Traffic traffic_of(const Walk& walk, const ViewOperand& view, bool write, Loc tile) {
  const int64_t size = dtype_bytes(walk.kernel().arguments[view.argument].dtype);
  Traffic t;
  t.argument = view.argument;
  t.first = walk.value(view.offset) * size;
  t.row_bytes = t.piece_bytes = size;
  t.rows = 1;
  t.write = write;
  int64_t elements = 1;
  bool together = true;
  for (size_t d = view.shape.size(); d-- > 0;) {
    const int64_t n = walk.value(view.shape[d]), step = view.strides[d] * size;
    if (n <= 0) return {};
    if (n == 1) continue;
    elements *= n;
    together = together && step == t.piece_bytes;
    if (together) t.piece_bytes *= n;
    if (step == 0) continue;  // a broadcast touches the same bytes
    if (step < 0) t.first += (n - 1) * step;
    t.grid[t.rank++] = {std::abs(step), n};
  }
  t.pieces = elements * size / t.piece_bytes;
  std::sort(t.grid, t.grid + t.rank, [](const auto& a, const auto& b) {
    return std::pair(a.step, a.count) < std::pair(b.step, b.count);
  });
  int outer = 0;
  for (int d = 0; d < t.rank; ++d) {
    if (outer == 0 && t.grid[d].step == t.row_bytes) {
      t.row_bytes *= t.grid[d].count;
    } else {
      t.rows *= t.grid[d].count;
      t.grid[outer++] = t.grid[d];
    }
  }
  t.rank = outer;
  if (tile != Loc::kvec) {
    t.piece_bytes = t.row_bytes;
    t.pieces = t.rows;
  }
  return t;
}

// Extra passes for types the vector unit converts before it can compute: to f32 or i32 and back; 64 bits in
// halves.
double promotion(const InstructionInfo& info, DType t, const Target& target) {
  if (!info.computes || architecture_of(target).native >> static_cast<int>(t) & 1) return 1;
  return dtype_bytes(t) == 8 ? 4 : 3;
}

double repeats(const Extent& e, const Target& target, int lane_bytes = 0) {
  const int64_t width = lane_bytes ? lane_bytes : std::max(dtype_bytes(e.dtype), 2);
  return static_cast<double>(ceil_div(e.elements() * width, target.vector_repeat_bytes));
}

void add_mad(const Walk& walk, const Places& o, const Target& target, Cost& cost) {
  const Extent left = extent(walk, *o.tiles[1]), right = extent(walk, *o.tiles[2]);
  const int64_t size = dtype_bytes(left.dtype);
  const double steps = static_cast<double>(ceil_div(left.rows, 16) * ceil_div(right.columns, 16) *
                                           ceil_div(left.columns * size, 32));
  cost.ideal = steps * (size >= 4 ? target.mad_f32_factor * (size / 4) : 1.0);
  cost.cycles = target.mad_start + cost.ideal;
  cost.operations = 2.0 * static_cast<double>(left.rows * left.columns) * static_cast<double>(right.columns);
}

// Arithmetic, comparisons and bits in one cycle, divisions in four; a function takes the scalar unit what one
// element takes the vector unit: 16 cycles and those of its polynomial.
double scalar_cycles(const Instruction& instruction) {
  if (instruction.opcode() == Opcode::ksconvert) return 1;
  const auto [opcode, mode] = kScalarVector[instruction.as<isa::scompute>().op_];
  const double cycles = kInstructions[static_cast<int>(opcode)].cycles;
  if (opcode == Opcode::ktdiv || opcode == Opcode::ktrem) return 4;
  return cycles > 3 ? 16 + cycles : 1;
}

}  // namespace

Pipe pipe_of(const Kernel& kernel, const Instruction& instruction) {
  const InstructionInfo& info = instruction.info();
  if (info.pipe_by < 0) return info.pipes[0];
  const int64_t tile = Operands(instruction)[static_cast<size_t>(info.pipe_by)].tile().tile;
  return info.pipes[static_cast<int>(kernel.tiles[tile].loc)];
}

Cost cost_of(const Walk& walk, const Instruction& instruction, const Target& target) {
  const InstructionInfo& info = instruction.info();
  const Places o(instruction);
  Cost cost{.pipe = pipe_of(walk.kernel(), instruction), .cycles = 0, .traffic = {}};
  const auto widest = [&] {  // the operand that decides how many repeats there are
    Extent e = extent(walk, *o.tiles[0]);
    for (int i = 1; i < o.n_tiles; ++i) {
      const Extent s = extent(walk, *o.tiles[i]);
      if (s.elements() > e.elements() || (s.elements() == e.elements() && s.bytes() > e.bytes())) e = s;
    }
    return e;
  };
  switch (info.cost) {
    case CostKind::kcontrol:
    case CostKind::kfree:
      break;
    case CostKind::ksync:
    case CostKind::kscalar:
      cost.cycles = 1;
      break;
    case CostKind::kscalar_compute:
      cost.cycles = scalar_cycles(instruction);
      break;
    case CostKind::kscalar_access:
      cost.cycles = cost.assumed = target.scalar_access;
      break;
    case CostKind::kscalar_load:
      cost.cycles = target.vector_start;
      cost.traffic = traffic_of(walk, *o.view, o.written, Loc::kvec);
      cost.traffic.rate = 32;
      break;
    case CostKind::krepeat:
    case CostKind::kconvert:
    case CostKind::kmove:
    case CostKind::ktranspose:
    case CostKind::krow_reduce: {
      const Extent e = widest();
      if (cost.pipe == Pipe::kMTE1) {  // tmov into the bias table
        cost.cycles = target.vector_start + static_cast<double>(e.bytes()) / target.l0b_rate;
        cost.on_chip = e.bytes();
        break;
      }
      const double cycles = std::max(info.cycles, 1.0);
      const double passes = info.cost == CostKind::kconvert ? 1 : promotion(info, e.dtype, target);
      cost.ideal = repeats(e, target) * cycles * passes / target.vector_issue;
      cost.cycles = target.vector_start + cost.ideal;
      if (info.computes) cost.operations = static_cast<double>(e.elements());
      break;
    }
    case CostKind::ksort:
    case CostKind::kmerge: {
      const Extent e = extent(walk, *o.tiles[0]);
      const int64_t items = info.cost == CostKind::ksort ? e.rows * ceil_div(e.columns, 32) : e.elements();
      cost.ideal = static_cast<double>(items) * info.cycles;
      cost.cycles = target.vector_start + cost.ideal;
      break;
    }
    case CostKind::kpiece: {
      const Extent a = extent(walk, *o.tiles[0]), b = extent(walk, *o.tiles[1]);
      cost.ideal = repeats(a.elements() < b.elements() ? a : b, target);
      cost.cycles = target.vector_start + cost.ideal;
      break;
    }
    case CostKind::kextract: {
      const TileSpec& dst = walk.kernel().tiles[o.tiles[0]->tile];
      const double rate = dst.loc == Loc::kleft ? target.l0a_rate : target.l0b_rate;
      cost.on_chip = extent(walk, *o.tiles[0]).bytes();
      cost.cycles = target.mad_start + static_cast<double>(cost.on_chip) / rate;
      break;
    }
    case CostKind::kmad:
      add_mad(walk, o, target, cost);
      break;
    case CostKind::kload: {
      const Loc tile = walk.kernel().tiles[o.tiles[0]->tile].loc;
      cost.traffic = traffic_of(walk, *o.view, false, tile);
      cost.traffic.rate = tile == Loc::kmat ? target.l2_rate : target.ub_load_rate;
      cost.cycles = target.move_start;
      break;
    }
    case CostKind::kstore: {
      const Loc tile = walk.kernel().tiles[o.tiles[0]->tile].loc;
      cost.traffic = traffic_of(walk, *o.view, true, tile);
      if (tile == Loc::kacc) {
        const Extent e = extent(walk, *o.tiles[0]);
        const double out = dtype_bytes(walk.kernel().arguments[o.view->argument].dtype);
        const double drain = e.rows * std::max(target.fixp_row, out * e.columns / target.fixp_rate);
        cost.cycles = target.fixp_start;
        cost.traffic.rate = drain > 0 ? cost.traffic.bytes() / drain : target.ub_store_rate;
      } else {
        cost.cycles = target.move_start;
        cost.traffic.rate = target.ub_store_rate;
      }
      break;
    }
    case CostKind::kgather: {
      const bool write = info.operands[0].kind == OperandKind::kview;
      const int64_t mode =
          write ? instruction.as<isa::mscatter>().mode_ : instruction.as<isa::mgather>().mode_;
      const Extent e = extent(walk, *o.tiles[0]);
      cost.traffic = traffic_of(walk, *o.view, write, Loc::kvec);
      const bool rows = mode == static_cast<int64_t>(GatherMode::krow);
      cost.traffic.rows = rows ? e.rows : e.elements();
      cost.traffic.row_bytes = (rows ? e.columns : 1) * dtype_bytes(e.dtype);
      cost.traffic.pieces = cost.traffic.rows;
      cost.traffic.piece_bytes = cost.traffic.row_bytes;
      cost.traffic.scattered = true;
      cost.traffic.rate = write ? target.ub_store_rate : target.ub_load_rate;
      cost.assumed = target.gather_row * static_cast<double>(cost.traffic.rows);
      cost.cycles = target.move_start + cost.assumed;
      break;
    }
  }
  return cost;
}

const CostTable::Entry& CostTable::at(const Walk& walk, int number) {
  Entry& e = entries_[number];
  if (e.known && e.fixed) return e;
  const Instruction& instruction = kernel_.body[number];
  e.cost = cost_of(walk, instruction, target_);
  if (std::exchange(e.known, true)) return e;
  const auto constant = [](const Affine& a) { return a.terms.empty(); };
  e.fixed = true;
  for (const OperandRef& o : Operands(instruction)) {
    if (o.kind() == OperandKind::ktile) {
      const TileSpec& tile = kernel_.tiles[o.tile().tile];
      e.fixed &= constant(tile.valid_rows) && constant(tile.valid_columns);
    } else if (o.kind() == OperandKind::kview) {
      e.fixed &= std::ranges::all_of(o.view().shape, constant);
      e.offset = &o.view().offset;
      e.unit = dtype_bytes(kernel_.arguments[o.view().argument].dtype);
      e.after = e.cost.traffic.first - walk.value(*e.offset) * e.unit;
    }
  }
  return e;
}

}  // namespace ascend::cycles

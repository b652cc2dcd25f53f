#include "plugin/device/execute/vector_action.h"

#include <cmath>
#include <cstring>

#include "plugin/isa/message.h"
#include "plugin/isa/operands.h"

namespace ascend {
namespace {

VectorAction::Shape shape_of(std::string_view name) {
  using enum VectorAction::Shape;
  return name == "rc"   ? kFull
         : name == "r1" ? kColumn
         : name == "1c" ? kRow
         : name == "cr" ? kTransposed
                        : kOwn;
}

uint16_t bf16_bits(float f) {
  uint32_t u;
  std::memcpy(&u, &f, sizeof u);
  if (std::isnan(f)) return static_cast<uint16_t>(u >> 16 | 0x40);
  return static_cast<uint16_t>((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

// To nearest, ties to even, from the double itself: rounding twice could differ in the last bit.
uint16_t f16_bits(double d) {
  const uint16_t sign = std::signbit(d) ? 0x8000 : 0;
  d = std::fabs(d);
  if (std::isnan(d)) return sign | 0x7E00;
  if (d >= 65520.0) return sign | 0x7C00;
  int exponent = d > 0 ? std::ilogb(d) : -14;
  exponent = std::max(exponent, -14);
  const double units = std::nearbyint(std::ldexp(d, 10 - exponent));  // 1024 to 2048, less for subnormals
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + static_cast<uint16_t>(units));
}

// The bits of an immediate as a value of the element type.
int64_t immediate_bits(const Immediate& i, DType dtype) {
  double d = static_cast<double>(i.bits);
  if (i.is_float) std::memcpy(&d, &i.bits, sizeof d);
  int64_t bits = 0;
  switch (dtype) {
    case DType::kf64:
      std::memcpy(&bits, &d, 8);
      return bits;
    case DType::kf32: {
      const float f = static_cast<float>(d);
      std::memcpy(&bits, &f, 4);
      return bits;
    }
    case DType::kbf16:
      return bf16_bits(static_cast<float>(d));
    case DType::kf16:
      return f16_bits(d);
    default:
      break;
  }
  if (i.is_float)
    bits = std::isnan(d) ? 0 : d >= 0x1p63 ? INT64_MAX : d < -0x1p63 ? INT64_MIN : static_cast<int64_t>(d);
  if (!i.is_float) bits = i.bits;
  const int bytes = dtype_bytes(dtype);
  return bytes >= 8 ? bits : bits & ((int64_t{1} << 8 * bytes) - 1);
}

// The operands of any vector instruction, by kind.
struct ByKind {
  std::vector<std::pair<const TileOperand*, const OperandInfo*>> tiles;
  const Immediate* scalar = nullptr;
  std::vector<const Affine*> affines;
  const std::vector<int64_t>* list = nullptr;
  int64_t mode = 0;

  explicit ByKind(const Instruction& instruction) {
    for (const OperandRef& o : Operands(instruction)) {
      if (o.kind() == OperandKind::ktile) tiles.emplace_back(&o.tile(), &o.info());
      if (o.kind() == OperandKind::kaffine) affines.push_back(&o.affine());
      if (o.kind() == OperandKind::kimm) scalar = &o.immediate();
      if (o.kind() == OperandKind::kints) list = &o.ints();
      if (o.kind() == OperandKind::kenum) mode = o.number();
    }
  }
};

}  // namespace

VectorAction::VectorAction(const Instruction& instruction, Decoder& decoder) : opcode(instruction.opcode()) {
  const ByKind operands(instruction);
  dst = decoder.tile(*operands.tiles[0].first);
  dst_shape = shape_of(operands.tiles[0].second->shape);
  for (size_t i = 1; i < operands.tiles.size(); ++i) {
    sources[count++] = {decoder.tile(*operands.tiles[i].first), shape_of(operands.tiles[i].second->shape)};
  }
  if (opcode == Opcode::ktfillpad) dst_shape = Shape::kFull;

  const int first = opcode == Opcode::ktsel ? 1 : 0;  // after the mask
  const DType src = count > first ? sources[first].tile.dtype() : dst.dtype();
  const VectorBody body = find_vector({opcode, dst.dtype(), src, static_cast<int>(operands.mode)});
  function = body.function, stages = body.stages;
  if (!function) {
    decoder.site().fail(concat("element types; the instruction does not compute ", dtype_name(dst.dtype()),
                               " from ", dtype_name(src), "."));
  }

  // The valid region is that of the full-shape operand: dst, or src of a reduction or transposition. It must
  // fit the capacity of every operand.
  const TileAccess& full = dst_shape == Shape::kFull ? dst : sources[0].tile;
  int64_t most_rows = full.spec().rows, most_columns = full.spec().columns;
  const bool rows_go_together = opcode == Opcode::ktgather || opcode == Opcode::ktmrgsort;
  const auto limit = [&](const TileAccess& tile, Shape shape) {
    const int64_t r = tile.spec().rows, c = tile.spec().columns;
    if (shape == Shape::kFull || shape == Shape::kColumn) most_rows = std::min(most_rows, r);
    if (shape == Shape::kFull || shape == Shape::kRow) most_columns = std::min(most_columns, c);
    if (shape == Shape::kTransposed)
      most_rows = std::min(most_rows, c), most_columns = std::min(most_columns, r);
    if (rows_go_together && shape == Shape::kOwn) most_rows = std::min(most_rows, r);
  };
  limit(dst, dst_shape);
  for (int i = 0; i < count; ++i) limit(sources[i].tile, sources[i].shape);
  rows = decoder.valid_rows(full, most_rows);
  columns = decoder.valid_columns(full, most_columns);
  own_shape = rows_go_together || opcode == Opcode::ktfillpad;
  if (own_shape) {
    src_rows = decoder.valid_rows(sources[0].tile, sources[0].tile.spec().rows);
    src_columns = decoder.valid_columns(sources[0].tile, sources[0].tile.spec().columns);
  }

  if (operands.scalar) constants.scalar = immediate_bits(*operands.scalar, count > 0 ? src : dst.dtype());
  if (operands.list) {
    for (size_t i = 0; i < 2 && i < operands.list->size(); ++i) constants.param[i] = (*operands.list)[i];
    if (operands.list->size() != 2 || constants.param[0] < 1 || constants.param[0] > 11 ||
        constants.param[1] < 0 || constants.param[1] > 52) {
      decoder.site().fail("format; expected [exponent bits 1 to 11, mantissa bits 0 to 52].");
    }
  }
  for (size_t i = 0; i < operands.affines.size(); ++i) params[i] = *operands.affines[i], has_params = true;
  decoder.add_work(0.1 * std::max(instruction.info().cycles, 1.0) * most_rows * most_columns);
}

void VectorAction::run(Core& core) const {
  VectorArgs args = constants;
  args.rows = rows(core);
  args.columns = columns(core);
  if (args.rows == 0 || args.columns == 0) return;
  args.dst = dst.at(core);
  args.dst_stride = dst.row_stride() * dst.element_bytes();
  for (int i = 0; i < count; ++i) {
    args.src[i] = sources[i].tile.at(core);
    args.src_stride[i] = sources[i].tile.row_stride() * sources[i].tile.element_bytes();
  }
  if (own_shape) args.src_rows = src_rows(core), args.src_columns = src_columns(core);
  if (has_params) {
    for (int i = 0; i < 3; ++i) args.param[i] = evaluate(params[i], core);
  }
  function(args);
}

ActionPtr decode_vector(const Instruction& i, Decoder& d) { return std::make_unique<VectorAction>(i, d); }

}  // namespace ascend

#include "plugin/device/execute/decode.h"

#include "plugin/device/execute/left_right.h"
#include "plugin/device/execute/scalar_code.h"
#include "plugin/device/execute/strips.h"

namespace ascend {
namespace {

template <class I>
inline constexpr bool kIsVector =
    I::kGroup == "elementwise" || I::kGroup == "broadcast" || I::kGroup == "reduction" ||
    I::kGroup == "irregular" || I::kGroup == "sorting" || I::kOpcode == Opcode::kttrans ||
    I::kOpcode == Opcode::ktfillpad;

// Neighbouring steps of the scalar unit are one action.
void add(Actions& actions, ActionPtr action) {
  auto* last = actions.empty() ? nullptr : dynamic_cast<ScalarCode*>(actions.back().get());
  const auto* code = last ? dynamic_cast<const ScalarCode*>(action.get()) : nullptr;
  if (code)
    last->append(*code);
  else
    actions.push_back(std::move(action));
}

constexpr int64_t kScratchRegisters = 8, kConstantRegisters = 2 * Limits::registers;

}  // namespace

std::optional<uint16_t> Decoder::constant_register(int64_t value) {
  const auto found = constants_.find(value);
  if (found != constants_.end()) return found->second;
  const int64_t number = static_cast<int64_t>(constants_.size());
  if (number >= kConstantRegisters - kScratchRegisters) return std::nullopt;
  return constants_[value] = static_cast<uint16_t>(Limits::registers + kScratchRegisters + number);
}

std::optional<uint16_t> Decoder::end_register() {
  const int64_t reg = Limits::registers + kConstantRegisters + ends_;
  if (reg >= Core::kRegisters) return std::nullopt;
  ++ends_;
  return static_cast<uint16_t>(reg);
}

Decoder::Decoder(const Kernel& kernel, const Target& target)
    : kernel_(kernel),
      cube_(cube_kernels()),
      ranges_(kernel),
      uses_(kernel),
      aliases_(kernel.tiles.size(), -1),
      registers_read_(registers_read(kernel)) {}

bool Decoder::may_alias(int64_t tile) {
  if (aliases_[tile] < 0) aliases_[tile] = ascend::may_alias(kernel_, uses_, tile);
  return aliases_[tile];
}

Extent Decoder::valid_rows(const TileAccess& tile, int64_t limit) const {
  return extent(tile.spec().valid_rows, std::min(limit, tile.spec().rows), "valid rows");
}

Extent Decoder::valid_columns(const TileAccess& tile, int64_t limit) const {
  return extent(tile.spec().valid_columns, std::min(limit, tile.spec().columns), "valid columns");
}

Actions Decoder::kernel() { return span(); }

Actions Decoder::span() {
  Actions actions;
  while (next_ < kernel_.body.size()) {
    index_ = next_++;
    const Instruction& instruction = kernel_.body[index_];
    if (instruction.opcode() == Opcode::kend) {
      ranges_.step(instruction);
      break;
    }
    if (ActionPtr action = decode_one()) add(actions, std::move(action));
  }
  for (const ActionPtr& action : actions)
    if (auto* code = dynamic_cast<ScalarCode*>(action.get())) code->finish();
  return merge_strips(std::move(actions), kernel_, uses_);
}

// Whether an instruction only computes a register for flags, which mean nothing to values.
bool Decoder::is_idle(const Instruction& instruction) const {
  switch (instruction.opcode()) {
    case Opcode::ksaffine:
    case Opcode::ksmin:
    case Opcode::ksmax:
    case Opcode::ksmul:
      return !registers_read_[written_register(instruction)];
    case Opcode::ksmod: {
      const Affine& divisor = instruction.as<isa::smod>().b_;  // one below 1 is to be refused
      return divisor.terms.empty() && divisor.constant > 0 && !registers_read_[written_register(instruction)];
    }
    default:
      return false;
  }
}

ActionPtr Decoder::decode_one() {
  const Instruction& instruction = kernel_.body[index_];
  if (is_idle(instruction)) {
    ranges_.step(instruction);
    return nullptr;
  }
  if (!instruction.info().opens) {  // operands are read before the result is known
    ActionPtr action = visit(instruction, [&]<class I>(const I& i) -> ActionPtr {
      if constexpr (kIsVector<I>) {
        return decode_vector(instruction, *this);
      } else {
        return decode(i, *this);
      }
    });
    ranges_.step(instruction);
    return action;
  }
  switch (instruction.opcode()) {
    case Opcode::kloop:
      return decode(instruction.as<isa::loop>(), *this);
    case Opcode::kwhen:
      return decode(instruction.as<isa::when>(), *this);
    default:
      return decode(instruction.as<isa::subblocks>(), *this);
  }
}

}  // namespace ascend

// Refuses kernels that break a rule of the instruction set, naming the kernel, the instruction and the rule:
// nesting, registers set before they are read, what lives where, element types, valid regions, and bounds as
// far as they are constant. Bounds that depend on registers are the decoder's business (device/execute).
#include <algorithm>
#include <bit>
#include <optional>

#include "plugin/error.h"
#include "plugin/isa/message.h"
#include "plugin/isa/operands.h"
#include "plugin/isa/target.h"
#include "plugin/isa/type_rules.h"

namespace ascend {
namespace {

bool has(uint64_t set, int member) { return set >> member & 1; }

// Extents are affine in registers, so equality is refused only where it is certainly wrong.
bool differ(const Affine& a, const Affine& b) {
  if (a.terms.size() != b.terms.size() || a.constant == b.constant) return false;
  for (size_t i = 0; i < a.terms.size(); ++i) {
    if (a.terms[i].reg != b.terms[i].reg || a.terms[i].coefficient != b.terms[i].coefficient) return false;
  }
  return true;
}

// Rows and columns of an operand's valid region, as far as they are affine.
struct Side {
  std::optional<Affine> rows, columns;
};

std::optional<Affine> product(const std::vector<Affine>& extents, size_t first, size_t last) {
  Affine result{1, {}};
  for (size_t i = first; i < last; ++i) {
    if (!result.terms.empty() && !extents[i].terms.empty()) return std::nullopt;
    const bool swap = result.terms.empty();
    Affine scaled = swap ? extents[i] : result;
    const int64_t factor = swap ? result.constant : extents[i].constant;
    if (__builtin_mul_overflow(scaled.constant, factor, &scaled.constant)) return std::nullopt;
    for (Term& t : scaled.terms)
      if (__builtin_mul_overflow(t.coefficient, factor, &t.coefficient)) return std::nullopt;
    if (factor == 0) scaled.terms.clear();
    result = std::move(scaled);
  }
  return result;
}

int64_t unit(LayoutUnit u, const TileSpec& t) {
  if (u == LayoutUnit::kelement) return 1;
  if (u == LayoutUnit::kacross || t.loc == Loc::kacc) return kFractal;
  return std::max<int64_t>(kFractalBytes / dtype_bytes(t.dtype), 1);
}

template <class Name>
std::string names(uint64_t set, int count, Name name) {
  std::string all;
  for (int i = 0; i < count; ++i)
    if (has(set, i)) all += (all.empty() ? "" : ", ") + std::string(name(i));
  return all;
}

const char* memory_name(int loc) { return kMemories[loc].name; }
const MemoryInfo& memory_of(const TileSpec& t) { return kMemories[static_cast<int>(t.loc)]; }

class KernelVerifier {
 public:
  KernelVerifier(const Kernel& kernel, const Target* target) : kernel_(kernel), target_(target) {}

  void run() {
    verify_header();
    for (size_t i = 0; i < kernel_.tiles.size(); ++i) verify_tile(i);
    index_ = 0;
    verify_spans();
    known_.assign(kernel_.registers, false);
    scopes_.emplace_back();
    for (size_t i = 0; i < kernel_.grid.size(); ++i) set(static_cast<int64_t>(i));
    for (index_ = 0; index_ < static_cast<int64_t>(kernel_.body.size()); ++index_) verify_instruction();
    index_ = -1;
    for (size_t i = 0; i < kernel_.tiles.size(); ++i) verify_core_of(i);
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw Error(Code::kInvalidArgument, concat(index_ < 0 ? concat("[kernel ", kernel_.name, "] ")
                                                          : place(kernel_, static_cast<size_t>(index_)),
                                               parts..., "."));
  }

  template <class... What>
  void within(int64_t value, int64_t low, int64_t high, const What&... what) const {
    if (value < low || value > high) fail(what..., "; expected ", low, " to ", high, ", got ", value);
  }
  // Of an affine only a constant can be checked here.
  template <class... What>
  void within(const Affine& value, int64_t low, int64_t high, const What&... what) const {
    if (value.terms.empty()) within(value.constant, low, high, what...);
  }

  // -- the kernel
  // ---------------------------------------------------------------------------------------------

  void verify_header() const {
    const auto rank = static_cast<int64_t>(kernel_.grid.size());
    within(rank, 1, Limits::grid_rank, "rank of the grid");
    int64_t blocks = 1;
    for (int64_t g : kernel_.grid) {
      if (g < 1 || g > Limits::blocks || (blocks *= g) > Limits::blocks) {
        std::string grid;
        for (int64_t extent : kernel_.grid) grid += (grid.empty() ? "" : ", ") + std::to_string(extent);
        fail("grid; expected 1 to ", Limits::blocks, " blocks, got (", grid, ")");
      }
    }
    within(kernel_.registers, rank, Limits::registers, "number of registers");
    for (const ArgumentSpec& a : kernel_.arguments)
      within(a.size, 0, Limits::argument_elements, "size of an argument");
  }

  void verify_tile(size_t number) const {
    const TileSpec& t = kernel_.tiles[number];
    const MemoryInfo& memory = memory_of(t);
    const LayoutInfo& layout = kLayoutInfo[static_cast<int>(t.layout)];
    if (!has(memory.layouts, static_cast<int>(t.layout))) {
      const auto name = [](int i) { return kLayoutInfo[i].name; };
      fail("layout of %t", number, " in ", memory.name, "; expected ", names(memory.layouts, kLayouts, name),
           ", got ", layout.name);
    }
    if (std::min(t.rows, t.columns) < 1 || std::max(t.rows, t.columns) > Limits::tile_side) {
      fail("capacity of %t", number, "; expected sides of 1 to ", Limits::tile_side, ", got ", t.rows, " x ",
           t.columns);
    }
    within(t.slots, 1, Limits::slots, "slots of %t", number);
    const int64_t unit_rows = unit(layout.rows, t), unit_columns = unit(layout.columns, t);
    if (t.rows % unit_rows != 0 || t.columns % unit_columns != 0) {
      fail("capacity of %t", number, " in ", layout.name, "; expected multiples of ", unit_rows, " x ",
           unit_columns, ", got ", t.rows, " x ", t.columns);
    }
    for (const Affine* a : {&t.valid_rows, &t.valid_columns})
      for (const Term& term : a->terms) within(term.reg, 0, kernel_.registers - 1, "register in %t", number);
    within(t.valid_rows, 0, t.rows, "valid rows of %t", number);
    within(t.valid_columns, 0, t.columns, "valid columns of %t", number);
    if (target_) verify_address(number, t);
  }

  // Also of a tile that no instruction uses; where one does, its message came first.
  void verify_core_of(size_t number) const {
    const MemoryInfo& memory = memory_of(kernel_.tiles[number]);
    if (kernel_.core != CoreKind::kMix && memory.core != core())
      fail("location of %t", number, "; expected a memory of the ", core_name(), " core, got ", memory.name);
  }

  void verify_address(size_t number, const TileSpec& t) const {
    const MemoryInfo& memory = memory_of(t);
    const int64_t size = memory_bytes(*target_, t.loc);
    if (t.address < 0)
      fail("address of %t", number, "; expected 0 or more (run allocate_tiles), got ", t.address);
    if (t.address % memory.alignment != 0 || t.slot_stride % memory.alignment != 0) {
      fail("address of %t", number, "; expected multiples of ", memory.alignment, ", got ", t.address,
           " with slots ", t.slot_stride, " bytes apart");
    }
    if (t.slots > 1 && t.slot_stride < t.bytes())
      fail("stride of %t", number, "; expected ", t.bytes(), " or more, got ", t.slot_stride);
    within(t.slot_stride, 0, size, "stride of %t", number);
    within(t.address, 0, size, "address of %t", number);
    const int64_t end = t.address + (t.slots - 1) * t.slot_stride + t.bytes();
    if (end > size)
      fail("%t", number, " in ", memory.memory, "; expected an end of ", size, " bytes at most, got ", end);
  }

  void verify_spans() {
    std::vector<int64_t> open;
    for (; index_ < static_cast<int64_t>(kernel_.body.size()); ++index_) {
      if (kernel_.body[index_].info().opens) {
        open.push_back(index_);
        if (open.size() > Limits::span_depth) fail("spans are nested deeper than ", Limits::span_depth);
      } else if (kernel_.body[index_].opcode() == Opcode::kend) {
        if (open.empty()) fail("end closes no span");
        open.pop_back();
      }
      verify_references();
    }
    if (open.empty()) return;
    index_ = open.back();
    fail(kernel_.body[index_].info().name, " is not closed by an end");
  }

  // Numbers of tiles, arguments and registers, which everything after this trusts.
  void verify_references() const {
    const auto count = [](const auto& list) { return static_cast<int64_t>(list.size()) - 1; };
    for (const OperandRef& o : Operands(kernel_.body[index_])) {
      if (o.kind() == OperandKind::ktile)
        within(o.tile().tile, 0, count(kernel_.tiles), "tile of operand ", o.info().name);
      if (o.kind() == OperandKind::kview)
        within(o.view().argument, 0, count(kernel_.arguments), "argument of ", o.info().name);
      if (o.kind() == OperandKind::kregister) within(o.number(), 0, kernel_.registers - 1, "register");
    }
  }

  // -- instructions
  // ---------------------------------------------------------------------------------------------

  void set(int64_t reg) {
    if (known_[reg]) return;
    known_[reg] = true;
    scopes_.back().push_back(reg);
  }

  bool on_vector_core() const {
    return kernel_.core == CoreKind::kMix ? subblocks_ > 0 : kernel_.core == CoreKind::kAiv;
  }
  const char* core_name() const { return on_vector_core() ? "vector" : "cube"; }
  CoreType core() const { return on_vector_core() ? CoreType::kvector : CoreType::kcube; }

  void verify_instruction() {
    const Instruction& instruction = kernel_.body[index_];
    const InstructionInfo& info = instruction.info();
    if (instruction.opcode() == Opcode::kend) {
      for (int64_t reg : scopes_.back()) known_[reg] = false;
      scopes_.pop_back();
      openers_.pop_back();
      if (subblocks_ > 0) --subblocks_;
      return;
    }
    const Operands operands(instruction);
    for (const OperandRef& o : operands) verify_operand(o);
    if (info.mixed && kernel_.core != CoreKind::kMix) {
      fail("core type of a kernel with ", info.opens ? "subblocks" : "cross-core flags",
           "; expected mix, got ", kCoreKindNames[static_cast<int>(kernel_.core)]);
    }
    if (info.opens) {
      if (instruction.opcode() == Opcode::ksubblocks && subblocks_ > 0)
        fail("nesting; expected no subblocks in subblocks, got ", subblocks_, " spans around it");
      if (subblocks_ > 0 || instruction.opcode() == Opcode::ksubblocks) ++subblocks_;
      scopes_.emplace_back();
      openers_.push_back(instruction.opcode());
    }
    if (instruction.opcode() == Opcode::kuntil && (openers_.empty() || openers_.back() != Opcode::kloop))
      fail("place; expected to stand directly in a loop, got ",
           openers_.empty() ? "none around it" : kInstructions[static_cast<int>(openers_.back())].name);
    for (const OperandRef& o : operands)
      if (o.kind() == OperandKind::kregister) set(o.number());
    if (target_) verify_paths(operands);
    verify_cores(operands);
    verify_types(info, operands);
    verify_regions(operands);
    switch (instruction.opcode()) {
      case Opcode::ktextract:
        return verify_piece(instruction.as<isa::textract>().dst_, instruction.as<isa::textract>().src_,
                            instruction.as<isa::textract>().row_, instruction.as<isa::textract>().column_);
      case Opcode::ktslice:
        return verify_piece(instruction.as<isa::tslice>().dst_, instruction.as<isa::tslice>().src_,
                            instruction.as<isa::tslice>().row_, instruction.as<isa::tslice>().column_);
      case Opcode::ktinsert:
        return verify_piece(instruction.as<isa::tinsert>().src_, instruction.as<isa::tinsert>().dst_,
                            instruction.as<isa::tinsert>().row_, instruction.as<isa::tinsert>().column_);
      case Opcode::ktreshape:
        return verify(instruction.as<isa::treshape>());
      case Opcode::kscompute:
        return verify(instruction.as<isa::scompute>());
      case Opcode::ksget:
        return verify_element(instruction.as<isa::sget>().src_, instruction.as<isa::sget>().index_);
      case Opcode::ksset:
        return verify_element(instruction.as<isa::sset>().dst_, instruction.as<isa::sset>().index_);
      case Opcode::kset_flag:
        return verify_flag(instruction.as<isa::set_flag>());
      case Opcode::kwait_flag:
        return verify_flag(instruction.as<isa::wait_flag>());
      default:
        return;
    }
  }

  void verify_operand(const OperandRef& o) {
    const OperandInfo& info = o.info();
    for_each_affine(o, [&](const Affine& a) { verify_known(a); });
    switch (o.kind()) {
      case OperandKind::ktile: {
        const TileSpec& tile = tile_of(o);
        if (!has(info.locs, static_cast<int>(tile.loc))) {
          fail("location of ", info.name, "; expected ", names(info.locs, kLocs, memory_name), ", got ",
               memory_of(tile).name);
        }
        verify_known(tile.valid_rows);
        verify_known(tile.valid_columns);
        return;
      }
      case OperandKind::kview:
        return verify_view(o.view(), info);
      case OperandKind::kaffine:
        if (info.constant && (!o.affine().terms.empty() || o.affine().constant < info.low))
          fail(info.name, "; expected a constant of ", info.low, " or more, got ", print(o.affine()));
        return within(o.affine(), info.low, info.high, info.name);
      case OperandKind::kints:
        if (info.length >= 0 && static_cast<int64_t>(o.ints().size()) != info.length)
          fail("length of ", info.name, "; expected ", info.length, ", got ", o.ints().size());
        return;
      case OperandKind::kenum:
        if (info.pipe && !has(kPipeCores[o.number()], static_cast<int>(core()))) {
          uint64_t there = 0;
          for (int p = 0; p < kPipes; ++p)
            if (has(kPipeCores[p], static_cast<int>(core()))) there |= uint64_t{1} << p;
          const auto name = [](int p) { return kPipeNames[p]; };
          fail("pipe; expected one of ", names(there, kPipes, name), ", got ", kPipeNames[o.number()]);
        }
        return;
      case OperandKind::kimm:
      case OperandKind::kregister:
        return;
    }
  }

  void verify_known(const Affine& a) const {
    for (const Term& t : a.terms) {
      within(t.reg, 0, kernel_.registers - 1, "register");
      if (!known_[t.reg])
        fail("%r", t.reg, " may be read before it is set; expected it to be set on every way here");
    }
  }

  void verify_view(const ViewOperand& v, const OperandInfo& info) const {
    const ArgumentSpec& argument = kernel_.arguments[v.argument];
    const auto rank = static_cast<int64_t>(v.shape.size());
    within(rank, 0, Limits::view_rank, "rank of ", info.name);
    within(v.split, 0, rank, "split of ", info.name);
    for (int64_t s : v.strides)
      within(s, -Limits::argument_elements, Limits::argument_elements, "a stride of ", info.name);
    if (info.effect != 1 && !argument.writes)
      fail("writes argument %g", v.argument, "; expected one declared with `writes`");
    for (const Affine& extent : v.shape) within(extent, 0, Limits::blocks, "an extent of ", info.name);
    if (info.indexed || !v.offset.terms.empty()) return;
    __int128 low = v.offset.constant, high = low;
    for (int64_t d = 0; d < rank; ++d) {
      if (!v.shape[d].terms.empty() || v.shape[d].constant == 0) return;
      const __int128 reach = static_cast<__int128>(v.shape[d].constant - 1) * v.strides[d];
      (reach < 0 ? low : high) += reach;
    }
    if (low < 0 || high >= argument.size) {
      const auto text = [](__int128 x) { return std::clamp<__int128>(x, INT64_MIN, INT64_MAX); };
      fail("the view leaves argument ", v.argument, "; expected elements 0 to ", argument.size - 1, ", got ",
           static_cast<int64_t>(text(low)), " to ", static_cast<int64_t>(text(high)));
    }
  }

  const TileSpec& tile_of(const OperandRef& o) const { return kernel_.tiles[o.tile().tile]; }

  void verify_cores(const Operands& operands) const {
    for (const OperandRef& o : operands) {
      if (o.kind() == OperandKind::ktile && memory_of(tile_of(o)).core != core()) {
        fail("location of ", o.info().name, "; expected a memory of the ", core_name(), " core, got ",
             memory_of(tile_of(o)).name);
      }
    }
  }

  // Data goes from a memory to another only where the architecture has a path.
  void verify_paths(const Operands& operands) const {
    unsigned read = 0, written = 0;  // bit sets of memories
    for (const OperandRef& o : operands) {
      const bool tile = o.kind() == OperandKind::ktile;
      if (!tile && o.kind() != OperandKind::kview) continue;
      const unsigned place = 1u << (tile ? static_cast<int>(tile_of(o).loc) : kGm);
      if (o.info().effect & 1) read |= place;
      if (o.info().effect & 2) written |= place;
    }
    const Architecture& architecture = architecture_of(*target_);
    const auto name = [](int memory) { return memory == kGm ? "GM" : kMemories[memory].memory; };
    for (int from = 0; from <= kGm; ++from) {
      const unsigned missing = written & ~(1u << from) & ~architecture.paths[from];
      if (!(read >> from & 1) || !missing) continue;
      fail("takes data from ", name(from), " to ", name(std::countr_zero(missing)), "; expected a path that ",
           architecture.name, " has");
    }
  }

  void verify_types(const InstructionInfo& info, const Operands& operands) const {
    const TypeRule& rule = kTypeRules[info.types];
    if (rule.constraints.empty()) return;
    DType types[kMostOperands];
    int count = 0;
    uint64_t locs = 0;
    for (const OperandRef& o : operands) {
      if (o.kind() == OperandKind::ktile) {
        types[count++] = tile_of(o).dtype;
        locs |= uint64_t{1} << static_cast<int>(tile_of(o).loc);
      } else if (o.kind() == OperandKind::kview) {
        types[count++] = kernel_.arguments[o.view().argument].dtype;
      }
    }
    if (allows(rule, {types, static_cast<size_t>(count)}, locs)) return;
    std::string got;
    for (int i = 0; i < count; ++i) got += (i ? ", " : "") + std::string(dtype_name(types[i]));
    fail("element types; expected ", rule.expected, ", got ", got);
  }

  Side side_of(const OperandRef& o) const {
    if (o.kind() == OperandKind::ktile) return {tile_of(o).valid_rows, tile_of(o).valid_columns};
    const ViewOperand& v = o.view();
    const size_t split = static_cast<size_t>(v.split);
    return {product(v.shape, 0, split), product(v.shape, split, v.shape.size())};
  }

  // Letters in the operands' shapes stand for one number each, which what is read says before what is
  // written.
  void verify_regions(const Operands& operands) const {
    const Affine one{1, {}};
    struct {
      char letter;
      Affine value;
    } bound[2 * kMostOperands];
    int count = 0;
    for (const bool written : {false, true}) {
      for (const OperandRef& o : operands) {
        const OperandInfo& info = o.info();
        const bool has_region = o.kind() == OperandKind::ktile || o.kind() == OperandKind::kview;
        if (!has_region || info.shape == "any" || (info.effect != 1) != written) continue;
        const Side side = side_of(o);
        for (int i = 0; i < 2; ++i) {
          const std::optional<Affine>& got = i ? side.columns : side.rows;
          if (!got) continue;
          const Affine* expected = info.shape[i] == '1' ? &one : nullptr;
          for (int b = 0; b < count; ++b)
            if (bound[b].letter == info.shape[i]) expected = &bound[b].value;
          if (!expected) {
            bound[count++] = {info.shape[i], *got};
          } else if (differ(*expected, *got)) {
            fail("valid region of ", info.name, ", ", i ? "columns" : "rows", "; expected ", print(*expected),
                 ", got ", print(*got));
          }
        }
      }
    }
  }

  // -- rules of single instructions
  // -----------------------------------------------------------------------------

  void verify_piece(const TileOperand& piece, const TileOperand& whole, const Affine& row,
                    const Affine& column) const {
    const TileSpec &dst = kernel_.tiles[piece.tile], &src = kernel_.tiles[whole.tile];
    const auto inside = [&](const Affine& first, const Affine& count, int64_t size, const char* what) {
      if (!first.terms.empty() || !count.terms.empty()) return;
      int64_t last;
      if (__builtin_add_overflow(first.constant, count.constant, &last)) last = INT64_MAX;
      within(last, 0, size, what);
    };
    inside(row, dst.valid_rows, src.rows, "last row");
    inside(column, dst.valid_columns, src.columns, "last column");
  }

  void verify(const isa::treshape& i) const {
    const TileSpec &dst = kernel_.tiles[i.dst_.tile], &src = kernel_.tiles[i.src_.tile];
    const auto where = [](const TileSpec& t) {
      return concat("address ", t.address, ", ", t.slots, " slots");
    };
    if (dst.address != src.address || dst.slots != src.slots)
      fail("dst; expected ", where(src), ", got ", where(dst));
    if (print(i.dst_.slot) != print(i.src_.slot))
      fail("slot of dst; expected ", print(i.src_.slot), ", got ", print(i.dst_.slot));
  }

  // The types are those of the vector instruction that computes the same.
  void verify(const isa::scompute& i) const {
    const auto [opcode, mode] = kScalarVector[i.op_];
    const TypeRule& rule = kTypeRules[kInstructions[static_cast<int>(opcode)].types];
    const DType type = kScalarTypes[i.type_];
    const bool compares = opcode == Opcode::ktcmp || opcode == Opcode::ktisfinite;
    const DType types[] = {compares ? DType::ki1 : type, opcode == Opcode::ktsel ? DType::ki1 : type, type,
                           type};
    const size_t count = opcode == Opcode::ktsel ? 4 : i.op_ < kScalarUnary ? 2 : 3;
    if (!allows(rule, {types, count}, uint64_t{1} << static_cast<int>(Loc::kvec)))
      fail("type; expected ", rule.expected, ", got ", dtype_name(type));
  }

  void verify_element(const TileOperand& tile, const Affine& index) const {
    const TileSpec& t = kernel_.tiles[tile.tile];
    if (t.slots != 1) fail("slots of %t", tile.tile, "; expected 1, got ", t.slots);
    within(index, 0, t.rows * t.columns - 1, "index");
  }

  template <class Flag>
  void verify_flag(const Flag& i) const {
    if (i.src_ == i.dst_) fail("pipes of a flag; expected two different ones, got ", kPipeNames[i.src_]);
  }

  const Kernel& kernel_;
  const Target* target_;
  int64_t index_ = -1;                        // of the instruction; -1: the kernel itself
  int64_t subblocks_ = 0;                     // open spans from the subblocks on
  std::vector<Opcode> openers_;               // of open spans
  std::vector<bool> known_;                   // registers that are set
  std::vector<std::vector<int64_t>> scopes_;  // per open span the registers that it sets first
};

}  // namespace

void verify_kernel(const Kernel& kernel, const Target* target) { KernelVerifier(kernel, target).run(); }

}  // namespace ascend

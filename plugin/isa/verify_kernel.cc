// Structural rules of a kernel: what must hold before decoding may trust indices, locations and element
// types. Bounds that depend on registers are the decoder's business (device/execute).
#include <algorithm>
#include <bit>

#include "plugin/error.h"
#include "plugin/isa/limits.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"
#include "plugin/isa/target.h"

namespace ascend {

int64_t memory_bytes(const Target& target, Loc loc) {
  switch (loc) {
    case Loc::kvec:
      return target.ub_bytes;
    case Loc::kmat:
      return target.l1_bytes;
    case Loc::kleft:
      return target.l0a_bytes;
    case Loc::kright:
      return target.l0b_bytes;
    case Loc::kacc:
      return target.l0c_bytes;
    case Loc::kbias:
      return target.bt_bytes;
    case Loc::kscaling:
      return target.fb_bytes;
  }
  return 0;
}

namespace {

constexpr int64_t kMaxRegisters = 4096;
constexpr int64_t kMaxElements = int64_t{1}
                                 << 44;  // of an argument: keeps address arithmetic far from overflow
constexpr int64_t kMaxExtent = int64_t{1} << 26;  // of a tile's side: what the largest memory holds
constexpr int kLocs = static_cast<int>(std::size(kLocNames));

bool is_float(DType t) {
  return t == DType::kf16 || t == DType::kbf16 || t == DType::kf32 || t == DType::kf64;
}
bool is_int(DType t) { return t >= DType::ki8 && t <= DType::ku64; }
bool is_bool(DType t) { return t == DType::ki1; }

bool in_class(DType t, std::string_view name) {
  if (name == "float") return is_float(t);
  if (name == "int") return is_int(t);
  if (name == "number") return is_float(t) || is_int(t);
  if (name == "bits") return is_int(t) || is_bool(t);
  return is_float(t) || is_int(t) || is_bool(t);  // all
}

class KernelVerifier {
 public:
  KernelVerifier(const Kernel& kernel, const Target& target) : kernel_(kernel), target_(target) {}

  void run() {
    verify_header();
    for (size_t i = 0; i < kernel_.tiles.size(); ++i) verify_tile(i);
    for (index_ = 0; index_ < kernel_.body.size(); ++index_) verify_instruction();
    if (depth_ != 0)
      fail_kernel("a block is not closed; expected as many `end` as loop, when and subblocks.");
  }

 private:
  [[noreturn]] void fail_kernel(const std::string& what) const {
    throw Error(Code::kInvalidArgument, concat("[kernel ", kernel_.name, "] ", what));
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Code::kInvalidArgument, place(kernel_, index_) + what);
  }

  void verify_header() const {
    if (kernel_.grid.empty() || kernel_.grid.size() > 8)
      fail_kernel("the grid needs one to eight dimensions.");
    int64_t blocks = 1;
    for (int64_t g : kernel_.grid) {
      if (g < 1 || g > (int64_t{1} << 31) || (blocks *= g) > (int64_t{1} << 31)) {
        fail_kernel(
            concat("the grid is out of range; expected 1 to 2^31 blocks, got a dimension of ", g, "."));
      }
    }
    if (kernel_.registers < static_cast<int64_t>(kernel_.grid.size()) || kernel_.registers > kMaxRegisters) {
      fail_kernel(concat("number of registers; expected ", kernel_.grid.size(), " to ", kMaxRegisters,
                         ", got ", kernel_.registers, "."));
    }
    for (const ArgumentSpec& a : kernel_.arguments) {
      if (a.size < 0 || a.size > kMaxElements) fail_kernel(concat("an argument has ", a.size, " elements."));
    }
  }

  void verify_affine(const Affine& a) const {
    for (const Term& t : a.terms) {
      if (t.reg < 0 || t.reg >= kernel_.registers) {
        fail_kernel(concat("no such register; expected 0 to ", kernel_.registers - 1, ", got ", t.reg, "."));
      }
    }
  }

  void verify_tile(size_t number) const {
    const TileSpec& t = kernel_.tiles[number];
    const auto bad = [&](const std::string& what) { fail_kernel(concat("tile %", number, ": ", what)); };
    if (t.rows < 1 || t.columns < 1 || t.rows > kMaxExtent || t.columns > kMaxExtent) {
      bad(concat("capacity; expected sides of 1 to ", kMaxExtent, ", got ", t.rows, " x ", t.columns, "."));
    }
    const int64_t memory = memory_bytes(target_, t.loc);
    if (t.slots < 1 || t.slots > 64) bad(concat("slots; expected 1 to 64, got ", t.slots, "."));
    if (t.address < 0 || t.address > memory || t.address % 32 || t.slot_stride < 0 ||
        t.slot_stride > memory || t.slot_stride % 32 || (t.slots > 1 && t.slot_stride < t.bytes()) ||
        t.address + (t.slots - 1) * t.slot_stride + t.bytes() > memory) {
      bad(concat("does not lie in its memory, ", kLocNames[static_cast<int>(t.loc)],
                 "; expected 32-byte aligned slots below ", memory, ", got ", t.slots, " x ", t.bytes(),
                 " bytes from ", t.address, ", ", t.slot_stride, " apart."));
    }
    if ((t.loc == Loc::kright) != (t.layout == Layout::kzn) && t.loc != Loc::kmat) {
      bad("layout; expected zn on the cube unit's right side and nowhere else but in L1.");
    }
    if ((t.loc == Loc::kvec || t.loc == Loc::kbias) && t.layout != Layout::knd)
      bad("layout; expected nd in UB and BT.");
    verify_affine(t.valid_rows);
    verify_affine(t.valid_columns);
  }

  void verify_instruction() {
    const Instruction& instruction = kernel_.body[index_];
    operand_ = 0;
    tiles_.clear();
    read_ = written_ = 0;
    visit(instruction, [&](const auto& operands) { operands.visit(*this); });
    const InstructionInfo& info = instruction.info();
    if (info.opens && ++depth_ > kMaxBlockDepth)
      fail(concat("blocks are nested deeper than ", kMaxBlockDepth, "."));
    if (instruction.opcode() == Opcode::kend && --depth_ < 0) fail("closes no block.");
    if (instruction.opcode() == Opcode::kloop) {
      const Affine& step = instruction.as<isa::loop>().step_;
      if (!step.terms.empty() || step.constant < 1) fail("the step of a loop; expected a positive constant.");
    }
    verify_paths();
    verify_dtypes(info.dtypes);
  }

  // Data goes from a memory to another only where the architecture has a path.
  void verify_paths() const {
    for (int from = 0; from < kLocs; ++from) {
      const unsigned missing = written_ & ~(1u << from) & ~architecture_.paths[from];
      if (!(read_ >> from & 1) || !missing) continue;
      fail(concat("takes data from ", kLocNames[from], " to ", kLocNames[std::countr_zero(missing)],
                  "; expected a path that ", architecture_.name, " has."));
    }
  }

 public:  // called by the generated visit
  template <class... Operands>
  void operator()(const Operands&... operands) {
    ((take(operands), ++operand_), ...);
  }

 private:
  const OperandInfo& operand() const { return kernel_.body[index_].info().operands[operand_]; }

  void take(const Affine& a) { verify_affine(a); }
  void take(const TileOperand& t) {
    if (t.tile < 0 || t.tile >= static_cast<int64_t>(kernel_.tiles.size())) {
      throw Error(Code::kInvalidArgument,
                  concat("[kernel ", kernel_.name, ", instruction ", index_, "] no such tile; expected 0 to ",
                         static_cast<int64_t>(kernel_.tiles.size()) - 1, ", got ", t.tile, "."));
    }
    verify_affine(t.slot);
    const TileSpec& tile = kernel_.tiles[t.tile];
    if (!(operand().locs >> static_cast<int>(tile.loc) & 1)) {
      fail(
          concat("operand ", operand().name, " cannot live in ", kLocNames[static_cast<int>(tile.loc)], "."));
    }
    tiles_.push_back(&tile);
    if (operand().access & 1) read_ |= 1u << static_cast<int>(tile.loc);
    if (operand().access & 2) written_ |= 1u << static_cast<int>(tile.loc);
  }
  void take(const ViewOperand& v) {
    if (v.argument < 0 || v.argument >= static_cast<int64_t>(kernel_.arguments.size())) {
      fail(concat("no such argument; expected 0 to ", static_cast<int64_t>(kernel_.arguments.size()) - 1,
                  ", got ", v.argument, "."));
    }
    const int64_t rank = static_cast<int64_t>(v.shape.size());
    if (v.split < 0 || v.split > rank) fail(concat("split; expected 0 to ", rank, ", got ", v.split, "."));
    verify_affine(v.offset);
    for (const Affine& extent : v.shape) verify_affine(extent);
    for (int64_t s : v.strides) {
      if (s > kMaxElements || s < -kMaxElements) fail(concat("a stride is out of range, got ", s, "."));
    }
    if (operand().access != 1 && !kernel_.arguments[v.argument].writes) {
      fail(concat("writes argument ", v.argument, ", which the kernel declares read-only."));
    }
    view_ = &kernel_.arguments[v.argument];
  }
  void take(const Immediate&) {}
  void take(const std::vector<int64_t>&) {}
  void take(int64_t value) {
    if (operand().kind == OperandKind::kregister && (value < 0 || value >= kernel_.registers)) {
      fail(concat("no such register; expected 0 to ", kernel_.registers - 1, ", got ", value, "."));
    }
  }

  void expect(bool holds, const char* rule) const {
    if (holds) return;
    std::string got;
    for (const TileSpec* t : tiles_) got += (got.empty() ? "" : ", ") + std::string(dtype_name(t->dtype));
    fail(concat("element types; expected ", rule, ", got ", got, "."));
  }

  void verify_dtypes(std::string_view rule) const {
    const auto type = [&](size_t i) { return tiles_[i]->dtype; };
    const Opcode opcode = kernel_.body[index_].opcode();
    if (rule.starts_with("same:")) {
      const std::string_view name = rule.substr(5);
      for (size_t i = 0; i < tiles_.size(); ++i) {
        expect(type(i) == type(0) && in_class(type(i), name), "equal types the instruction computes");
      }
    } else if (rule == "compare") {
      expect(is_bool(type(0)) &&
                 std::all_of(tiles_.begin() + 2, tiles_.end(), [&](auto* t) { return t->dtype == type(1); }),
             "i1 and equal source types");
    } else if (rule == "select") {
      expect(is_bool(type(1)) && type(0) == type(2) && type(0) == type(3), "an i1 mask and equal types");
    } else if (rule == "index") {
      expect(type(0) == DType::ki32, "an i32 result");
    } else if (rule == "gather") {
      expect(type(0) == type(1) && type(2) == DType::ki32, "equal types and an i32 index");
    } else if (rule == "matmul") {
      const DType acc = type(0), left = type(1), right = type(2);
      const auto summed_in_f32 = [](DType t) {
        return t == DType::kf32 || t == DType::kf16 || t == DType::kbf16;
      };
      const bool floats = acc == DType::kf32 && left == right && summed_in_f32(left);
      const auto narrow = [](DType t) { return t == DType::ki8 || t == DType::ku8; };
      const bool ints = acc == DType::ki32 &&
                        ((narrow(left) && narrow(right)) || (left == DType::ki32 && right == DType::ki32));
      const bool doubles = acc == DType::kf64 && left == DType::kf64 && right == DType::kf64;
      expect(floats || ints || doubles, "f16, bf16, f32 into f32; i8, u8, i32 into i32; f64 into f64");
      if (tiles_.size() > 3) {
        expect(type(3) == acc || (acc == DType::kf32 && summed_in_f32(type(3))),
               "a bias of the sum's type, f16 or bf16 with f32");
      }
    } else if (opcode == Opcode::ktload || opcode == Opcode::kmgather || opcode == Opcode::kmscatter) {
      const size_t data = 0;
      if (type(data) != view_->dtype) {
        fail(concat("element types; expected that of the argument, ", dtype_name(view_->dtype), ", got ",
                    dtype_name(type(data)), "."));
      }
      if (tiles_.size() > 1) {
        expect(type(1) == DType::ki32 || type(1) == DType::ki64, "offsets in i32 or i64");
      }
    } else if (opcode == Opcode::ktstore && tiles_[0]->loc == Loc::kvec && type(0) != view_->dtype) {
      fail(concat("element types; expected that of the argument, ", dtype_name(view_->dtype), ", got ",
                  dtype_name(type(0)), "."));
    } else if (opcode == Opcode::ksload && !is_int(view_->dtype) && !is_bool(view_->dtype)) {
      fail(concat("element type; expected an integer, got ", dtype_name(view_->dtype), "."));
    }
  }

  const Kernel& kernel_;
  const Target& target_;
  const Architecture& architecture_ = architecture_of(target_);
  unsigned read_ = 0, written_ = 0;  // bit sets of Loc: where the instruction's tiles are
  size_t index_ = 0, operand_ = 0;
  int64_t depth_ = 0;
  std::vector<const TileSpec*> tiles_;  // operands of the instruction
  const ArgumentSpec* view_ = nullptr;  // argument of its view
};

}  // namespace

void verify_kernel(const Kernel& kernel, const Target& target) { KernelVerifier(kernel, target).run(); }

}  // namespace ascend

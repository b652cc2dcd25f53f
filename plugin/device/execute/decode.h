// Instructions -> actions. Every instruction outside the vector groups needs its own `decode` below: without
// one the dispatch in decode.cc does not compile. Vector instructions are one action around find_vector's
// function.
#pragma once
#include <map>
#include <optional>

#include "plugin/device/execute/action.h"
#include "plugin/device/execute/cube_kernels.h"
#include "plugin/device/execute/view.h"
#include "plugin/isa/ranges.h"
#include "plugin/isa/uses.h"

namespace ascend {

class Decoder {
 public:
  Decoder(const Kernel& kernel, const Target& target);

  Actions kernel();
  void step() {
    ranges_.step(kernel_.body[index_]);
  }  // the current instruction takes effect on what registers may hold
  Actions span();  // up to the `end` of the span that the current instruction opened

  // Operands of the current instruction.
  TileAccess tile(const TileOperand& operand) const { return TileAccess(operand, kernel_, cube_.panel); }
  ViewAccess view(const ViewOperand& operand) const { return ViewAccess(operand, kernel_, ranges_, site()); }
  Extent extent(const Affine& value, int64_t limit, const char* what) const {
    return Extent(value, limit, ranges_, site(), what);
  }
  Extent valid_rows(const TileAccess& tile, int64_t limit) const;
  Extent valid_columns(const TileAccess& tile, int64_t limit) const;

  Site site() const { return {&kernel_, index_}; }
  const Ranges& ranges() const { return ranges_; }
  const KernelUses& uses() const { return uses_; }
  // Whether extracts into this tile may refer to L1 instead of copying (left_right.h).
  bool may_alias(int64_t tile);
  const Kernel& source() const { return kernel_; }
  const CubeKernels& cube() const { return cube_; }
  size_t index() const { return index_; }

  // Estimated work of one block in nanoseconds, and whether blocks must run one after the other.
  double work() const { return work_; }
  bool serial() const { return serial_; }
  double trips() const { return trips_; }  // of the loops around the current instruction
  // Arguments whose packed windows blocks may share.
  const std::vector<int>& shared_arguments() const { return shared_arguments_; }
  void share_packed(int argument) { shared_arguments_.push_back(argument); }
  // Arguments whose windows may be read where they are, after they were loaded.
  const std::vector<int>& in_place_arguments() const { return in_place_arguments_; }
  void read_in_place(int argument) { in_place_arguments_.push_back(argument); }
  void add_work(double nanoseconds) { work_ += nanoseconds * trips_; }
  void run_serially() { serial_ = true; }
  // Registers of the host: for a constant, for what an operand is computed to, for where a loop ends; none if
  // there are too many.
  std::optional<uint16_t> constant_register(int64_t value);
  uint16_t scratch_register(int number) const { return static_cast<uint16_t>(Limits::registers + number); }
  std::optional<uint16_t> end_register();
  const std::map<int64_t, uint16_t>& constants() const { return constants_; }
  bool unbounded() const { return unbounded_; }  // whether the trips of some loop are not known
  void run_unbounded() { unbounded_ = true; }
  double enter_loop(double trips) {
    return std::exchange(trips_, trips_ * trips);
  }  // returns what leave_loop takes
  void leave_loop(double trips) { trips_ = trips; }

 private:
  ActionPtr decode_one();
  bool is_idle(const Instruction& instruction) const;

  const Kernel& kernel_;
  const CubeKernels& cube_;
  Ranges ranges_;
  KernelUses uses_;
  std::vector<int8_t> aliases_;  // by tile: -1 not asked yet
  std::vector<bool> registers_read_;
  size_t index_ = 0, next_ = 0;
  double work_ = 0, trips_ = 1;
  bool serial_ = false, unbounded_ = false;
  std::map<int64_t, uint16_t> constants_;
  int64_t ends_ = 0;
  std::vector<int> shared_arguments_, in_place_arguments_;
};

ActionPtr decode(const isa::end&, Decoder&);
ActionPtr decode(const isa::loop&, Decoder&);
ActionPtr decode(const isa::when&, Decoder&);
ActionPtr decode(const isa::subblocks&, Decoder&);

ActionPtr decode(const isa::set_flag&, Decoder&);
ActionPtr decode(const isa::wait_flag&, Decoder&);
ActionPtr decode(const isa::pipe_barrier&, Decoder&);
ActionPtr decode(const isa::set_cross_flag&, Decoder&);
ActionPtr decode(const isa::wait_cross_flag&, Decoder&);

ActionPtr decode(const isa::saffine&, Decoder&);
ActionPtr decode(const isa::smin&, Decoder&);
ActionPtr decode(const isa::smax&, Decoder&);
ActionPtr decode(const isa::smul&, Decoder&);
ActionPtr decode(const isa::sdiv&, Decoder&);
ActionPtr decode(const isa::smod&, Decoder&);
ActionPtr decode(const isa::sload&, Decoder&);
ActionPtr decode(const isa::sstore&, Decoder&);
ActionPtr decode(const isa::sget&, Decoder&);
ActionPtr decode(const isa::sset&, Decoder&);
ActionPtr decode(const isa::scompute&, Decoder&);
ActionPtr decode(const isa::sconvert&, Decoder&);
ActionPtr decode(const isa::until&, Decoder&);

// A loop or condition around nothing but the scalar unit's steps, as steps; nullptr if the body is more than
// that.
ActionPtr loop_of_steps(const isa::loop&, const Actions& body, Decoder&);
ActionPtr condition_of_steps(const isa::when&, const Actions& body, Decoder&);

ActionPtr decode(const isa::tload&, Decoder&);
ActionPtr decode(const isa::tstore&, Decoder&);
ActionPtr decode(const isa::mgather&, Decoder&);
ActionPtr decode(const isa::mscatter&, Decoder&);

ActionPtr decode(const isa::tmov&, Decoder&);
ActionPtr decode(const isa::textract&, Decoder&);
ActionPtr decode(const isa::tslice&, Decoder&);
ActionPtr decode(const isa::tinsert&, Decoder&);
ActionPtr decode(const isa::timg2col&, Decoder&);
ActionPtr decode(const isa::treshape&, Decoder&);

ActionPtr decode(const isa::tmatmul&, Decoder&);
ActionPtr decode(const isa::tmatmul_bias&, Decoder&);

ActionPtr decode_vector(const Instruction&, Decoder&);

}  // namespace ascend

// The scalar unit's instructions as steps. 64-bit arithmetic wraps; a division by less than one, and an
// access outside of a tile, is refused when it happens.
#include <algorithm>
#include <cstring>

#include "plugin/device/execute/decode.h"
#include "plugin/device/execute/scalar_steps.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

// -- what steps do

const ScalarStep* affine(const ScalarStep* s, Core& core) {
  core.registers[s->dst] = evaluate(*static_cast<const Affine*>(s->more), core);
  return s->next();
}

// A view of one element: its offset is register a, `value` the size of the argument, `jump` its number.
template <class T>
std::byte* gm_element(const ScalarStep* s, Core& core) {
  const int64_t offset = core.registers[s->a];
  if (static_cast<uint64_t>(offset) >= static_cast<uint64_t>(s->value))
    Site{static_cast<const Kernel*>(s->more), static_cast<size_t>(s->index)}.fail(
        concat("the view leaves argument ", s->jump, "; expected elements 0 to ", s->value - 1, ", got ",
               offset, " to ", offset, "."));
  return core.arguments[s->jump] + offset * static_cast<int64_t>(sizeof(T));
}

template <class T, bool kClipped>
const ScalarStep* load(const ScalarStep* s, Core& core) {
  int64_t held = held_at<T>(gm_element<T>(s, core));
  if (kClipped && held < 0) held = INT64_MAX;
  core.registers[s->dst] = held;
  ASCEND_STEP_TO(s->next());
}

template <class T>
const ScalarStep* store(const ScalarStep* s, Core& core) {
  write<T>(gm_element<T>(s, core), core.registers[s->b]);
  ASCEND_STEP_TO(s->next());
}

const ScalarStep* load_view(const ScalarStep* s, Core& core) {
  const auto& view = *static_cast<const ViewAccess*>(s->more);
  const ViewElements w = view.resolve(core);
  if (w.rows * w.columns < 1) view.site().fail("the view is empty; expected one element.");
  core.registers[s->dst] = with_element(view.dtype(), [&]<class T>(T) { return held_at<T>(w.base); });
  if (view.dtype() == DType::ku64 && core.registers[s->dst] < 0) core.registers[s->dst] = INT64_MAX;
  return s->next();
}

const ScalarStep* store_view(const ScalarStep* s, Core& core) {
  const auto& view = *static_cast<const ViewAccess*>(s->more);
  const ViewElements w = view.resolve(core);
  if (w.rows * w.columns < 1) view.site().fail("the view is empty; expected one element.");
  with_element(view.dtype(), [&]<class T>(T) { write<T>(w.base, core.registers[s->b]); });
  return s->next();
}

const ScalarStep* begin_loop(const ScalarStep* s, Core& core) {
  int64_t* r = core.registers.data();
  if (r[s->a] >= r[s->b]) ASCEND_STEP_TO(s->to());
  r[s->c] = r[s->b];  // before anything changes registers
  r[s->dst] = r[s->a];
  ASCEND_STEP_TO(s->next());
}

const ScalarStep* repeat(const ScalarStep* s, Core& core) {
  core.context->check();
  int64_t* r = core.registers.data();
  int64_t next;
  if (__builtin_add_overflow(r[s->dst], s->value, &next) || next >= r[s->c]) ASCEND_STEP_TO(s->next());
  r[s->dst] = next;
  ASCEND_STEP_TO(s->to());
}

const ScalarStep* skip(const ScalarStep* s, Core& core) {
  const ScalarStep* next = core.registers[s->a] > 0 ? s->next() : s->to();
  ASCEND_STEP_TO(next);
}

// -- instructions to steps

// The steps of one instruction. What an operand needs is computed into scratch registers first.
class Steps {
 public:
  explicit Steps(Decoder& decoder) : decoder_(decoder), code_(std::make_unique<ScalarCode>()) {
    decoder.add_work(1.5);
  }

  uint16_t operand(const Affine& a) {
    if (a.terms.empty()) {
      if (const auto known = decoder_.constant_register(a.constant)) return *known;
      return computed({&one_step<Constant>}, a.constant);
    }
    if (a.terms.size() == 1 && a.terms[0].coefficient == 1) {
      const auto reg = static_cast<uint16_t>(a.terms[0].reg);
      if (a.constant == 0) return reg;
      return computed({.run = &one_step<AddConstant>, .a = reg}, a.constant);
    }
    if (a.terms.size() <= 2) {
      const Term &first = a.terms.front(), &last = a.terms.back();
      const Coefficients k{first.coefficient, a.terms.size() == 2 ? last.coefficient : 0};
      return computed({.run = &one_step<Linear>,
                       .a = static_cast<uint16_t>(first.reg),
                       .b = static_cast<uint16_t>(last.reg),
                       .more = code_->keep(k)},
                      a.constant);
    }
    return computed({.run = &affine, .more = code_->keep(a)}, 0);
  }

  void add(ScalarStep step) {
    step.index = static_cast<int32_t>(decoder_.index());
    code_->add(step);
  }
  ScalarCode& code() { return *code_; }
  ActionPtr take() { return std::move(code_); }

 private:
  uint16_t computed(ScalarStep step, int64_t value) {
    step.dst = decoder_.scratch_register(scratch_++), step.value = value;
    add(step);
    return step.dst;
  }

  Decoder& decoder_;
  std::unique_ptr<ScalarCode> code_;
  int scratch_ = 0;
};

template <class Function, class Instruction>
ActionPtr decode_binary(const Instruction& i, Decoder& d) {
  Steps steps(d);
  const uint16_t a = steps.operand(i.a_), b = steps.operand(i.b_);
  ScalarStep step{.run = &one_step<Register<Function>>,
                  .dst = static_cast<uint16_t>(i.dst_),
                  .a = a,
                  .b = b,
                  .more = &d.source()};
  constexpr bool kMod = std::is_same_v<Function, RegisterMod>, kDiv = std::is_same_v<Function, RegisterDiv>;
  if ((kMod || kDiv) && i.b_.terms.empty() && i.b_.constant > 1 && i.b_.constant < int64_t{1} << 32) {
    step.run = kMod ? &one_step<ModConstant> : &one_step<DivConstant>;
    step.value = static_cast<int64_t>(UINT64_MAX / static_cast<uint64_t>(i.b_.constant) + 1);
  }
  steps.add(step);
  return steps.take();
}

ScalarStep access(const TileOperand& operand, const Decoder& d) {
  const TileSpec& t = d.source().tiles[operand.tile];
  if (t.slots != 1) d.site().fail(concat("slots of %t", operand.tile, "; expected 1, got ", t.slots, "."));
  return {.jump = static_cast<int32_t>(t.rows * t.columns), .value = t.address, .more = &d.source()};
}

// Whether a view is of one element by its shape, so that only its place has to be found.
bool is_element(const ViewOperand& view) {
  return std::all_of(view.shape.begin(), view.shape.end(),
                     [](const Affine& a) { return a.terms.empty() && a.constant == 1; });
}

}  // namespace

ActionPtr decode(const isa::saffine& i, Decoder& d) {
  Steps steps(d);
  const uint16_t a = steps.operand(i.a_);
  steps.add({.run = &one_step<Move>, .dst = static_cast<uint16_t>(i.dst_), .a = a});
  return steps.take();
}
ActionPtr decode(const isa::smin& i, Decoder& d) { return decode_binary<RegisterMin>(i, d); }
ActionPtr decode(const isa::smax& i, Decoder& d) { return decode_binary<RegisterMax>(i, d); }
ActionPtr decode(const isa::smul& i, Decoder& d) { return decode_binary<RegisterMul>(i, d); }
ActionPtr decode(const isa::sdiv& i, Decoder& d) { return decode_binary<RegisterDiv>(i, d); }
ActionPtr decode(const isa::smod& i, Decoder& d) { return decode_binary<RegisterMod>(i, d); }

ActionPtr decode(const isa::scompute& i, Decoder& d) {
  const DType type = kScalarTypes[i.type_];
  ScalarBody body = find_scalar(static_cast<ScalarOp>(i.op_), type);
  if (!body.run) d.site().fail(concat("type; the operation does not compute ", dtype_name(type), "."));
  Steps steps(d);
  ScalarStep step{.run = body.run, .dst = static_cast<uint16_t>(i.dst_)};
  step.a = steps.operand(i.a_), step.b = steps.operand(i.b_), step.c = steps.operand(i.c_);
  if (body.more) step.more = steps.code().keep(body.more)->get();
  steps.add(step);
  return steps.take();
}

ActionPtr decode(const isa::sconvert& i, Decoder& d) {
  const DType from = kScalarTypes[i.type_], to = kScalarTypes[i.to_];
  ScalarBody body = find_scalar_conversion(from, to, static_cast<int>(i.mode_));
  if (!body.run)
    d.site().fail(concat("types; ", dtype_name(from), " is not converted to ", dtype_name(to), "."));
  Steps steps(d);
  ScalarStep step{.run = body.run, .dst = static_cast<uint16_t>(i.dst_)};
  step.a = step.b = step.c = steps.operand(i.a_);
  if (body.more) step.more = steps.code().keep(body.more)->get();
  steps.add(step);
  return steps.take();
}

ActionPtr decode(const isa::sget& i, Decoder& d) {
  Steps steps(d);
  ScalarStep step = access(i.src_, d);
  step.run = with_element(d.source().tiles[i.src_.tile].dtype,
                          []<class T>(T) -> ScalarFn { return &one_step<Get<T>>; });
  step.dst = static_cast<uint16_t>(i.dst_), step.a = steps.operand(i.index_);
  steps.add(step);
  return steps.take();
}

ActionPtr decode(const isa::sset& i, Decoder& d) {
  Steps steps(d);
  ScalarStep step = access(i.dst_, d);
  step.run = with_element(d.source().tiles[i.dst_.tile].dtype,
                          []<class T>(T) -> ScalarFn { return &one_step<Set<T>>; });
  step.a = steps.operand(i.index_), step.b = steps.operand(i.a_);
  steps.add(step);
  return steps.take();
}

ActionPtr decode(const isa::sload& i, Decoder& d) {
  Steps steps(d);
  ScalarStep step{.dst = static_cast<uint16_t>(i.dst_)};
  const ArgumentSpec& argument = d.source().arguments[i.src_.argument];
  if (is_element(i.src_)) {
    step.run = with_element(argument.dtype, []<class T>(T) -> ScalarFn { return &load<T, false>; });
    if (argument.dtype == DType::ku64) step.run = &load<int64_t, true>;
    step.jump = static_cast<int32_t>(i.src_.argument), step.value = argument.size, step.more = &d.source();
    step.a = steps.operand(i.src_.offset);
  } else {
    step.run = &load_view, step.more = steps.code().keep(d.view(i.src_));
  }
  steps.add(step);
  return steps.take();
}

ActionPtr decode(const isa::sstore& i, Decoder& d) {
  Steps steps(d);
  ScalarStep step;
  const ArgumentSpec& argument = d.source().arguments[i.dst_.argument];
  if (is_element(i.dst_)) {
    step.run = with_element(argument.dtype, []<class T>(T) -> ScalarFn { return &store<T>; });
    step.jump = static_cast<int32_t>(i.dst_.argument), step.value = argument.size, step.more = &d.source();
    step.a = steps.operand(i.dst_.offset);
  } else {
    step.run = &store_view, step.more = steps.code().keep(d.view(i.dst_));
  }
  step.b = steps.operand(i.a_);
  steps.add(step);
  return steps.take();
}

ActionPtr decode(const isa::until& i, Decoder& d) {
  Steps steps(d);
  const uint16_t a = steps.operand(i.value_);
  steps.code().leave({.a = a, .index = static_cast<int32_t>(d.index())});
  return steps.take();
}

ActionPtr loop_of_steps(const isa::loop& i, const Actions& body, Decoder& d) {
  const auto* inner = body.size() == 1 ? dynamic_cast<const ScalarCode*>(body.front().get()) : nullptr;
  const auto end = d.end_register();
  if (!inner || !end) return nullptr;
  ScalarCode repeated(*inner);
  const auto dst = static_cast<uint16_t>(i.dst_);
  Steps steps(d);
  const uint16_t start = steps.operand(i.start_), stop = steps.operand(i.stop_);
  repeated.close_loop({.run = &begin_loop, .dst = dst, .a = start, .b = stop, .c = *end},
                      {.run = &repeat, .dst = dst, .c = *end, .value = i.step_.constant});
  steps.code().append(repeated);
  return steps.take();
}

ActionPtr condition_of_steps(const isa::when& i, const Actions& body, Decoder& d) {
  const auto* inner = body.size() == 1 ? dynamic_cast<const ScalarCode*>(body.front().get()) : nullptr;
  if (!inner) return nullptr;
  ScalarCode guarded(*inner);
  Steps steps(d);
  guarded.close_condition({.run = &skip, .a = steps.operand(i.value_)});
  steps.code().append(guarded);
  return steps.take();
}

}  // namespace ascend

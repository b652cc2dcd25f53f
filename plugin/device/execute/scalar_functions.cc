// What scompute and sconvert compute. Common arithmetic has a function per element type here; everything else
// is done by the vector unit's body on one element, so that there is one implementation of each.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "plugin/device/execute/scalar_steps.h"
#include "plugin/device/execute/vector.h"

namespace ascend {
namespace {

template <class S, class T>
const ScalarStep* convert(const ScalarStep* s, Core& core) {
  int64_t* r = core.registers.data();
  r[s->dst] = held_of(static_cast<T>(value_of<S>(r[s->a])));
  ASCEND_STEP_TO(s->next());
}

const ScalarStep* convert_to_bool(const ScalarStep* s, Core& core) {
  int64_t* r = core.registers.data();
  r[s->dst] = r[s->a] != 0;
  ASCEND_STEP_TO(s->next());
}

// -- by the vector unit

using ReadFn = int64_t (*)(const std::byte*);
ReadFn reader_of(DType dtype) {
  return with_element(dtype, []<class T>(T) -> ReadFn { return &held_at<T>; });
}

struct VectorScalar {
  VectorFn function;
  ReadFn held;
  int sources;
  bool wide;  // f32 in all lanes of the longest vector: a body is fastest on whole ones
};

constexpr int64_t kWide = 64 / sizeof(float);

const ScalarStep* by_vector(const ScalarStep* s, Core& core) {
  const auto& vector = *static_cast<const VectorScalar*>(s->more);
  int64_t* r = core.registers.data();
  alignas(64) std::byte operands[4][256];  // a vector body may read and write whole vectors
  VectorArgs args{};
  const uint16_t sources[] = {s->a, s->b, s->c};
  for (int i = 0; i < vector.sources; ++i) {
    if (vector.wide) {
      uint32_t lanes[kWide];
      std::fill_n(lanes, kWide, static_cast<uint32_t>(r[sources[i]]));
      std::memcpy(operands[i], lanes, sizeof lanes);
    } else {
      std::memcpy(operands[i], &r[sources[i]], sizeof(int64_t));
    }
    args.src[i] = operands[i], args.src_stride[i] = sizeof operands[i];
  }
  args.dst = operands[3], args.dst_stride = sizeof operands[3];
  args.rows = args.src_rows = 1;
  args.columns = args.src_columns = vector.wide ? kWide : 1;
  vector.function(args);
  r[s->dst] = vector.held(operands[3]);
  return s->next();
}

const ScalarStep* by_one(const ScalarStep* s, Core& core) {
  int64_t* r = core.registers.data();
  r[s->dst] = held_of((*static_cast<const OneF32*>(s->more))(value_of<float>(r[s->a])));
  ASCEND_STEP_TO(s->next());
}

ScalarBody by_vector(const VectorKey& key, int sources) {
  const VectorBody function = find_vector(key);
  if (!function) return {};
  if (function.one) return {&by_one, std::make_shared<const OneF32>(function.one)};
  const bool wide = key.src == DType::kf32 && dtype_bytes(key.dst) <= 4;
  return {&by_vector, std::make_shared<const VectorScalar>(function, reader_of(key.dst), sources, wide)};
}

template <class T>
ScalarFn common(ScalarOp op) {
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
      case ScalarOp::krem_:
        return &one_step<Arithmetic<T, scalar::Rem>>;
      case ScalarOp::kand_:
        return &one_step<Arithmetic<T, scalar::And>>;
      case ScalarOp::kor_:
        return &one_step<Arithmetic<T, scalar::Or>>;
      case ScalarOp::kxor_:
        return &one_step<Arithmetic<T, scalar::Xor>>;
      case ScalarOp::knot_:
        return &one_step<Arithmetic<T, scalar::Not>>;
      case ScalarOp::kshl_:
        return &one_step<Arithmetic<T, scalar::Shl>>;
      case ScalarOp::kshr_:
        return &one_step<Arithmetic<T, scalar::Shr>>;
      case ScalarOp::kshrl_:
        return &one_step<Arithmetic<T, scalar::Shrl>>;
      default:
        break;
    }
  } else {
    if (op == ScalarOp::ksqrt_) return &one_step<Arithmetic<T, scalar::Sqrt>>;
    if (op == ScalarOp::kfloor_) return &one_step<Arithmetic<T, scalar::Floor>>;
    if (op == ScalarOp::kceil_) return &one_step<Arithmetic<T, scalar::Ceil>>;
  }
  switch (op) {
    case ScalarOp::kadd_:
      return &one_step<Arithmetic<T, scalar::Add>>;
    case ScalarOp::ksub_:
      return &one_step<Arithmetic<T, scalar::Sub>>;
    case ScalarOp::kmul_:
      return &one_step<Arithmetic<T, scalar::Mul>>;
    case ScalarOp::kdiv_:
      return &one_step<Arithmetic<T, scalar::Div>>;
    case ScalarOp::kmax_:
      return &one_step<Arithmetic<T, scalar::Max>>;
    case ScalarOp::kmin_:
      return &one_step<Arithmetic<T, scalar::Min>>;
    case ScalarOp::kneg_:
      return &one_step<Arithmetic<T, scalar::Neg>>;
    case ScalarOp::kabs_:
      return &one_step<Arithmetic<T, scalar::Abs>>;
    case ScalarOp::keq_:
      return &one_step<Arithmetic<T, scalar::Eq>>;
    case ScalarOp::kne_:
      return &one_step<Arithmetic<T, scalar::Ne>>;
    case ScalarOp::klt_:
      return &one_step<Arithmetic<T, scalar::Lt>>;
    case ScalarOp::kle_:
      return &one_step<Arithmetic<T, scalar::Le>>;
    case ScalarOp::kgt_:
      return &one_step<Arithmetic<T, scalar::Gt>>;
    case ScalarOp::kge_:
      return &one_step<Arithmetic<T, scalar::Ge>>;
    default:
      return nullptr;
  }
}

ScalarFn common(ScalarOp op, DType type) {
  switch (type) {
    case DType::ki1:
      if (op == ScalarOp::knot_) return &one_step<Arithmetic<uint8_t, scalar::NotBool>>;
      if (op == ScalarOp::kand_ || op == ScalarOp::kor_ || op == ScalarOp::kxor_ || op == ScalarOp::keq_ ||
          op == ScalarOp::kne_)
        return common<uint8_t>(op);
      return nullptr;
    case DType::ki8:
      return common<int8_t>(op);
    case DType::ki16:
      return common<int16_t>(op);
    case DType::ki32:
      return common<int32_t>(op);
    case DType::ki64:
      return common<int64_t>(op);
    case DType::ku8:
      return common<uint8_t>(op);
    case DType::ku16:
      return common<uint16_t>(op);
    case DType::ku32:
      return common<uint32_t>(op);
    case DType::ku64:
      return common<uint64_t>(op);
    case DType::kf32:
      return common<float>(op);
    case DType::kf64:
      return common<double>(op);
    default:
      return nullptr;
  }
}

template <class F>
ScalarFn with_integer(DType type, F&& f) {
  switch (type) {
    case DType::ki1:
    case DType::ku8:
      return f(uint8_t());
    case DType::ki8:
      return f(int8_t());
    case DType::ki16:
      return f(int16_t());
    case DType::ki32:
      return f(int32_t());
    case DType::ki64:
      return f(int64_t());
    case DType::ku16:
      return f(uint16_t());
    case DType::ku32:
      return f(uint32_t());
    case DType::ku64:
      return f(uint64_t());
    default:
      return nullptr;
  }
}

// From integers, and between f32 and f64: what C++ converts as tcvt does.
ScalarFn common_conversion(DType from, DType to) {
  const ScalarFn integer = with_integer(from, [to]<class S>(S) -> ScalarFn {
    if (to == DType::ki1) return &convert_to_bool;
    if (to == DType::kf32) return &convert<S, float>;
    if (to == DType::kf64) return &convert<S, double>;
    return with_integer(to, []<class T>(T) -> ScalarFn { return &convert<S, T>; });
  });
  if (integer) return integer;
  if (from == DType::kf32 && to == DType::kf64) return &convert<float, double>;
  if (from == DType::kf64 && to == DType::kf32) return &convert<double, float>;
  return nullptr;
}

}  // namespace

ScalarBody find_scalar(ScalarOp op, DType type) {
  const auto [opcode, mode] = kScalarVector[static_cast<int>(op)];
  const bool compares = opcode == Opcode::ktcmp || opcode == Opcode::ktisfinite;
  const VectorKey key{opcode, compares ? DType::ki1 : type, type, mode};
  if (!find_vector(key)) return {};
  if (op == ScalarOp::ksel_) return {&one_step<Select>, nullptr};
  if (const ScalarFn function = common(op, type)) return {function, nullptr};
  return by_vector(key, static_cast<int>(op) < kScalarUnary ? 1 : 2);
}

ScalarBody find_scalar_conversion(DType from, DType to, int mode) {
  if (const ScalarFn function = common_conversion(from, to)) return {function, nullptr};
  return by_vector({Opcode::ktcvt, to, from, mode}, 1);
}

}  // namespace ascend

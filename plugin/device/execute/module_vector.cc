// Lets tests run one vector instruction, in any SIMD variant of this CPU, on NumPy memory.
#include "plugin/device/execute/module_vector.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "plugin/device/execute/convert_small.h"
#include "plugin/device/execute/vector_variants.h"
#include "plugin/error.h"

namespace nb = nanobind;

namespace ascend {
namespace {

using Bytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

Opcode opcode_of(const std::string& name) {
  for (int i = 0; i < kOpcodes; ++i)
    if (kInstructions[i].name == name) return static_cast<Opcode>(i);
  throw Error(Code::kInvalidArgument, "[run_vector] no instruction is called " + name);
}

VectorFn find_in(const std::string& variant, const VectorKey& key) {
  for (const VectorVariant& v : vector_variants())
    if (v.name == variant) {
      if (const VectorFn f = v.find(key)) return f;
      return find_small_conversion(key);
    }
  throw Error(Code::kInvalidArgument, "[run_vector] this CPU has no SIMD variant " + variant);
}

// False if the instruction does not exist for these types. Extents are trusted: this is for tests.
bool run_vector(const std::string& variant, const std::string& instruction, int dst_dtype, int src_dtype,
                int mode, Bytes dst, const std::vector<Bytes>& sources, int64_t dst_stride,
                const std::vector<int64_t>& src_strides, const std::vector<int64_t>& extents, uint64_t scalar,
                const std::vector<int64_t>& params, int64_t repeats) {
  VectorFn f = find_in(
      variant, {opcode_of(instruction), static_cast<DType>(dst_dtype), static_cast<DType>(src_dtype), mode});
  if (f == nullptr) return false;
  VectorArgs args{};
  args.dst = reinterpret_cast<std::byte*>(dst.data());
  args.dst_stride = dst_stride;
  for (size_t i = 0; i < sources.size(); ++i) {
    args.src[i] = reinterpret_cast<const std::byte*>(sources[i].data());
    args.src_stride[i] = src_strides[i];
  }
  args.rows = extents[0];
  args.columns = extents[1];
  args.src_rows = extents[2];
  args.src_columns = extents[3];
  args.scalar = static_cast<int64_t>(scalar);
  for (size_t i = 0; i < params.size(); ++i) args.param[i] = params[i];
  for (int64_t i = 0; i < repeats; ++i) f(args);
  return true;
}

std::vector<std::string> variant_names() {
  std::vector<std::string> names;
  for (const VectorVariant& v : vector_variants()) names.emplace_back(v.name);
  return names;
}

}  // namespace

void bind_vector(nb::module_& m) {
  m.def("run_vector", &run_vector);
  m.def("vector_variants", &variant_names);
}

}  // namespace ascend

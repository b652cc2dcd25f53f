// Handlers of XLA's typed foreign function interface, which test_ffi.py compiles against the headers of
// jaxlib.
#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>

#include "xla/ffi/api/c_api.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using ffi::Ffi;

static ffi::Error scale(ffi::Buffer<ffi::F32> x, float by, ffi::ResultBuffer<ffi::F32> y) {
  for (size_t i = 0; i < x.element_count(); ++i) y->typed_data()[i] = x.typed_data()[i] * by;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Scale, scale, Ffi::Bind().Arg<ffi::Buffer<ffi::F32>>().Attr<float>("by").Ret<ffi::Buffer<ffi::F32>>());

// The operand's bytes and dimensions, whatever its type, laid out as the operand is.
static ffi::Error copy(ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> y, ffi::ResultBuffer<ffi::S64> about) {
  const int per_byte =
      x.element_type() == ffi::S4 || x.element_type() == ffi::U4 || x.element_type() == ffi::F4E2M1FN ? 2
      : x.element_type() == ffi::S2 || x.element_type() == ffi::U2                                    ? 4
                                                                                                      : 1;
  const size_t size = (x.size_bytes() + per_byte - 1) / per_byte;
  if (y->untyped_data() != x.untyped_data()) std::memcpy(y->untyped_data(), x.untyped_data(), size);
  int64_t* out = about->typed_data();
  out[0] = static_cast<int64_t>(x.element_type());
  out[1] = static_cast<int64_t>(y->element_type());
  out[2] = static_cast<int64_t>(x.dimensions().size());
  out[3] = x.dimensions().size() ? x.dimensions().front() : -1;
  out[4] = y->untyped_data() == x.untyped_data();
  out[5] = reinterpret_cast<uintptr_t>(x.untyped_data()) % 16;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Copy, copy, Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().Ret<ffi::Buffer<ffi::S64>>());

template <class T>
static double total(ffi::Span<const T> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// A number made of attributes of every kind, so that each counts.
static ffi::Error attributes(bool flag, int8_t i8, uint16_t u16, int64_t i64, float f32, double f64,
                             std::string_view text, ffi::Span<const int32_t> i32s,
                             ffi::Span<const double> f64s, ffi::Dictionary inner,
                             ffi::ResultBuffer<ffi::F64> y) {
  auto depth = inner.get<ffi::Dictionary>("deep");
  if (!depth) return depth.error();
  auto leaf = depth->get<std::string_view>("leaf");
  auto number = inner.get<int64_t>("number");
  if (!leaf || !number) return ffi::Error::Internal("an inner attribute is missing");
  double* out = y->typed_data();
  const double all[] = {double(flag),
                        double(i8),
                        double(u16),
                        double(i64),
                        f32,
                        f64,
                        double(text.size()),
                        total(i32s),
                        total(f64s),
                        double(*number),
                        double((*leaf)[0]),
                        double(inner.size())};
  std::copy(std::begin(all), std::end(all), out);
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(Attributes, attributes,
                              Ffi::Bind()
                                  .Attr<bool>("flag")
                                  .Attr<int8_t>("i8")
                                  .Attr<uint16_t>("u16")
                                  .Attr<int64_t>("i64")
                                  .Attr<float>("f32")
                                  .Attr<double>("f64")
                                  .Attr<std::string_view>("text")
                                  .Attr<ffi::Span<const int32_t>>("i32s")
                                  .Attr<ffi::Span<const double>>("f64s")
                                  .Attr<ffi::Dictionary>("inner")
                                  .Ret<ffi::Buffer<ffi::F64>>());

// How often this call site of this executable has run.
struct Counter {
  static ffi::TypeId id;
  static std::atomic<int64_t> alive;
  explicit Counter(int64_t start) : value(start) { ++alive; }
  ~Counter() { --alive; }
  std::atomic<int64_t> value;
};
ffi::TypeId Counter::id = {};
std::atomic<int64_t> Counter::alive{0};
static ffi::ErrorOr<std::unique_ptr<Counter>> make_counter(int64_t start) {
  if (start < 0) return ffi::Unexpected(ffi::Error::InvalidArgument("a counter starts from 0"));
  return std::make_unique<Counter>(start);
}
static ffi::Error count(Counter* counter, int64_t, ffi::ResultBuffer<ffi::S64> y) {
  *y->typed_data() = counter->value++;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(MakeCounter, make_counter, Ffi::BindInstantiate().Attr<int64_t>("start"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Count, count, Ffi::Bind().Ctx<ffi::State<Counter>>().Attr<int64_t>("start").Ret<ffi::Buffer<ffi::S64>>());
extern "C" XLA_FFI_TypeId* counter_id() { return &Counter::id; }
extern "C" XLA_FFI_TypeInfo* counter_info() {
  static XLA_FFI_TypeInfo info = {XLA_FFI_TypeInfo_STRUCT_SIZE, nullptr,
                                  [](void* counter) { delete static_cast<Counter*>(counter); }};
  return &info;
}
extern "C" int64_t counters_alive() { return Counter::alive; }

static std::atomic<int64_t> stages{0};  // the digits of the stages that ran
extern "C" int64_t stages_run() { return stages.exchange(0); }
template <int digit>
static ffi::Error stage(ffi::RemainingArgs, ffi::RemainingRets) {
  stages = stages * 10 + digit;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(Prepare, stage<1>, Ffi::BindPrepare().RemainingArgs().RemainingRets());
XLA_FFI_DEFINE_HANDLER_SYMBOL(Initialize, stage<2>, Ffi::BindInitialize().RemainingArgs().RemainingRets());
XLA_FFI_DEFINE_HANDLER_SYMBOL(Execute, stage<3>, Ffi::Bind().RemainingArgs().RemainingRets());

static ffi::Error refuse(int32_t code, std::string_view message) {
  return ffi::Error(static_cast<XLA_FFI_Error_Code>(code), std::string(message));
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(Refuse, refuse,
                              Ffi::Bind().Attr<int32_t>("code").Attr<std::string_view>("message"));

static ffi::Future later(ffi::Buffer<ffi::F32> x, ffi::ResultBuffer<ffi::F32> y, bool fail) {
  ffi::Promise promise;
  ffi::Future future(promise);
  std::thread([=, promise = std::move(promise)]() mutable {
    for (size_t i = 0; i < x.element_count(); ++i) y->typed_data()[i] = x.typed_data()[i] + 1;
    fail ? promise.SetError(ffi::Error::Internal("failed later")) : promise.SetAvailable();
  }).detach();
  return future;
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Later, later, Ffi::Bind().Arg<ffi::Buffer<ffi::F32>>().Ret<ffi::Buffer<ffi::F32>>().Attr<bool>("fail"));

// Fails, though a thread of its own has promised to fill the result: some time after the handler has
// returned.
static std::atomic<int64_t> kept{0};
extern "C" int64_t promises_kept() { return kept.exchange(0); }
extern "C" XLA_FFI_Error* RefuseAndPromise(XLA_FFI_CallFrame* frame) {
  const XLA_FFI_Api* api = frame->api;
  if (frame->extension_start) {
    reinterpret_cast<XLA_FFI_Metadata_Extension*>(frame->extension_start)->metadata->api_version =
        api->api_version;
    return nullptr;
  }
  XLA_FFI_Future_Create_Args create = {XLA_FFI_Future_Create_Args_STRUCT_SIZE};
  api->XLA_FFI_Future_Create(&create);
  frame->future = create.future;
  auto* result = static_cast<XLA_FFI_Buffer*>(frame->rets.rets[0]);
  std::thread([=, future = create.future] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::memset(result->data, 0xff, 4 * result->dims[0]);
    ++kept;
    XLA_FFI_Future_SetAvailable_Args set = {XLA_FFI_Future_SetAvailable_Args_STRUCT_SIZE};
    set.future = future;
    api->XLA_FFI_Future_SetAvailable(&set);
  }).detach();
  XLA_FFI_Error_Create_Args error = {XLA_FFI_Error_Create_Args_STRUCT_SIZE};
  error.message = "refused, but promised", error.errc = XLA_FFI_Error_Code_ABORTED;
  return api->XLA_FFI_Error_Create(&error);
}

static ffi::Error in_pool(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::ResultBuffer<ffi::F32> y) {
  std::atomic<size_t> left{x.element_count()};
  for (size_t i = 0; i < x.element_count(); ++i)
    pool.Schedule([&, i] {
      y->typed_data()[i] = x.typed_data()[i] * x.typed_data()[i];
      --left;
    });
  while (left) std::this_thread::yield();
  return pool.num_threads() >= 1 ? ffi::Error::Success() : ffi::Error::Internal("no threads");
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    InPool, in_pool,
    Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<ffi::Buffer<ffi::F32>>().Ret<ffi::Buffer<ffi::F32>>());

static std::atomic<int64_t> touched{0};
extern "C" int64_t touches() { return touched.exchange(0); }
static ffi::Error touch(ffi::RemainingArgs, ffi::RemainingRets) {
  ++touched;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(Touch, touch, Ffi::Bind().RemainingArgs().RemainingRets());

static ffi::Error with_token(ffi::Token, ffi::Buffer<ffi::S32> x, ffi::Result<ffi::Token>,
                             ffi::ResultBuffer<ffi::S32> y) {
  *y->typed_data() = *x.typed_data() + 1;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(WithToken, with_token,
                              Ffi::Bind()
                                  .Arg<ffi::Token>()
                                  .Arg<ffi::Buffer<ffi::S32>>()
                                  .Ret<ffi::Token>()
                                  .Ret<ffi::Buffer<ffi::S32>>());

// Where it runs; a stream, which there is none of, is an error.
static ffi::Error where(int32_t device, ffi::RunId run, ffi::ResultBuffer<ffi::S64> y) {
  y->typed_data()[0] = device, y->typed_data()[1] = run.run_id;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Where, where, Ffi::Bind().Ctx<ffi::DeviceOrdinal>().Ctx<ffi::RunId>().Ret<ffi::Buffer<ffi::S64>>());
static ffi::Error on_stream(void*) { return ffi::Error::Success(); }
XLA_FFI_DEFINE_HANDLER_SYMBOL(OnStream, on_stream, Ffi::Bind().Ctx<ffi::PlatformStream<void*>>());

// Says that it was compiled for another major version.
extern "C" XLA_FFI_Error* Foreign(XLA_FFI_CallFrame* frame) {
  auto* extension = reinterpret_cast<XLA_FFI_Metadata_Extension*>(frame->extension_start);
  if (extension) extension->metadata->api_version.major_version = XLA_FFI_API_MAJOR + 7;
  return nullptr;
}

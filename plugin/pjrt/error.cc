// PJRT_Error: failures as handles.
#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {

struct Error {
  const ErrorTable* table;
  Failure failure;
};

namespace {

void destroy(Error* error) { delete error; }

void message(const Error* error, const char** data, size_t* size) {
  *data = error->failure.message.data();
  *size = error->failure.message.size();
}

int code(const Error* error) { return static_cast<int>(error->failure.code); }

void no_payloads(const Error*, PayloadVisitor, void*) {}

constexpr ErrorTable kTable = {sizeof(ErrorTable), sizeof(void*), nullptr, destroy, message, code,
                               no_payloads};

}  // namespace

Error* to_error(const Status& status) { return status ? new Error{&kTable, *status} : nullptr; }

Status take_status(Error* error) {
  auto status = std::make_shared<Failure>(std::move(error->failure));
  destroy(error);
  return status;
}

void fill_errors(Api& api) {
  fill(api.Error_Destroy_, [](Error_Destroy& a) { destroy(a.error); });
  fill(api.Error_Message_, [](Error_Message& a) { a.message = a.error->failure.message; });
  fill(api.Error_GetCode_, [](Error_GetCode& a) { a.code = code(a.error); });
  fill(api.Error_ForEachPayload_, [](Error_ForEachPayload&) {});
}

}  // namespace ascend::pjrt

// PJRT_Error: failures as handles.
#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {

struct Error {
  const ErrorTable* table;
  Failure failure;
};

namespace {

void message(const Error* error, const char** data, size_t* size) {
  *data = error->failure.message.data();
  *size = error->failure.message.size();
}

void no_payloads(const Error*, PayloadVisitor, void*) {}

constexpr ErrorTable kTable = {sizeof(ErrorTable), sizeof(void*), nullptr, destroy_error, message,
                               error_code,         no_payloads};

}  // namespace

Error* to_error(const Status& status) { return status ? new Error{&kTable, *status} : nullptr; }
void destroy_error(Error* error) { delete error; }
std::string_view error_message(const Error* error) { return error->failure.message; }
int error_code(const Error* error) { return static_cast<int>(error->failure.code); }

Status take_status(Error* error) {
  auto status = std::make_shared<Failure>(std::move(error->failure));
  destroy_error(error);
  return status;
}

void fill_errors(Api& api) {
  fill(api.Error_Destroy_, [](Error_Destroy& a) { destroy_error(a.error); });
  fill(api.Error_Message_, [](Error_Message& a) { a.message = error_message(a.error); });
  fill(api.Error_GetCode_, [](Error_GetCode& a) { a.code = error_code(a.error); });
  fill(api.Error_ForEachPayload_, [](Error_ForEachPayload&) {});
}

}  // namespace ascend::pjrt

#include "plugin/ffi/registry.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "plugin/error.h"
#include "plugin/ffi/interface.h"

namespace ascend::ffi {
namespace {

struct Type {
  int64_t id;
  Deleter deleter;
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Stages, std::less<>> handlers;
  std::map<std::string, Type, std::less<>> types;
  // Apart from the ids that jaxlib gives: one object may be registered for several platforms.
  int64_t next_type = int64_t{1} << 40;
};

Registry& registry() {
  static auto* all = new Registry;  // handlers may register others while the process exits
  return *all;
}

[[noreturn]] void refuse(Code code, std::string_view name, const std::string& what) {
  throw Error(code, "[ffi " + shown(name) + "] " + what);
}

// Asks a handler which interface it was compiled for.
void check_version(std::string_view name, Handler* handler) {
  Metadata metadata{};
  metadata.struct_size = sizeof metadata;
  metadata.version.struct_size = sizeof metadata.version;
  MetadataExtension extension{{sizeof extension, kMetadataExtension, nullptr}, &metadata};
  CallFrame frame = empty_frame(Stage::kExecute);
  frame.extensions = &extension.base;
  take(handler(&frame));
  if (metadata.version.major == kApiMajor) return;
  refuse(Code::kInvalidArgument, name,
         "the handler was compiled for another interface; expected major version " +
             std::to_string(kApiMajor) + ", got " + std::to_string(metadata.version.major) +
             ". Compile it with the headers in jax.ffi.include_dir().");
}

}  // namespace

void register_handler(std::string_view name, const Stages& stages) {
  if (!stages.of(Stage::kExecute))
    refuse(Code::kInvalidArgument, name, "expected a handler of the stage \"execute\", got none.");
  for (Handler* handler : stages.handlers)
    if (handler) check_version(name, handler);
  std::lock_guard lock(registry().mutex);
  const auto [known, is_new] = registry().handlers.emplace(name, stages);
  if (!is_new && !std::ranges::equal(known->second.handlers, stages.handlers))
    refuse(Code::kInvalidArgument, name,
           "another handler has this name; expected the same one again. Choose another name.");
}

std::optional<Stages> find_handler(std::string_view name) {
  std::lock_guard lock(registry().mutex);
  const auto found = registry().handlers.find(name);
  if (found == registry().handlers.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> handler_names() {
  std::lock_guard lock(registry().mutex);
  std::vector<std::string> names;
  for (const auto& [name, stages] : registry().handlers) names.push_back(name);
  return names;
}

void register_type(std::string_view name, TypeId* type, const TypeInfo* info) {
  std::lock_guard lock(registry().mutex);
  auto& types = registry().types;
  const auto known = types.find(name);
  if (known != types.end()) {
    if (type->id == 0) type->id = known->second.id;
    if (type->id != known->second.id)
      refuse(Code::kInvalidArgument, name, "another type of state has this name. Choose another name.");
    return;
  }
  for (const auto& [other, entry] : types)
    if (type->id != 0 && entry.id == type->id)
      refuse(Code::kInvalidArgument, name,
             "the type of state is registered as " + shown(other) + ". Register it by that name.");
  if (type->id == 0) type->id = registry().next_type++;
  const bool has_deleter = info && info->struct_size >= sizeof(TypeInfo);
  types.emplace(name, Type{type->id, has_deleter ? info->deleter : nullptr});
}

Deleter deleter_of(TypeId type) {
  std::lock_guard lock(registry().mutex);
  for (const auto& [name, entry] : registry().types)
    if (entry.id == type.id) return entry.deleter;
  throw Error(Code::kInvalidArgument,
              "[ffi] the type of a state is not registered. Call jax.ffi.register_ffi_type(..., "
              "platform=\"ascend\").");
}

std::string shown(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (c < ' ' || c > '~') c = '?';
  }
  return clean;
}

}  // namespace ascend::ffi

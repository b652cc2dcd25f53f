// What the process has registered for foreign calls: handlers by the name of their target, types of state.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/ffi/c_api.h"

namespace ascend::ffi {

struct Stages {
  Handler* handlers[kStages] = {};  // by Stage; only that of kExecute must be there
  Handler* of(Stage stage) const { return handlers[static_cast<int>(stage)]; }
};

// Throws Error if the handlers were compiled for an interface that this one cannot serve, or others have the
// name.
void register_handler(std::string_view name, const Stages& stages);
std::optional<Stages> find_handler(std::string_view name);
std::vector<std::string> handler_names();

// Gives `type` an id if it has none; `info`, which may be null, says how an object of it is destroyed. Throws
// Error if another type has the name or the id.
void register_type(std::string_view name, TypeId* type, const TypeInfo* info);
// Destroys an object of a registered type; throws Error if there is no such type.
using Deleter = void (*)(void*);
Deleter deleter_of(TypeId type);

// Bytes that came from elsewhere, as a message may show them.
std::string shown(std::string_view text);

}  // namespace ascend::ffi

#include "plugin/processes/zmq.h"

#include <atomic>
#include <sstream>

namespace ascend::zmq {
namespace {

Library load() {
  std::string names;
#define X(name, result, arguments) names += " zmq_" #name;
  ZMQ_FUNCTIONS(X)
#undef X
  std::istringstream found(addresses(names));
  Library library{};
  std::uintptr_t address = 0;
#define X(name, result, arguments) \
  found >> address;                \
  library.name##_ = reinterpret_cast<result(*) arguments>(address);
  ZMQ_FUNCTIONS(X)
#undef X
  return library;
}

}  // namespace

const Library& library() {
  // Two threads may both ask: a lock held while Python is entered could wait for a thread that has the GIL.
  static std::atomic<const Library*> loaded{nullptr};
  if (!loaded.load()) loaded.store(new Library(load()));
  return *loaded.load();
}

std::string last_error(const Library& zmq) { return zmq.strerror_(zmq.errno_()); }

}  // namespace ascend::zmq

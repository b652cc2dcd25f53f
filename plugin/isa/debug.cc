// The debug section as compiler/program/debug.py writes it: nothing that runs reads it, but whoever reads it
// later may rely on what is checked here.
#include <cstring>

#include "plugin/error.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace {

class DebugReader {
 public:
  explicit DebugReader(const std::string& bytes) : bytes_(bytes) {
    if (bytes.size() % 8 != 0) fail(concat(bytes.size(), " bytes are no whole words"));
  }

  uint64_t word() {
    if (at_ == bytes_.size()) fail("it ends inside a list");
    uint64_t value;
    std::memcpy(&value, bytes_.data() + at_, 8);
    at_ += 8;
    return value;
  }

  // A length of which each item takes a word at least.
  uint64_t count() {
    const uint64_t n = word();
    if (n > left()) fail(concat("a list of ", n, " does not fit the ", left(), " words that are left"));
    return n;
  }

  void index(uint64_t size, const char* what) {
    const uint64_t i = word();
    if (i >= size) fail(concat("no ", what, " has the number ", i, "; expected less than ", size));
  }

  void string() {
    const uint64_t n = word();
    if (n > 8 * left()) fail(concat("a string of ", n, " bytes does not fit"));
    at_ += (n + 7) / 8 * 8;
  }

  uint64_t left() const { return (bytes_.size() - at_) / 8; }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Code::kInvalidArgument, concat("[program, debug section, word ", at_ / 8, "] ", what, "."));
  }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace

void verify_debug(const Module& module) {
  if (module.debug.empty()) return;
  DebugReader reader(module.debug);
  const uint64_t strings = reader.count();
  for (uint64_t i = 0; i < strings; ++i) reader.string();
  const uint64_t locations = reader.count();
  for (uint64_t i = 0; i < locations; ++i) {
    reader.index(strings, "string");
    for (uint64_t frames = reader.count(); frames > 0; --frames) {
      reader.index(strings, "string");
      if (const uint64_t line = reader.word(); line > INT32_MAX)
        reader.fail(concat("there is no line ", line));
    }
  }
  for (const size_t arrays : {module.parameters.size(), module.results.size()}) {
    const uint64_t names = reader.count();
    if (names != 0 && names != arrays)
      reader.fail(concat("it names other arrays; expected ", arrays, " names or none, got ", names));
    for (uint64_t i = 0; i < names; ++i) reader.index(strings, "string");
  }
  const auto expect = [&](uint64_t expected, const char* what) {
    if (const uint64_t n = reader.count(); n != expected)
      reader.fail(concat("it is of other ", what, "; expected ", expected, ", got ", n));
  };
  expect(module.functions.size(), "functions");
  for (const Function& f : module.functions) {
    uint64_t commands = 0;
    for_each_command(f.commands, [&](const Command&) { ++commands; });
    expect(commands, "commands");
    for (; commands > 0; --commands)
      for (uint64_t sources = reader.count(); sources > 0; --sources) reader.index(locations, "location");
  }
  if (reader.left() != 0) reader.fail("words are left over");
}

}  // namespace ascend

// The devices of a program that other processes run, as one execution sees them.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "plugin/device/run_context.h"
#include "plugin/error.h"

namespace ascend {

// Thrown where a process will not send what is waited for: it has gone, failed, or is at exchange `number` of
// the program instead, if that is not negative.
struct OtherProcessError : Error {
  OtherProcessError(Code code, const std::string& message, int64_t number = -1)
      : Error(code, message), number(number) {}
  int64_t number;
};

class Others {
 public:
  virtual ~Others() = default;
  virtual int self() const = 0;
  virtual int process_of(int64_t device) const = 0;  // by device number

  // What tells the messages of one execution apart: devices that meet, by a number for each such set, their
  // how many-th meeting it is, and a step of it. All of a set meet at the same command.
  struct Tag {
    uint64_t set;
    int64_t meeting, step, command;
  };
  struct Piece {
    const std::byte* data;
    int64_t bytes;
  };
  // Where piece i of a message starts.
  static constexpr int64_t kAlignment = 64;
  static int64_t padded(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  virtual void send(int process, const Tag& tag, std::span<const Piece> pieces) = 0;
  // The message once it is there, and null until then; its pieces lie kAlignment apart from its start, which
  // fits every element type. Throws OtherProcessError if it will not come.
  virtual std::shared_ptr<const std::byte> receive(int process, const Tag& tag, int64_t bytes) = 0;
  // What a process has sent of this execution and nobody has received.
  virtual std::vector<Tag> unreceived(int process) const = 0;
  // Returns when something may have come. Throws Error{kCancelled}, and OtherProcessError if the wait for
  // `process` has been too long.
  virtual void wait(const RunContext& context, int process) = 0;
};

}  // namespace ascend

// The processes of jax.distributed whose devices are one list: how they find each other, and which message
// belongs to which launch.
//
// Processes launch the same programs on the same devices in the same order, as JAX asks for. So a launch has
// the same name in each: its devices, and how many launches on these there were before. A launch that ends
// tells the others of it, and why if it fails: so nobody waits for one that will not come.
#pragma once
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "plugin/device/together/others.h"
#include "plugin/processes/transport.h"
#include "plugin/runtime/event.h"

namespace ascend {

// What the processes of a program share; JAX's coordination service, or another's.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  virtual void put(const std::string& key, const std::string& value) = 0;
  // Waits for it; null after so long. Throws Error if the store fails.
  virtual std::unique_ptr<std::string> get(const std::string& key, std::chrono::milliseconds) = 0;
};

class Processes {
 public:
  struct Options {
    int self = 0, count = 1;
    std::string host;       // where this process is reached; "": what its system says
    int64_t seconds = 600;  // how long to wait for another process
  };
  // Meets the others, which must have the same `facts`. Throws Error, also if Ctrl-C ends the wait.
  Processes(const Options& options, KeyValueStore& store, int devices, const std::string& facts);
  ~Processes();

  int self() const { return options_.self; }
  const std::vector<int>& devices() const { return devices_; }  // how many each has

  // What a launch is called in all processes.
  struct Name {
    uint64_t devices;
    int64_t number;
    auto operator<=>(const Name&) const = default;
  };
  // One more launch on these devices, in the order in which launches are accepted; `owners` has the process
  // of each device.
  class Launch;
  std::unique_ptr<Launch> launch(const std::vector<int>& devices, std::vector<int> owners, uint64_t program,
                                 const std::string& name);

  // Sends what is still to be sent and leaves, waiting at most so long.
  void leave(std::chrono::milliseconds linger);

 private:
  friend class Launch;
  struct Message {
    uint64_t program;  // its exchanges' hash
    std::string name;  // the program's
    Others::Tag tag;
    Transport::Received content;
  };
  struct End {
    int64_t through = -1;                   // all launches up to this number have ended there
    std::map<int64_t, std::string> failed;  // why
  };
  struct Peer {
    std::string gone;  // how; empty: it is there
    std::chrono::steady_clock::time_point gone_at;
    std::map<Name, std::deque<Message>> messages;  // nobody has taken them
    std::map<uint64_t, End> ends;                  // by devices
  };

  void meet(KeyValueStore& store, int devices, const std::string& facts);
  void receive(int process, Transport::Received received);
  void note_gone(int process, const std::string& how);
  void arrived() {
    ++arrivals_;
    arrived_.notify_all();
  }

  const Options options_;
  std::vector<int> devices_;
  std::unique_ptr<Transport> transport_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  int64_t arrivals_ = 0;
  std::vector<Peer> peers_;
  std::map<uint64_t, int64_t> accepted_, ended_;  // by devices: launches so far; all up to here have ended
};

class Processes::Launch final : public Others {
 public:
  Launch(Processes& all, Name name, std::vector<int> owners, uint64_t program, std::string program_name);

  int self() const override { return all_.self(); }
  int process_of(int64_t device) const override { return owners_[device]; }
  void send(int process, const Tag& tag, std::span<const Piece> pieces) override;
  std::shared_ptr<const std::byte> receive(int process, const Tag& tag, int64_t bytes) override;
  std::vector<Tag> unreceived(int process) const override;
  void wait(const RunContext& context, int process) override;

  // The other processes may be so many launches behind, at most: to be called before it runs.
  void await_turn(const RunContext& context);
  // It has ended here, with this status, which the others are told.
  void end(const Status& status);

 private:
  std::string head(const Tag& tag, int64_t ends) const;
  [[noreturn]] void fail(int process, Code code, const std::string& why) const;
  void check(int process);  // the caller holds the mutex

  Processes& all_;
  const Name name_;
  const std::vector<int> owners_;
  std::vector<int> peers_;  // of other processes, each once
  const uint64_t program_;
  const std::string program_name_;
  int64_t seen_ = -1;  // arrivals when it last waited
  std::chrono::steady_clock::time_point waits_since_{};
};

}  // namespace ascend

// Messages between the processes of a program, over ZeroMQ. Those from one process to another arrive in the
// order in which they were sent, or not at all once it has gone, which is known as soon as the operating
// system closes its connections.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "plugin/processes/zmq.h"

namespace ascend {

class Transport {
 public:
  struct Received {
    std::string head;
    std::shared_ptr<const std::byte> body;  // of this size; it fits every element type
    int64_t bytes;
  };
  struct Hooks {  // called by a thread of the transport
    std::function<void(int process, Received)> received;
    std::function<void(int process, const std::string& how)> gone;
  };
  struct Options {
    int self, processes;
    std::string session;  // known to the processes alone: others' messages are dropped
    std::chrono::milliseconds
        silence;  // after which a process that does not even answer the transport is gone
  };
  Transport(const Options& options, Hooks hooks);
  ~Transport();
  Transport(const Transport&) = delete;

  // Listens, and returns the address: for processes of this machine, or for those that reach it as `host`.
  std::string listen_here();
  std::string listen(const std::string& host);
  // Connects to the others and starts to receive; addresses by process. Once.
  void connect(const std::vector<std::string>& addresses);

  // From any thread; does not wait. What goes to a process that has gone is dropped.
  struct Piece {
    const std::byte* data;
    int64_t bytes, padded;  // what follows up to here means nothing
  };
  void send(int process, std::string_view head, std::span<const Piece> body);

  // Hands what was sent to the operating system, for so long, and ends.
  void close(std::chrono::milliseconds linger);

 private:
  struct Peer {
    std::mutex mutex;
    void* socket = nullptr;   // we send there; under `mutex`
    void* monitor = nullptr;  // says when the connection ends
    bool gone = false;        // of the receiving thread
  };
  void* open(zmq::SocketType type, bool lasting = true);
  void check(bool fine, const std::string& what) const;
  void receive();
  void receive_message();
  void look_at(int process);
  bool take(zmq::Message& message, void* socket);

  const zmq::Library& zmq_;
  const Options options_;
  const Hooks hooks_;
  void* context_;
  void* inbox_ = nullptr;
  std::vector<std::unique_ptr<Peer>> peers_;  // by process
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  bool closed_ = false;
};

}  // namespace ascend

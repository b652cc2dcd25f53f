#include "plugin/processes/transport.h"

#include <cstring>

#include "plugin/error.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

constexpr long kLook = 100;  // ms between looks whether to stop

struct Owned {
  explicit Owned(const zmq::Library& zmq) : zmq(zmq) { zmq.msg_init_(&message); }
  ~Owned() { zmq.msg_close_(&message); }
  Owned(const Owned&) = delete;
  const zmq::Library& zmq;
  zmq::Message message;
};

}  // namespace

Transport::Transport(const Options& options, Hooks hooks)
    : zmq_(zmq::library()), options_(options), hooks_(std::move(hooks)), context_(zmq_.ctx_new_()) {
  check(context_ != nullptr, "make a context");
  inbox_ = open(zmq::kRouter);
  for (int p = 0; p < options.processes; ++p) peers_.push_back(std::make_unique<Peer>());
}

Transport::~Transport() { close(std::chrono::milliseconds(0)); }

void Transport::check(bool fine, const std::string& what) const {
  if (fine) return;
  throw Error(Code::kUnavailable, concat("[client] ZeroMQ cannot ", what, ": ", zmq::last_error(zmq_),
                                         ". See the section on several processes in docs/many_devices.md."));
}

void* Transport::open(zmq::SocketType type, bool lasting) {
  void* socket = zmq_.socket_(context_, type);
  check(socket != nullptr, "make a socket");
  const auto set = [&](zmq::Option option, int value) {
    check(zmq_.setsockopt_(socket, option, &value, sizeof value) == 0, "set an option of a socket");
  };
  set(zmq::kLinger, 0);
  if (!lasting) return socket;
  set(zmq::kSendHighWater, 0);
  set(zmq::kReceiveHighWater, 0);
  set(zmq::kReconnectInterval, -1);  // who comes back is another process
  set(zmq::kHeartbeatInterval, 1000);
  set(zmq::kHeartbeatTimeout, static_cast<int>(options_.silence.count()));
  return socket;
}

std::string Transport::listen_here() {
  // In the abstract name space: no file, and it ends with the process.
  const std::string address = concat("ipc://@jax-ascend-", options_.session.substr(0, 8), "-", options_.self);
  check(zmq_.bind_(inbox_, address.c_str()) == 0, concat("listen at ", address));
  return address;
}

std::string Transport::listen(const std::string& host) {
  // A name is no address to listen at.
  if (zmq_.bind_(inbox_, concat("tcp://", host, ":*").c_str()) != 0)
    check(zmq_.bind_(inbox_, "tcp://*:*") == 0, "listen");
  char address[256];
  size_t size = sizeof address;
  check(zmq_.getsockopt_(inbox_, zmq::kLastEndpoint, address, &size) == 0, "tell its address");
  const std::string_view bound = address;
  return concat("tcp://", host, bound.substr(bound.rfind(':')));
}

void Transport::connect(const std::vector<std::string>& addresses) {
  for (int p = 0; p < options_.processes; ++p) {
    if (p == options_.self) continue;
    Peer& peer = *peers_[p];
    peer.socket = open(zmq::kDealer);
    const std::string name = concat(options_.session, "/", options_.self);
    check(zmq_.setsockopt_(peer.socket, zmq::kRoutingId, name.data(), name.size()) == 0, "name a socket");
    const std::string events = concat("inproc://events-", p);
    check(zmq_.socket_monitor_(peer.socket, events.c_str(),
                               zmq::kClosed | zmq::kDisconnected | zmq::kHandshakeFailed) == 0,
          "watch a socket");
    peer.monitor = open(zmq::kPair, false);
    check(zmq_.connect_(peer.monitor, events.c_str()) == 0, "watch a socket");
    check(zmq_.connect_(peer.socket, addresses[p].c_str()) == 0,
          concat("reach process ", p, " at ", addresses[p]));
  }
  thread_ = std::thread([this] { receive(); });
}

void Transport::send(int process, std::string_view head, std::span<const Piece> body) {
  int64_t bytes = 0;
  for (const Piece& piece : body) bytes += piece.padded;
  zmq::Message message;
  if (zmq_.msg_init_size_(&message, static_cast<size_t>(bytes)) != 0) throw std::bad_alloc();
  auto* at = static_cast<std::byte*>(zmq_.msg_data_(&message));
  for (const Piece& piece : body) {
    if (piece.bytes) std::memcpy(at, piece.data, piece.bytes);
    std::memset(at + piece.bytes, 0, piece.padded - piece.bytes);
    at += piece.padded;
  }
  Peer& peer = *peers_[process];
  std::lock_guard lock(peer.mutex);
  const bool sent = peer.socket &&
                    zmq_.send_(peer.socket, head.data(), head.size(), zmq::kDontWait | zmq::kSendMore) >= 0 &&
                    zmq_.msg_send_(&message, peer.socket, zmq::kDontWait) >= 0;
  if (!sent) zmq_.msg_close_(&message);  // it has gone
}

bool Transport::take(zmq::Message& message, void* socket) {
  return zmq_.msg_recv_(&message, socket, zmq::kDontWait) >= 0;
}

void Transport::receive_message() {
  auto head = std::make_shared<Owned>(zmq_), body = std::make_shared<Owned>(zmq_);
  Owned sender(zmq_);
  if (!take(sender.message, inbox_) || !zmq_.msg_more_(&sender.message)) return;
  const bool complete =
      take(head->message, inbox_) && zmq_.msg_more_(&head->message) && take(body->message, inbox_);
  Owned rest(zmq_);
  for (bool more = complete && zmq_.msg_more_(&body->message); more;)
    more = take(rest.message, inbox_) && zmq_.msg_more_(&rest.message);
  const auto text = [&](Owned& m) {
    return std::string(static_cast<const char*>(zmq_.msg_data_(&m.message)), zmq_.msg_size_(&m.message));
  };
  const std::string name = text(sender);
  int process = 0;
  while (process < options_.processes && name != concat(options_.session, "/", process)) ++process;
  if (!complete || process == options_.processes) return;  // of somebody else
  const size_t bytes = zmq_.msg_size_(&body->message);
  auto* data = static_cast<std::byte*>(zmq_.msg_data_(&body->message));
  std::shared_ptr<const std::byte> kept(body, data);
  if (reinterpret_cast<uintptr_t>(data) % alignof(std::max_align_t) != 0) {
    auto copy = std::make_shared<std::vector<std::max_align_t>>(bytes / sizeof(std::max_align_t) + 1);
    std::memcpy(copy->data(), data, bytes);
    kept = std::shared_ptr<const std::byte>(copy, reinterpret_cast<const std::byte*>(copy->data()));
  }
  hooks_.received(process, {text(*head), std::move(kept), static_cast<int64_t>(bytes)});
}

// What its connection says: each event is a number of 16 bits and a value, and then an address.
void Transport::look_at(int process) {
  Peer& peer = *peers_[process];
  Owned event(zmq_), address(zmq_);
  while (take(event.message, peer.monitor)) {
    uint16_t number = 0;
    if (zmq_.msg_size_(&event.message) >= sizeof number)
      std::memcpy(&number, zmq_.msg_data_(&event.message), sizeof number);
    while (zmq_.msg_more_(&event.message) && take(address.message, peer.monitor))
      if (!zmq_.msg_more_(&address.message)) break;
    if (!(number & (zmq::kClosed | zmq::kDisconnected | zmq::kHandshakeFailed)) || peer.gone) continue;
    peer.gone = true;
    hooks_.gone(process,
                number & zmq::kHandshakeFailed ? "it could not be reached" : "its connection is closed");
  }
}

void Transport::receive() {
  std::vector<zmq::PollItem> items{{inbox_, 0, zmq::kPollIn, 0}};
  std::vector<int> watched;
  for (int p = 0; p < options_.processes; ++p) {
    if (!peers_[p]->monitor) continue;
    items.push_back({peers_[p]->monitor, 0, zmq::kPollIn, 0});
    watched.push_back(p);
  }
  while (!stopping_) {
    if (zmq_.poll_(items.data(), static_cast<int>(items.size()), kLook) < 0) continue;
    // Before what says that its sender has gone.
    while (items[0].revents) {
      receive_message();
      if (zmq_.poll_(items.data(), 1, 0) <= 0) break;
    }
    for (size_t i = 1; i < items.size(); ++i)
      if (items[i].revents) look_at(watched[i - 1]);
  }
}

void Transport::close(std::chrono::milliseconds linger) {
  if (std::exchange(closed_, true)) return;
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  for (auto& peer : peers_) {
    std::lock_guard lock(peer->mutex);
    if (!peer->socket) continue;
    const int milliseconds = static_cast<int>(linger.count());
    zmq_.setsockopt_(peer->socket, zmq::kLinger, &milliseconds, sizeof milliseconds);
    zmq_.socket_monitor_(peer->socket, nullptr, 0);
    zmq_.close_(std::exchange(peer->socket, nullptr));
    zmq_.close_(std::exchange(peer->monitor, nullptr));
  }
  zmq_.close_(inbox_);
  zmq_.ctx_term_(context_);
}

}  // namespace ascend

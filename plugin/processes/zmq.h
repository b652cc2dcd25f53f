// ZeroMQ as this plugin uses it: the C interface of libzmq 4 (http://api.zeromq.org/4-3:_start). Python loads
// it, for programs over several processes alone, and hands over where its functions are.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace ascend::zmq {

struct alignas(void*) Message {
  unsigned char opaque[64];
};
struct PollItem {
  void* socket;
  int fd;
  short events, revents;
};

enum SocketType : int { kPair = 0, kDealer = 5, kRouter = 6 };
enum Option : int {
  kRoutingId = 5,
  kLinger = 17,
  kReconnectInterval = 18,
  kSendHighWater = 23,
  kReceiveHighWater = 24,
  kLastEndpoint = 32,
  kHeartbeatInterval = 75,
  kHeartbeatTimeout = 77,
};
enum Flag : int { kDontWait = 1, kSendMore = 2 };
enum MonitorEvent : int {
  kConnected = 0x0001,
  kClosed = 0x0080,
  kDisconnected = 0x0200,
  kHandshakeFailed = 0x6800
};
constexpr short kPollIn = 1;

// clang-format off: a function a line.
#define ZMQ_FUNCTIONS(X) \
  X(ctx_new, void*, ()) \
  X(ctx_term, int, (void* context)) \
  X(socket, void*, (void* context, int type)) \
  X(close, int, (void* socket)) \
  X(setsockopt, int, (void* socket, int option, const void*, size_t)) \
  X(getsockopt, int, (void* socket, int option, void*, size_t*)) \
  X(bind, int, (void* socket, const char* address)) \
  X(connect, int, (void* socket, const char* address)) \
  X(socket_monitor, int, (void* socket, const char* address, int events)) \
  X(send, int, (void* socket, const void* data, size_t size, int flags)) \
  X(msg_init, int, (Message*)) \
  X(msg_init_size, int, (Message*, size_t)) \
  X(msg_data, void*, (Message*)) \
  X(msg_size, size_t, (const Message*)) \
  X(msg_more, int, (const Message*)) \
  X(msg_send, int, (Message*, void* socket, int flags)) \
  X(msg_recv, int, (Message*, void* socket, int flags)) \
  X(msg_close, int, (Message*)) \
  X(poll, int, (PollItem*, int count, long milliseconds)) \
  X(errno, int, ()) \
  X(strerror, const char*, (int))
// clang-format on

struct Library {
#define X(name, result, arguments) result(*name##_) arguments;
  ZMQ_FUNCTIONS(X)
#undef X
};

// Asks Python once. Throws Error{kUnimplemented}, with the way to get it, if it is not installed.
const Library& library();

// The addresses of functions, in the order of their names, as decimal digits with blanks between; takes the
// GIL, throws Error with the code and message of Python's exception.
std::string addresses(const std::string& names);

// The text of the last failure in this thread.
std::string last_error(const Library& zmq);

}  // namespace ascend::zmq

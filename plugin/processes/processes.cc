#include "plugin/processes/processes.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "plugin/isa/message.h"

namespace ascend {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Launches that a process may be ahead of another: what it sends to one that is behind takes memory there.
constexpr int64_t kAhead = 64;
// What a process sent before it went may arrive after the news that it went.
constexpr milliseconds kGrace(500);
constexpr milliseconds kGlance(50);

constexpr size_t kLongestWhy = 4000;
enum Ends : int64_t { kNot, kFine, kFailed };

struct Head {
  static constexpr uint64_t kMagic = 0x3130444e45435341;  // "ASCEND01"
  uint64_t magic = kMagic, devices, program, set;
  int64_t number, meeting, step, command, ends;
};

}  // namespace

Processes::Processes(const Options& options, KeyValueStore& store, int devices, const std::string& facts)
    : options_(options), peers_(static_cast<size_t>(options.count)) {
  meet(store, devices, facts);
}

Processes::~Processes() { leave(milliseconds(0)); }

void Processes::leave(milliseconds linger) {
  if (transport_) transport_->close(linger);
}

std::unique_ptr<Processes::Launch> Processes::launch(const std::vector<int>& devices, std::vector<int> owners,
                                                     uint64_t program, const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (int id : devices) hash = (hash ^ static_cast<uint64_t>(id)) * 0x100000001b3u;
  std::lock_guard lock(mutex_);
  return std::make_unique<Launch>(*this, Name{hash, accepted_[hash]++}, std::move(owners), program, name);
}

void Processes::receive(int process, Transport::Received received) {
  Head head;
  if (received.head.size() < sizeof head) return;
  std::memcpy(&head, received.head.data(), sizeof head);
  if (head.magic != Head::kMagic) return;
  const std::string name = received.head.substr(sizeof head);
  std::lock_guard lock(mutex_);
  Peer& peer = peers_[process];
  const Name launch{head.devices, head.number};
  const auto ended = ended_.find(head.devices);
  const bool over = ended != ended_.end() && head.number <= ended->second;
  if (head.ends) {
    End& end = peer.ends[head.devices];
    end.through = std::max(end.through, head.number);
    if (head.ends == kFailed && !over)
      end.failed[head.number] = std::string(reinterpret_cast<const char*>(received.body.get()),
                                            static_cast<size_t>(received.bytes));
    if (over) peer.messages.erase(launch);
  } else if (!over) {
    peer.messages[launch].push_back(
        {head.program, name, {head.set, head.meeting, head.step, head.command}, std::move(received)});
  }
  arrived();
}

void Processes::note_gone(int process, const std::string& how) {
  std::lock_guard lock(mutex_);
  peers_[process].gone = how;
  peers_[process].gone_at = Clock::now();
  arrived();
}

Processes::Launch::Launch(Processes& all, Name name, std::vector<int> owners, uint64_t program,
                          std::string program_name)
    : all_(all),
      name_(name),
      owners_(std::move(owners)),
      program_(program),
      program_name_(std::move(program_name)) {
  for (int process : owners_)
    if (process != all.self() && std::ranges::find(peers_, process) == peers_.end())
      peers_.push_back(process);
}

std::string Processes::Launch::head(const Tag& tag, int64_t ends) const {
  Head head;
  head.devices = name_.devices, head.number = name_.number, head.program = program_;
  head.set = tag.set, head.meeting = tag.meeting, head.step = tag.step, head.command = tag.command;
  head.ends = ends;
  std::string text(reinterpret_cast<const char*>(&head), sizeof head);
  return text + program_name_;
}

void Processes::Launch::send(int process, const Tag& tag, std::span<const Piece> pieces) {
  std::vector<Transport::Piece> body;
  for (const Piece& piece : pieces) body.push_back({piece.data, piece.bytes, padded(piece.bytes)});
  all_.transport_->send(process, head(tag, kNot), body);
}

void Processes::Launch::fail(int process, Code code, const std::string& why) const {
  throw OtherProcessError(code, concat("process ", process, " ", why));
}

std::shared_ptr<const std::byte> Processes::Launch::receive(int process, const Tag& tag, int64_t bytes) {
  std::lock_guard lock(all_.mutex_);
  Peer& peer = all_.peers_[process];
  const auto found = peer.messages.find(name_);
  if (found != peer.messages.end()) {
    auto& messages = found->second;
    for (size_t i = 0; i < messages.size(); ++i) {
      Message& m = messages[i];
      if (m.program != program_)
        fail(process, Code::kInvalidArgument,
             concat(
                 "runs another program in its place, ", m.name,
                 ", or one of that name whose exchanges differ. Have all processes launch the same programs "
                 "in the same order."));
      if (m.tag.set != tag.set || m.tag.meeting != tag.meeting || m.tag.step != tag.step) continue;
      if (m.tag.command != tag.command || m.content.bytes != bytes)
        throw OtherProcessError(Code::kInvalidArgument, concat("process ", process), m.tag.command);
      auto body = std::move(m.content.body);
      messages.erase(messages.begin() + static_cast<ptrdiff_t>(i));
      if (messages.empty()) peer.messages.erase(found);
      waits_since_ = {};
      return body;
    }
  }
  check(process);
  return nullptr;
}

void Processes::Launch::check(int process) {
  const Peer& peer = all_.peers_[process];
  const auto end = peer.ends.find(name_.devices);
  if (end != peer.ends.end()) {
    const auto failed = end->second.failed.find(name_.number);
    if (failed != end->second.failed.end()) fail(process, Code::kUnavailable, "failed: " + failed->second);
    if (end->second.through >= name_.number)
      fail(
          process, Code::kInvalidArgument,
          "has ended the program without it. Have every device of a group take the same branches and make as "
          "many trips.");
  }
  if (!peer.gone.empty() && Clock::now() - peer.gone_at > kGrace)
    fail(process, Code::kUnavailable,
         concat("has gone: ", peer.gone, ". Start all processes again, from a checkpoint if there is one."));
}

std::vector<Others::Tag> Processes::Launch::unreceived(int process) const {
  std::lock_guard lock(all_.mutex_);
  std::vector<Tag> tags;
  const auto& messages = all_.peers_[process].messages;
  const auto found = messages.find(name_);
  if (found == messages.end()) return tags;
  for (const Message& message : found->second)
    if (message.program == program_) tags.push_back(message.tag);
  return tags;
}

void Processes::Launch::wait(const RunContext& context, int process) {
  context.check();
  std::unique_lock lock(all_.mutex_);
  const bool came = all_.arrived_.wait_for(lock, kGlance, [&] { return all_.arrivals_ != seen_; });
  seen_ = all_.arrivals_;
  if (came) return;
  const auto now = Clock::now();
  if (waits_since_ == Clock::time_point{}) waits_since_ = now;
  if (now - waits_since_ < std::chrono::seconds(all_.options_.seconds)) return;
  fail(process, Code::kDeadlineExceeded,
       concat("has sent nothing for ", all_.options_.seconds,
              " s. Does it launch the same programs in the same order? If it may be that late, set "
              "JAX_ASCEND_PROCESS_SECONDS higher in all processes."));
}

void Processes::Launch::await_turn(const RunContext& context) {
  for (int process : peers_) {
    while (true) {
      {
        std::lock_guard lock(all_.mutex_);
        const Peer& peer = all_.peers_[process];
        const auto end = peer.ends.find(name_.devices);
        const int64_t through = end == peer.ends.end() ? -1 : end->second.through;
        if (through >= name_.number - kAhead || !peer.gone.empty()) break;
      }
      wait(context, process);
    }
  }
  waits_since_ = {};
}

void Processes::Launch::end(const Status& status) {
  {
    std::lock_guard lock(all_.mutex_);
    int64_t& ended = all_.ended_.try_emplace(name_.devices, -1).first->second;
    ended = std::max(ended, name_.number);
    for (int process : peers_) {
      Peer& peer = all_.peers_[process];
      peer.messages.erase(name_);
      auto& failed = peer.ends[name_.devices].failed;
      failed.erase(failed.begin(), failed.upper_bound(name_.number));
    }
  }
  const std::string why = status ? status->message.substr(0, kLongestWhy) : "";
  const std::string text = head({}, status ? kFailed : kFine);
  const auto bytes = static_cast<int64_t>(why.size());
  const Transport::Piece piece{reinterpret_cast<const std::byte*>(why.data()), bytes, bytes};
  for (int process : peers_) all_.transport_->send(process, text, {&piece, 1});
}

}  // namespace ascend

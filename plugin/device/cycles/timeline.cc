#include "plugin/device/cycles/timeline.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <queue>

#include "plugin/device/cycles/cost.h"
#include "plugin/device/cycles/memory_model.h"
#include "plugin/device/cycles/walk.h"
#include "plugin/error.h"
#include "plugin/isa/message.h"

namespace ascend::cycles {
namespace {

constexpr size_t kQueueDepth = 32;  // instructions a pipe holds before the scalar unit has to wait
constexpr int kEvents = Limits::events;
constexpr double kNever = std::numeric_limits<double>::infinity();

enum class Act : uint8_t { kWork, kSet, kWait, kCrossSet, kCrossWait };

// Small, as a simulation is mostly this: traffic stands elsewhere.
struct Queued {
  double issued;
  double cycles;
  const Traffic* traffic;  // null: none
  int64_t first;           // of `traffic`
  int instruction;
  int16_t flag;  // set, wait: (src * kPipes + dst) * kEvents + event; cross: the flag
  Act act;
  bool own;  // `traffic` is of this instruction alone
};
static_assert(kPipes * kPipes * kEvents <= INT16_MAX && kCrossFlags <= INT16_MAX);

// What a pipe holds, in order.
class Queue {
 public:
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == kQueueDepth; }
  Queued& front() { return places_[first_]; }
  const Queued& front() const { return places_[first_]; }
  Queued& push() { return places_[(first_ + size_++) % kQueueDepth]; }
  void pop_front() { first_ = (first_ + 1) % kQueueDepth, --size_; }

 private:
  uint32_t first_ = 0, size_ = 0;
  std::array<Queued, kQueueDepth> places_;
};

// Traffic whose shape registers decide, while it is queued.
class TrafficPool {
 public:
  const Traffic* keep(const Traffic& traffic) {
    if (free_.empty()) free_.push_back(all_.emplace_back(std::make_unique<Traffic>()).get());
    Traffic* place = free_.back();
    free_.pop_back();
    *place = traffic;
    return place;
  }
  void drop(const Traffic* traffic) { free_.push_back(const_cast<Traffic*>(traffic)); }

 private:
  std::vector<std::unique_ptr<Traffic>> all_;
  std::vector<Traffic*> free_;
};

struct SimulatedCore;

struct Unit {  // cores that run one block together, and their cross flags
  std::vector<SimulatedCore*> cores;
  int to_vector[2][kCrossFlags] = {}, to_cube[2][kCrossFlags] = {};
  int number = 0;
};

struct SimulatedCore {
  Unit* unit = nullptr;
  int index = 0;  // in the simulation
  Role role = Role::kOnly;
  std::optional<Walk> walk;
  bool walked = true;
  double scalar_clock = 0, scalar_busy = 0;
  int scalar_wait = -1;                   // flag the scalar unit waits for
  double look = kNever;                   // when an event looks at what is issued but not due yet
  uint32_t held = 0, busy = 0, full = 0;  // pipes whose queue holds something; that work; whose queue is full
  Queue queue[kPipes];
  double started[kPipes] = {}, worked[kPipes] = {}, moved[kPipes] = {};
  double operations = 0, ideal = 0, assumed = 0;
  int flags[kPipes * kPipes * kEvents] = {};
  bool had_work = false;

  bool idle() const { return walked && held == 0; }  // what a pipe works at is in its queue
  Queued& push(int p) {
    Queued& place = queue[p].push();
    held |= 1u << p;
    if (queue[p].full()) full |= 1u << p;
    return place;
  }
  void pop(int p) {
    queue[p].pop_front();
    full &= ~(1u << p);
    if (queue[p].empty()) held &= ~(1u << p);
  }
};

class Simulation {
 public:
  Simulation(const Kernel& kernel, const Target& target, L2Cache& cache, const Launch& launch,
             std::vector<Interval>* trace, size_t limit, int cores)
      : kernel_(kernel),
        target_(target),
        shape_(kernel),
        costs_(kernel, target),
        memory_(kernel, target, cache, launch.addresses, launch.trip),
        trip_(launch.trip),
        trace_(trace),
        limit_(limit),
        traced_cores_(cores) {
    const bool vector = kernel.core == CoreKind::kAiv;
    const int64_t units =
        std::min<int64_t>(kernel.blocks(), vector ? target.vector_cores : target.cube_cores);
    const int per_unit = kernel.core == CoreKind::kMix ? 3 : 1;
    units_.resize(units);
    cores_.resize(units * per_unit);
    for (int u = 0; u < units; ++u) {
      units_[u].number = u;
      for (int c = 0; c < per_unit; ++c) {
        SimulatedCore& core = cores_[u * per_unit + c];
        core.unit = &units_[u];
        core.index = u * per_unit + c;
        core.role = per_unit == 1 ? Role::kOnly : static_cast<Role>(static_cast<int>(Role::kCube) + c);
        units_[u].cores.push_back(&core);
      }
    }
  }

  KernelTime run() {
    for (Unit& unit : units_) begin_block(unit);
    for (;;) {
      const double event = events_.empty() ? kNever : events_.top().time;
      const double next = std::min(event, memory_.next());
      if (next == kNever) break;
      now_ = next;
      if (memory_.next() <= now_)
        for (int owner : memory_.finish(now_)) complete(cores_[owner / kPipes], owner % kPipes);
      while (!events_.empty() && events_.top().time <= now_) {
        const Event e = events_.top();
        events_.pop();
        happen(e);
      }
    }
    for (SimulatedCore& core : cores_)
      if (!core.idle()) throw_stuck(core);
    return result();
  }

 private:
  struct Event {
    double time;
    int core, pipe;  // pipe -1: look again
    bool operator<(const Event& other) const { return time > other.time; }
  };

  void begin_block(Unit& unit) {
    if (next_block_ >= kernel_.blocks()) return;
    for (SimulatedCore* core : unit.cores) {
      core->walk.emplace(shape_, next_block_, core->role, trip_);
      core->walked = false;
      core->scalar_clock = std::max(core->scalar_clock, now_);
    }
    ++next_block_;
    for (SimulatedCore* core : unit.cores) progress(*core);
  }

  void happen(const Event& e) {
    SimulatedCore& core = cores_[e.core];
    if (e.pipe < 0) {
      if (e.time != core.look) return;  // an earlier look has been asked for since
      core.look = kNever;
      progress(core);
      return;
    }
    const Queued& q = core.queue[e.pipe].front();
    if (q.traffic && q.traffic->rows > 0) {  // start-up over: the transfer goes on in the shared memory
      memory_.start(*q.traffic, q.first, e.core * kPipes + e.pipe, now_);
    } else {
      complete(core, e.pipe);
    }
  }

  void complete(SimulatedCore& core, int pipe) {
    const Queued& q = core.queue[pipe].front();
    core.worked[pipe] += now_ - core.started[pipe];
    if (trace_ && trace_->size() < limit_ && core.unit->number < traced_cores_) {
      const int unit =
          core.role == Role::kOnly ? 0 : static_cast<int>(core.role) - static_cast<int>(Role::kCube);
      trace_->push_back(
          {core.unit->number, unit, static_cast<Pipe>(pipe), q.instruction, core.started[pipe], now_});
    }
    if (q.own) traffics_.drop(q.traffic);
    core.pop(pipe);
    core.busy &= ~(1u << pipe);
    progress(core);
  }

  // Issues and starts whatever can go on at this moment on the core (and, through cross flags, on its unit).
  void progress(SimulatedCore& core) {
    bool moved = true, crossed = false;
    while (moved) {
      moved = issue(core);
      for (uint32_t ready = core.held & ~core.busy; ready; ready &= ready - 1) {
        const int p = std::countr_zero(ready);
        while (core.held >> p & 1 && start(core, p, crossed)) moved = true;
      }
    }
    if (crossed)
      for (SimulatedCore* other : core.unit->cores)
        if (other != &core) progress(*other);
    if (core.idle() && std::all_of(core.unit->cores.begin(), core.unit->cores.end(),
                                   [](SimulatedCore* c) { return c->idle(); }))
      begin_block(*core.unit);
  }

  bool start(SimulatedCore& core, int p, bool& crossed) {
    Queued& q = core.queue[p].front();
    if (q.issued > now_) {
      if (q.issued < core.look) events_.push({core.look = q.issued, core.index, -1});
      return false;
    }
    const int lane = core.role == Role::kVector1;
    Unit& unit = *core.unit;
    switch (q.act) {
      case Act::kWork:
        core.busy |= 1u << p;
        core.started[p] = now_;
        events_.push({now_ + q.cycles, core.index, p});
        return false;
      case Act::kSet:
        ++core.flags[q.flag];
        break;
      case Act::kWait:
        if (core.flags[q.flag] == 0) return false;
        --core.flags[q.flag];
        break;
      case Act::kCrossSet:
        if (core.role == Role::kCube) {
          ++unit.to_vector[0][q.flag];
          ++unit.to_vector[1][q.flag];
        } else {
          ++unit.to_cube[lane][q.flag];
        }
        crossed = true;
        break;
      case Act::kCrossWait:
        if (core.role == Role::kCube) {
          if (unit.to_cube[0][q.flag] == 0 || unit.to_cube[1][q.flag] == 0) return false;
          --unit.to_cube[0][q.flag];
          --unit.to_cube[1][q.flag];
        } else {
          if (unit.to_vector[lane][q.flag] == 0) return false;
          --unit.to_vector[lane][q.flag];
        }
        break;
    }
    core.pop(p);
    return true;
  }

  // The scalar unit: one instruction a cycle into the pipes' queues, until one is full or a flag holds it.
  bool issue(SimulatedCore& core) {
    if (core.walked) return false;
    bool moved = false;
    core.scalar_clock = std::max(core.scalar_clock, now_);
    for (;;) {
      if (core.scalar_wait >= 0) {
        if (core.flags[core.scalar_wait] == 0) return moved;
        --core.flags[core.scalar_wait];
        core.scalar_wait = -1;
      }
      if (core.full) return moved;
      const int index = core.walk->next();
      if (index < 0) {
        core.walked = true;
        return true;
      }
      moved = true;
      core.scalar_clock += 1;
      core.scalar_busy += 1;
      ++instructions_;
      enqueue(core, index);
    }
  }

  void enqueue(SimulatedCore& core, int index) {
    const Instruction& instruction = kernel_.body[index];
    const auto flag = [&](const auto& i) {
      return static_cast<int>((i.src_ * kPipes + i.dst_) * kEvents +
                              (core.walk->value(i.event_) & (kEvents - 1)));
    };
    const auto push = [&](int64_t pipe, Act act, int flag, double cycles = 0) -> Queued& {
      return core.push(static_cast<int>(pipe)) = {core.scalar_clock,          cycles, nullptr, 0, index,
                                                  static_cast<int16_t>(flag), act,    false};
    };
    switch (instruction.opcode()) {
      case Opcode::kset_flag: {
        const auto& i = instruction.as<isa::set_flag>();
        if (i.src_ == static_cast<int>(Pipe::kS))
          ++core.flags[flag(i)];
        else
          push(i.src_, Act::kSet, flag(i));
        return;
      }
      case Opcode::kwait_flag: {
        const auto& i = instruction.as<isa::wait_flag>();
        if (i.dst_ == static_cast<int>(Pipe::kS))
          core.scalar_wait = flag(i);
        else
          push(i.dst_, Act::kWait, flag(i));
        return;
      }
      case Opcode::kset_cross_flag: {
        const auto& i = instruction.as<isa::set_cross_flag>();
        push(i.pipe_, Act::kCrossSet, cross(core, i.flag_));
        return;
      }
      case Opcode::kwait_cross_flag: {
        const auto& i = instruction.as<isa::wait_cross_flag>();
        push(i.pipe_, Act::kCrossWait, cross(core, i.flag_));
        return;
      }
      case Opcode::kpipe_barrier:  // pipes are in order: nothing overtakes
        return;
      default:
        break;
    }
    const CostTable::Entry& entry = costs_.at(*core.walk, index);
    const Cost& cost = entry.cost;
    core.operations += cost.operations;
    core.ideal += cost.ideal;
    core.assumed += cost.assumed;
    core.moved[static_cast<int>(cost.pipe)] +=
        static_cast<double>(cost.on_chip + (cost.traffic.argument >= 0 ? cost.traffic.bytes() : 0));
    if (cost.pipe == Pipe::kS) {
      core.scalar_clock += cost.cycles;
      core.scalar_busy += cost.cycles;
      return;
    }
    core.had_work = true;
    Queued& q = push(static_cast<int>(cost.pipe), Act::kWork, 0, cost.cycles);
    if (cost.traffic.argument < 0) return;
    q.traffic = entry.fixed ? &cost.traffic : traffics_.keep(cost.traffic);
    q.own = !entry.fixed;
    q.first = entry.first(*core.walk);
  }

  int cross(const SimulatedCore& core, const Affine& flag) const {
    return static_cast<int>(core.walk->value(flag) & (kCrossFlags - 1));
  }

  [[noreturn]] void throw_stuck(const SimulatedCore& core) const {
    int where = -1;
    for (const auto& queue : core.queue)
      if (!queue.empty() && (where < 0 || queue.front().instruction < where))
        where = queue.front().instruction;
    throw Error(Code::kFailedPrecondition,
                concat(place(kernel_, std::max(where, 0)),
                       "waits for a flag that nobody sets; expected a matching set. ",
                       "Check the kernel's synchronisation."));
  }

  KernelTime result() const {
    KernelTime t;
    t.cycles = now_;
    t.gm_read = memory_.gm_read(), t.gm_written = memory_.gm_written();
    t.hbm_read = static_cast<double>(memory_.hbm().read);
    t.hbm_written = static_cast<double>(memory_.hbm().written);
    t.hbm_limited = memory_.hbm_limited(), t.l2_limited = memory_.l2_limited();
    t.instructions = instructions_;
    for (const SimulatedCore& core : cores_) {
      t.cycles = std::max(t.cycles, core.scalar_clock);  // what it issues last need not be a pipe's work
      if (!core.had_work) continue;
      const bool cube =
          core.role == Role::kCube || (core.role == Role::kOnly && kernel_.core == CoreKind::kAic);
      double* busy = cube ? t.cube_busy : t.vector_busy;
      ++(cube ? t.cube_cores : t.vector_cores);
      double* moved = cube ? t.cube_moved : t.vector_moved;
      for (int p = 0; p < kPipes; ++p) busy[p] += core.worked[p], moved[p] += core.moved[p];
      (cube ? t.cube_operations : t.vector_operations) += core.operations;
      (cube ? t.cube_ideal : t.vector_ideal) += core.ideal;
      t.assumed += core.assumed;
      busy[static_cast<int>(Pipe::kS)] += core.scalar_busy;
    }
    return t;
  }

  const Kernel& kernel_;
  const Target& target_;
  Shape shape_;
  CostTable costs_;
  TrafficPool traffics_;
  MemoryModel memory_;
  int64_t trip_;
  std::vector<Interval>* trace_;
  size_t limit_;
  int traced_cores_;
  std::vector<Unit> units_;
  std::vector<SimulatedCore> cores_;
  std::priority_queue<Event> events_;
  double now_ = 0;
  int64_t next_block_ = 0, instructions_ = 0;
};

}  // namespace

KernelTime simulate(const Kernel& kernel, const Target& target, L2Cache& cache, const Launch& launch,
                    std::vector<Interval>* trace, size_t limit, int cores) {
  return Simulation(kernel, target, cache, launch, trace, limit, cores).run();
}

}  // namespace ascend::cycles

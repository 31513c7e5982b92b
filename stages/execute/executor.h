// Runs one stage's program: a state machine without actors. A loop drives it in tests, a mailbox in
// a run. Arrival decides when an instruction fires, never in which order.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kernels/base/span.h"
#include "stages/board/progress_slot.h"
#include "stages/channels/channel.h"
#include "stages/channels/pass.h"
#include "stages/execute/stage_work.h"
#include "stages/program/edge.h"
#include "stages/program/program.h"

namespace stagecraft {

/// How many compute instructions the host may issue before the device has done the first of them.
inline constexpr std::size_t kAhead = 4;

/// Where the executor's envelopes and credits go: to the destination's, and the source's, executor.
class ExecutorPort {
 public:
  virtual ~ExecutorPort() = default;
  virtual void send_envelope(const Envelope& envelope) = 0;
  virtual void send_credit(const Edge& edge, std::uint64_t sequence) = 0;
};

/// The channels of one rank, by edge; both ends share a channel.
using Channels = std::map<Edge, std::shared_ptr<Channel>>;

/// What an executor is made of; everything must outlive it.
struct ExecutorParts {
  int stage = 0;
  int column = 0;  // of the mesh (column_of)
  std::uint32_t generation = 0;
  StageWork& work;
  ExecutorPort& port;
  ProgressSlot& progress;
  SpanRecorder& spans;
};

class Executor {
 public:
  Executor(ExecutorParts parts, Channels channels);

  /// Takes up a pass. `program`, whose line of this stage is run, must outlive it. Requires done().
  void begin(const Pass& pass, const Program& program);
  /// A neighbour's tensor has been issued. Throws Error for an envelope that no receive can match.
  void deliver(const Envelope& envelope);
  /// A neighbour received one of ours.
  void credit(const Edge& edge, std::uint64_t sequence);
  /// What U waits for.
  void decide(const Update& update);

  /// Whether step() has an instruction that may fire: its envelope has come, its slot is free.
  bool ready() const;
  /// Fires one instruction. Requires ready(). Throws what the work throws.
  void step();
  /// The program has come to its end, or none was begun.
  bool done() const { return program_ == nullptr; }
  /// All that is left is U, and it waits for decide().
  bool awaits_update() const;
  /// The first instruction that has not fired; F0 of chunk 0 when done().
  Instruction current() const;
  const Pass& pass() const { return pass_; }

 private:
  struct Outgoing {
    std::uint64_t sent = 0;
    std::uint64_t credited = 0;
  };
  struct Incoming {
    std::uint64_t delivered = 0;
    std::deque<Envelope> waiting;
  };

  const StageProgram& order() const;
  /// For a trace and a device's profiler; empty where neither reads it.
  std::string name_of(const Instruction& instruction) const;
  Channel& channel(const Edge& edge) const;
  bool can_fire(const Instruction& instruction) const;
  /// Position within the current group of the first member that may fire.
  std::optional<std::size_t> next_member() const;
  void fire(const Instruction& instruction);
  void await(Stream& stream, const Event& event);
  void fire_compute(const Instruction& instruction);
  void fire_send(const Instruction& instruction);
  void fire_receive(const Instruction& instruction);
  void check(const Envelope& envelope, const Instruction& receive) const;
  void advance(std::size_t member);
  void show_waiting();
  void note_wait(const Instruction& instruction);

  ExecutorParts parts_;
  Channels channels_;
  const Program* program_ = nullptr;
  Pass pass_;
  std::int64_t begin_ns_ = 0;          // of the pass
  std::int64_t waiting_since_ns_ = 0;  // 0: something may fire
  std::size_t position_ = 0;
  TransferGroup pending_;  // members of the current group that have not fired
  std::optional<Update> update_;
  /// Reached when the compute instruction, of the last kAhead, is done; the oldest comes next.
  std::array<Event, kAhead> issued_;
  std::size_t oldest_issued_ = 0;
  std::map<Edge, Outgoing> outgoing_;
  std::map<Edge, Incoming> incoming_;
};

}  // namespace stagecraft

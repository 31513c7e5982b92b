// Runs one stage's program: a state machine without actors. Tests drive it by a loop, a run by an
// actor's mailbox. Arrival decides when an instruction fires, never the order of instructions.
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

/// How many compute instructions the host may issue before the device has completed the first.
inline constexpr std::size_t kAhead = 4;

/// Sends the executor's envelopes to the destination's executor, and its credits to the source's.
class ExecutorPort {
 public:
  virtual ~ExecutorPort() = default;
  virtual void send_envelope(const Envelope& envelope) = 0;
  virtual void send_credit(const Edge& edge, std::uint64_t sequence) = 0;
};

/// The channels of one rank, by edge.
using Channels = std::map<Edge, std::shared_ptr<Channel>>;

/// The parts that an executor uses; all references must outlive it.
struct ExecutorParts {
  int stage = 0;
  int column = 0;  // column of the mesh (column_of)
  std::uint32_t generation = 0;
  StageWork& work;
  ExecutorPort& port;
  ProgressSlot& progress;
  SpanRecorder& spans;
};

class Executor {
 public:
  Executor(ExecutorParts parts, Channels channels);

  /// Begins a pass, which runs this stage's line of `program`. `program` must outlive the pass.
  /// `counts` is for the work. Requires done().
  void begin(const Pass& pass, const Program& program, const LossCounts& counts = {});
  /// Takes the envelope of a tensor that a neighbour issued. Throws Error for an envelope that no
  /// receive can match.
  void deliver(const Envelope& envelope);
  /// Takes the credit of a tensor that a neighbour received. Throws Error for one that is not due.
  void credit(const Edge& edge, std::uint64_t sequence);
  /// Takes the update that U waits for.
  void decide(const Update& update);

  /// Whether step() has an instruction that may fire: its envelope has arrived, or its slot is
  /// free.
  bool ready() const;
  /// Fires one instruction. Requires ready(). Throws what the stage work throws.
  void step();
  /// Whether the program has ended, or none was begun.
  bool done() const { return program_ == nullptr; }
  /// Whether only U is left and waits for decide().
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
  /// The name in a trace and in a device's profiler; empty if neither reads it.
  std::string name_of(const Instruction& instruction) const;
  Channel& channel(const Edge& edge) const;
  bool can_fire(const Instruction& instruction) const;
  /// Whether the slot of a send is free, or the envelope of a receive has come.
  bool channel_is_ready(const Instruction& transfer) const;
  /// The index in pending_ of the first member that may fire.
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
  /// The completion events of the last kAhead compute instructions, as a ring.
  std::array<Event, kAhead> issued_;
  std::size_t oldest_issued_ = 0;
  std::map<Edge, Outgoing> outgoing_;
  std::map<Edge, Incoming> incoming_;
};

}  // namespace stagecraft

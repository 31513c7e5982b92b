// The whole protocol. Messages announce issued transfers and decisions; they never carry tensors. A
// floating-point number is sent as its bits (wire_double.h).
//
//   process -> process       Connect                    exchange of ranks and their stages
//   run_training -> all      Connect                    the stages to talk to
//   driver -> stage          Join, driver               the driver; the stage makes its parameters
//   stage -> driver          Join, rank, monitor        the failure monitor to tell of failures
//   stage -> driver          Ready                      parameters are made
//   driver -> stage          RunPasses                  programs to run, one after the other; of an
//                                                       evaluation a few batches at a time; of a
//                                                       step with the counts of its losses
//   stage -> stage           Envelope, Credit           a tensor was issued; it was received
//   stage -> stage -> driver PassDone                   losses and squares, gathered along a tree
//   driver -> stage          ApplyUpdate                the optimizer may fire, and what follows it
//   driver -> stage          KeepState                  hash the state, or save it in a checkpoint
//   stage -> driver          StateHashed                hashes of the state
//   stage -> stage, driver   StateSaved                 the stage's file of a checkpoint is written
//   driver -> stage          WriteModel                 write the stage's slices
//   stage -> driver          ModelWritten
//   driver -> stage          Finish                     end now, whatever is running
//   stage -> driver          StageEnded                 the last message of a stage
//   stage -> monitor         StageFailed                an exception or a lost peer
//   watchdog -> monitor      RunFailed                  the cause on the progress board
//   monitor <-> driver       RunFailed                  the first cause; wakes each process's waits
//   driver -> monitor        Connect, monitor           the monitor of rank 0, for the boards of
//   hosts monitor <-> monitor      BoardRows                  where a host's ranks are; the answer:
//   all others monitor -> monitor       Tick                       the next BoardRows are due
//   driver -> driver         Tick                       after a failure: running stages are lost
//   run_training -> monitor  Finish                     the run has ended
#pragma once

#include <caf/atom.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/protocol/wire_double.h"
#include "kernels/core/stream.h"
#include "models/parameters/parameter_state.h"
#include "stages/board/progress_slot.h"
#include "stages/channels/channel.h"
#include "stages/channels/pass.h"
#include "stages/program/edge.h"

namespace stagecraft {

/// Consecutive passes: a training step, or batches of an evaluation.
struct PassRange {
  PassKind kind = PassKind::train;
  std::int64_t step = 0;     // as in Pass
  std::int64_t batches = 1;  // of an evaluation, from `first` on
  std::int64_t first = 0;
  /// What each loss counts in the step. Empty for a pass without gradients.
  std::vector<std::int64_t> counts = {};
};

struct RunPasses {
  std::vector<PassRange> passes;  // in order
};

struct Credit {
  Edge edge;
  std::uint64_t sequence = 0;
};

struct WireHash {
  std::int32_t parameter = 0;  // position in ModelSpec::parameters()
  StateKind kind = StateKind::weight;
  std::uint64_t hash = 0;
};

/// With the hashes of the state that the rank has loaded from a checkpoint.
struct Ready {
  std::int32_t rank = 0;
  std::vector<WireHash> loaded = {};
};

struct WireSquare {
  std::int32_t parameter = 0;  // position in ModelSpec::parameters()
  std::uint64_t square = 0;    // bits of a double
};

struct RankResults {
  std::int32_t rank = 0;
  std::vector<std::uint64_t> losses;  // bits; as PassResults::losses
  std::vector<WireSquare> squares;    // of a training step
};

/// The results of one pass. Each stage sends those of its subtree (result_gather.h) when they are
/// complete: all gradients of a training step, or the losses of one batch of an evaluation.
struct PassDone {
  Pass pass;
  std::vector<RankResults> ranks;
};

/// The state behind the update of `step` is hashed. It is saved too if there is a folder, that of
/// an unfinished checkpoint.
struct KeepState {
  std::int64_t step = 0;
  std::string directory;  // path; "": only hashed
};

/// The hashes of what the rank saves. Each element of the state is saved by one rank.
struct StateHashed {
  std::int32_t rank = 0;
  std::int64_t step = 0;
  std::vector<WireHash> hashes;
};

struct WirePiece {
  std::int32_t parameter = 0;  // position in ModelSpec::parameters()
  StateKind kind = StateKind::weight;
  std::vector<std::int64_t> begin;  // the box
  std::vector<std::int64_t> end;
  std::uint64_t checksum = 0;
};

/// The rank's file is on the disk, or could not be written. The stage's writer sends it to the
/// stage, which passes it on.
struct StateSaved {
  std::int32_t rank = 0;
  std::int64_t step = 0;
  std::int64_t bytes = 0;              // of the file
  std::vector<WirePiece> pieces = {};  // in the order of the file; none: the rank has no file
  std::string error = {};              // "": none
  bool without_copy = false;           // no memory for a copy: training waited for the writing
};

/// `state` (at most one) says what is done with the state behind the update, before the next one.
/// `next` holds the passes that follow the update, so that no rank waits for the driver: the next
/// step, or the first batches of an evaluation. A step behind an evaluation is ordered when that
/// has ended, since a stop may come in between.
struct ApplyUpdate {
  std::int64_t step = 0;
  std::uint64_t learning_rate = 0;   // bits
  std::uint64_t gradient_scale = 0;  // bits
  std::vector<PassRange> next = {};
  std::vector<KeepState> state = {};
};

struct WriteModel {
  std::string temporary;  // path
};

struct ModelWritten {
  std::int32_t rank = 0;
};

struct Finish {
  bool failed = false;
};

struct StageEnded {
  std::int32_t rank = 0;
  std::int64_t compute_ns = 0;
  std::int64_t communication_ns = 0;
  std::int64_t idle_ns = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t peak_saved_activation_bytes = 0;
  StreamUse use = {};
};

struct StageFailed {
  std::int32_t rank = 0;
  std::string text;      // "instruction I: the error"
  bool aborted = false;  // an abort woke the stage, so this is never the first cause
};

struct RunFailed {
  std::string text;
  std::int32_t rank = -1;  // the culprit; -1: no rank of the run
};

struct WireRow {
  std::int32_t rank = 0;
  RowCopy row;
};

/// Rows of a progress board, for the board of another host.
struct BoardRows {
  std::vector<WireRow> rows;
  bool stop_requested = false;
  bool save_requested = false;
};

template <class Inspector>
auto inspect(Inspector& f, PassRange& x) {
  return f(caf::meta::type_name("PassRange"), x.kind, x.step, x.batches, x.first, x.counts);
}
template <class Inspector>
auto inspect(Inspector& f, RunPasses& x) {
  return f(caf::meta::type_name("RunPasses"), x.passes);
}
template <class Inspector>
auto inspect(Inspector& f, Edge& x) {
  return f(caf::meta::type_name("Edge"), x.source, x.destination, x.payload);
}
template <class Inspector>
auto inspect(Inspector& f, Pass& x) {
  return f(caf::meta::type_name("Pass"), x.kind, x.step, x.batch);
}
template <class Inspector>
auto inspect(Inspector& f, Envelope& x) {
  std::vector<std::int64_t> shape(x.shape.begin(), x.shape.end());
  const auto load = [&]() -> caf::error {
    if (shape.size() > x.shape.capacity()) {
      return caf::sec::invalid_argument;
    }
    x.shape.assign(shape.begin(), shape.end());
    return caf::none;
  };
  return f(caf::meta::type_name("Envelope"), x.generation, x.edge, x.sequence, x.pass, x.chunk,
           x.microbatch, shape, x.dtype, caf::meta::load_callback(load));
}
template <class Inspector>
auto inspect(Inspector& f, Credit& x) {
  return f(caf::meta::type_name("Credit"), x.edge, x.sequence);
}
template <class Inspector>
auto inspect(Inspector& f, Ready& x) {
  return f(caf::meta::type_name("Ready"), x.rank, x.loaded);
}
template <class Inspector>
auto inspect(Inspector& f, WireHash& x) {
  return f(caf::meta::type_name("WireHash"), x.parameter, x.kind, x.hash);
}
template <class Inspector>
auto inspect(Inspector& f, KeepState& x) {
  return f(caf::meta::type_name("KeepState"), x.step, x.directory);
}
template <class Inspector>
auto inspect(Inspector& f, StateHashed& x) {
  return f(caf::meta::type_name("StateHashed"), x.rank, x.step, x.hashes);
}
template <class Inspector>
auto inspect(Inspector& f, WirePiece& x) {
  return f(caf::meta::type_name("WirePiece"), x.parameter, x.kind, x.begin, x.end, x.checksum);
}
template <class Inspector>
auto inspect(Inspector& f, StateSaved& x) {
  return f(caf::meta::type_name("StateSaved"), x.rank, x.step, x.bytes, x.pieces, x.error,
           x.without_copy);
}
template <class Inspector>
auto inspect(Inspector& f, WireSquare& x) {
  return f(caf::meta::type_name("WireSquare"), x.parameter, x.square);
}
template <class Inspector>
auto inspect(Inspector& f, RankResults& x) {
  return f(caf::meta::type_name("RankResults"), x.rank, x.losses, x.squares);
}
template <class Inspector>
auto inspect(Inspector& f, PassDone& x) {
  return f(caf::meta::type_name("PassDone"), x.pass, x.ranks);
}
template <class Inspector>
auto inspect(Inspector& f, ApplyUpdate& x) {
  return f(caf::meta::type_name("ApplyUpdate"), x.step, x.learning_rate, x.gradient_scale, x.next,
           x.state);
}
template <class Inspector>
auto inspect(Inspector& f, WriteModel& x) {
  return f(caf::meta::type_name("WriteModel"), x.temporary);
}
template <class Inspector>
auto inspect(Inspector& f, ModelWritten& x) {
  return f(caf::meta::type_name("ModelWritten"), x.rank);
}
template <class Inspector>
auto inspect(Inspector& f, Finish& x) {
  return f(caf::meta::type_name("Finish"), x.failed);
}
template <class Inspector>
auto inspect(Inspector& f, StreamUse& x) {
  return f(caf::meta::type_name("StreamUse"), x.full_waits, x.event_waits, x.memory_calls,
           x.held_bytes, x.library_attention_forwards, x.library_attention_backwards,
           x.own_attentions, x.chosen_products);
}
template <class Inspector>
auto inspect(Inspector& f, StageEnded& x) {
  return f(caf::meta::type_name("StageEnded"), x.rank, x.compute_ns, x.communication_ns, x.idle_ns,
           x.peak_bytes, x.peak_saved_activation_bytes, x.use);
}
template <class Inspector>
auto inspect(Inspector& f, StageFailed& x) {
  return f(caf::meta::type_name("StageFailed"), x.rank, x.text, x.aborted);
}
template <class Inspector>
auto inspect(Inspector& f, RunFailed& x) {
  return f(caf::meta::type_name("RunFailed"), x.text, x.rank);
}
template <class Inspector>
auto inspect(Inspector& f, RowCopy& x) {
  return f(caf::meta::type_name("RowCopy"), x.activity, x.step, x.batch, x.instruction,
           x.unchanged_ns, x.silent_ns);
}
template <class Inspector>
auto inspect(Inspector& f, WireRow& x) {
  return f(caf::meta::type_name("WireRow"), x.rank, x.row);
}
template <class Inspector>
auto inspect(Inspector& f, BoardRows& x) {
  return f(caf::meta::type_name("BoardRows"), x.rows, x.stop_requested, x.save_requested);
}

/// Every message type that an actor may receive; the network layer and tests iterate over it.
template <class... Ts>
struct MessageList {};
using AllMessages = MessageList<RunPasses, Envelope, Credit, Ready, PassDone, ApplyUpdate,
                                KeepState, StateHashed, StateSaved, WriteModel, ModelWritten,
                                Finish, StageEnded, StageFailed, RunFailed, BoardRows>;

using TickAtom = caf::atom_constant<caf::atom("tick")>;
using ConnectAtom = caf::atom_constant<caf::atom("connect")>;
using JoinAtom = caf::atom_constant<caf::atom("join")>;

using FailureMonitor =
    caf::typed_actor<caf::reacts_to<StageFailed>, caf::reacts_to<RunFailed>,
                     caf::reacts_to<JoinAtom, caf::strong_actor_ptr>,
                     caf::reacts_to<ConnectAtom, caf::strong_actor_ptr>, caf::reacts_to<TickAtom>,
                     caf::replies_to<BoardRows>::with<BoardRows>, caf::reacts_to<Finish>>;

using DriverActor =
    caf::typed_actor<caf::reacts_to<Ready>, caf::reacts_to<PassDone>, caf::reacts_to<StateHashed>,
                     caf::reacts_to<StateSaved>, caf::reacts_to<ModelWritten>,
                     caf::reacts_to<StageEnded>, caf::reacts_to<RunFailed>,
                     caf::reacts_to<TickAtom>,
                     caf::reacts_to<ConnectAtom, std::vector<caf::strong_actor_ptr>>,
                     caf::reacts_to<JoinAtom, std::int32_t, caf::strong_actor_ptr>>;

/// Connect carries the receiver and its pipeline neighbours, by stage, while the other stages of
/// its mesh column are null; and the receiver's parent, to which it sends results (null for rank 0,
/// which sends them to the driver). For the driver it carries all stage actors, by rank. Join
/// carries the driver.
using StageActor = caf::typed_actor<
    caf::reacts_to<RunPasses>, caf::reacts_to<Envelope>, caf::reacts_to<Credit>,
    caf::reacts_to<PassDone>, caf::reacts_to<ApplyUpdate>, caf::reacts_to<KeepState>,
    caf::reacts_to<StateSaved>, caf::reacts_to<WriteModel>, caf::reacts_to<Finish>,
    caf::reacts_to<ConnectAtom, std::vector<caf::strong_actor_ptr>, caf::strong_actor_ptr>,
    caf::reacts_to<JoinAtom, caf::strong_actor_ptr>>;

}  // namespace stagecraft

// The whole protocol. Messages state issue and decisions; tensors never travel in them. A
// floating-point number travels as its bits (wire_double.h).
//
//   process -> process       Connect                    a rank and its stage, for the other's stage
//   run_training -> all      Connect                    who is there
//   driver -> stage          Join, driver               here I am; stages make parameters, then
//   stage -> driver          Join, rank, guard          whom to tell of a failure
//   stage -> driver          Ready
//   driver -> stage          TrainStep, Evaluate        programs to run, one after the other
//   stage -> stage           Envelope, Credit           a tensor was issued; it was received
//   stage -> driver          StepDone                   gradients are there: losses and squares
//   driver -> stage          ApplyUpdate                the optimizer may fire
//   stage -> driver          EvaluationDone             losses of one batch
//   driver -> stage          WriteModel                 write your slices
//   stage -> driver          ModelWritten
//   driver -> stage          Finish                     whatever you do, end
//   stage -> driver          Spans, ClockReadings       for the trace, in bounded pieces
//   stage -> driver          StageEnded                 the last message of a stage
//   stage -> guard           StageFailed                what happened; the guard names the cause
//   watch -> guard           RunFailed                  a cause that somebody named
//   guard <-> driver         RunFailed                  the first cause; every guard wakes its own
//   driver -> driver         Tick                       after a failure: who has not ended is lost
//   run_training -> guard    Finish                     the run has ended
#pragma once

#include <caf/atom.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/protocol/clock_reading.h"
#include "actors/protocol/wire_double.h"
#include "kernels/base/span.h"
#include "stages/channels/channel.h"
#include "stages/channels/pass.h"
#include "stages/program/edge.h"

namespace stagecraft {

struct TrainStep {
  std::int64_t step = 0;  // from 1; 0 primes
};

struct Evaluate {
  std::int64_t step = 0;   // that it follows
  std::int64_t batch = 0;  // from 0
};

struct Credit {
  Edge edge;
  std::uint64_t sequence = 0;
};

struct Ready {
  std::int32_t rank = 0;
};

struct WireSquare {
  std::int32_t parameter = 0;  // position in ModelSpec::parameters()
  std::uint64_t square = 0;    // bits of a double
};

struct StepDone {
  std::int32_t rank = 0;
  std::int64_t step = 0;
  std::vector<std::uint64_t> losses;  // bits; sums over a micro-batch's tokens, in order
  std::vector<WireSquare> squares;
};

struct ApplyUpdate {
  std::int64_t step = 0;
  std::uint64_t learning_rate = 0;   // bits
  std::uint64_t gradient_scale = 0;  // bits
};

struct EvaluationDone {
  std::int32_t rank = 0;
  std::int64_t batch = 0;
  std::vector<std::uint64_t> losses;  // bits
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

/// A piece of a rank's trace: no message grows with the length of a run.
struct Spans {
  static constexpr std::size_t kMax = 1024;
  std::int32_t rank = 0;
  std::vector<Span> spans;
};

/// Of rank 0's stage: every rank's clock against its own (clock_reading.h), by rank.
struct ClockReadings {
  bool at_end = false;
  std::vector<ClockReading> readings;
};

struct StageFailed {
  std::int32_t rank = 0;
  std::string text;      // "instruction I: what happened"
  bool aborted = false;  // it was woken by an abort: never the first cause
};

struct RunFailed {
  std::string text;
};

template <class Inspector>
auto inspect(Inspector& f, TrainStep& x) {
  return f(caf::meta::type_name("TrainStep"), x.step);
}
template <class Inspector>
auto inspect(Inspector& f, Evaluate& x) {
  return f(caf::meta::type_name("Evaluate"), x.step, x.batch);
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
  return f(caf::meta::type_name("Ready"), x.rank);
}
template <class Inspector>
auto inspect(Inspector& f, WireSquare& x) {
  return f(caf::meta::type_name("WireSquare"), x.parameter, x.square);
}
template <class Inspector>
auto inspect(Inspector& f, StepDone& x) {
  return f(caf::meta::type_name("StepDone"), x.rank, x.step, x.losses, x.squares);
}
template <class Inspector>
auto inspect(Inspector& f, ApplyUpdate& x) {
  return f(caf::meta::type_name("ApplyUpdate"), x.step, x.learning_rate, x.gradient_scale);
}
template <class Inspector>
auto inspect(Inspector& f, EvaluationDone& x) {
  return f(caf::meta::type_name("EvaluationDone"), x.rank, x.batch, x.losses);
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
auto inspect(Inspector& f, Span& x) {
  return f(caf::meta::type_name("Span"), x.lane, x.name, x.begin_ns, x.end_ns, x.flow, x.step,
           x.instruction);
}
template <class Inspector>
auto inspect(Inspector& f, StreamUse& x) {
  return f(caf::meta::type_name("StreamUse"), x.full_waits, x.event_waits, x.memory_calls,
           x.held_bytes);
}
template <class Inspector>
auto inspect(Inspector& f, StageEnded& x) {
  return f(caf::meta::type_name("StageEnded"), x.rank, x.compute_ns, x.communication_ns, x.idle_ns,
           x.peak_bytes, x.peak_saved_activation_bytes, x.use);
}
template <class Inspector>
auto inspect(Inspector& f, Spans& x) {
  return f(caf::meta::type_name("Spans"), x.rank, x.spans);
}
template <class Inspector>
auto inspect(Inspector& f, ClockReading& x) {
  return f(caf::meta::type_name("ClockReading"), x.at_ns, x.ahead_ns);
}
template <class Inspector>
auto inspect(Inspector& f, ClockReadings& x) {
  return f(caf::meta::type_name("ClockReadings"), x.at_end, x.readings);
}
template <class Inspector>
auto inspect(Inspector& f, StageFailed& x) {
  return f(caf::meta::type_name("StageFailed"), x.rank, x.text, x.aborted);
}
template <class Inspector>
auto inspect(Inspector& f, RunFailed& x) {
  return f(caf::meta::type_name("RunFailed"), x.text);
}

/// Everything that an actor may receive, for the tests that look at each type.
template <class... Ts>
struct MessageList {};
using AllMessages = MessageList<TrainStep, Evaluate, Envelope, Credit, Ready, StepDone, ApplyUpdate,
                                EvaluationDone, WriteModel, ModelWritten, Finish, Spans,
                                ClockReadings, StageEnded, StageFailed, RunFailed>;

using TickAtom = caf::atom_constant<caf::atom("tick")>;
using ConnectAtom = caf::atom_constant<caf::atom("connect")>;
using JoinAtom = caf::atom_constant<caf::atom("join")>;

using FailureMonitor =
    caf::typed_actor<caf::reacts_to<StageFailed>, caf::reacts_to<RunFailed>,
                     caf::reacts_to<JoinAtom, caf::strong_actor_ptr>, caf::reacts_to<Finish>>;

using DriverActor = caf::typed_actor<
    caf::reacts_to<Ready>, caf::reacts_to<StepDone>, caf::reacts_to<EvaluationDone>,
    caf::reacts_to<ModelWritten>, caf::reacts_to<Spans>, caf::reacts_to<ClockReadings>,
    caf::reacts_to<StageEnded>, caf::reacts_to<RunFailed>, caf::reacts_to<TickAtom>,
    caf::reacts_to<ConnectAtom, std::vector<caf::strong_actor_ptr>>,
    caf::reacts_to<JoinAtom, std::int32_t, caf::strong_actor_ptr>>;

/// Connect carries the stage actors of the receiver's column of the mesh, by stage; to the driver,
/// all of them, by rank. Join carries the driver.
using StageActor =
    caf::typed_actor<caf::reacts_to<TrainStep>, caf::reacts_to<Evaluate>, caf::reacts_to<Envelope>,
                     caf::reacts_to<Credit>, caf::reacts_to<ApplyUpdate>,
                     caf::reacts_to<WriteModel>, caf::reacts_to<Finish>,
                     caf::reacts_to<ConnectAtom, std::vector<caf::strong_actor_ptr>>,
                     caf::reacts_to<JoinAtom, caf::strong_actor_ptr>>;

}  // namespace stagecraft

#include "stages/execute/executor.h"

#include "stages/execute/span_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/core/stream_span.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {
namespace {

// Functions that run for every transfer format error text only when throwing.

/// A named range in the vendor's profiler around what the host issues during its life.
class NamedRange {
 public:
  NamedRange(Stream& stream, const std::string& name) : stream_(stream) {
    stream_.begin_range(name);
  }
  ~NamedRange() { stream_.end_range(); }
  NamedRange(const NamedRange&) = delete;
  NamedRange& operator=(const NamedRange&) = delete;

 private:
  Stream& stream_;
};

/// A number that both ends of a transfer share and no other transfer has: the channel and the
/// position in it. It contains both stages, since a program in a V sends activations both ways.
std::uint64_t flow_of(const Edge& edge, int column, std::uint64_t sequence) {
  constexpr int kRankBits = 12;
  static_assert(kMaxRanks <= 1 << kRankBits);
  auto flow = static_cast<std::uint64_t>(column);
  flow = (flow << kRankBits) | static_cast<std::uint64_t>(edge.source);
  flow = (flow << kRankBits) | static_cast<std::uint64_t>(edge.destination);
  flow = (flow << 1) | static_cast<std::uint64_t>(edge.payload);
  return (flow << 27) | (sequence + 1);
}

}  // namespace

Executor::Executor(ExecutorParts parts, Channels channels)
    : parts_(parts), channels_(std::move(channels)) {}

void Executor::begin(const Pass& pass, const Program& program, const LossCounts& counts) {
  require(done(), "Executor::begin", "stage {} is still at {}", parts_.stage, current());
  const StageProgram& order = program.stages.at(static_cast<std::size_t>(parts_.stage));
  parts_.work.begin(pass, counts);
  pass_ = pass;
  parts_.progress.set_batch(traits(pass.kind).numbered ? pass.batch : -1);
  begin_ns_ = now_ns();
  position_ = 0;
  update_.reset();
  if (!order.empty()) {
    program_ = &program;
    pending_ = order.front();
    show_waiting();
  }
}

const StageProgram& Executor::order() const {
  return program_->stages[static_cast<std::size_t>(parts_.stage)];
}

void Executor::deliver(const Envelope& envelope) {
  const bool known = channels_.contains(envelope.edge) && envelope.edge.destination == parts_.stage;
  if (!known || envelope.generation != parts_.generation) [[unlikely]] {
    throw Error("Executor::deliver",
                fmt::format("stage {} has no channel {} of generation {}", parts_.stage,
                            to_string(envelope.edge), envelope.generation));
  }
  Incoming& in = incoming_[envelope.edge];
  if (envelope.sequence != in.delivered || in.waiting.size() >= kReceiveSlots) [[unlikely]] {
    throw Error(
        "Executor::deliver",
        fmt::format("stage {} got tensor {} of {} where tensor {} is due, with {} of {} slots "
                    "in use",
                    parts_.stage, envelope.sequence, to_string(envelope.edge), in.delivered,
                    in.waiting.size(), kReceiveSlots));
  }
  ++in.delivered;
  in.waiting.push_back(envelope);
}

void Executor::credit(const Edge& edge, std::uint64_t sequence) {
  Outgoing& out = outgoing_[edge];
  if (sequence != out.credited || sequence >= out.sent) [[unlikely]] {
    throw Error("Executor::credit",
                fmt::format("stage {} got a credit for tensor {} of {}, where {} is due and {} "
                            "were sent",
                            parts_.stage, sequence, to_string(edge), out.credited, out.sent));
  }
  channel(edge).credit(parts_.work.stream(), sequence);
  ++out.credited;
}

void Executor::decide(const Update& update) {
  require(awaits_update() && update.step == pass_.step, "Executor::decide",
          "stage {} is at {} of step {} and cannot apply the update of step {}", parts_.stage,
          done() ? "the end" : to_string(current()), pass_.step, update.step);
  update_ = update;
}

bool Executor::awaits_update() const {
  return !done() && pending_.front().op == Op::optimizer && !update_;
}

Instruction Executor::current() const { return done() ? Instruction{} : pending_.front(); }

std::string Executor::name_of(const Instruction& instruction) const {
  const bool read = parts_.spans.enabled() || parts_.work.stream().device().kind != DeviceKind::cpu;
  return read ? span_name(instruction, program_->stage_of_chunk.size() > program_->stages.size())
              : std::string();
}

Channel& Executor::channel(const Edge& edge) const {
  const auto found = channels_.find(edge);
  if (found == channels_.end()) [[unlikely]] {
    throw Error("Executor",
                fmt::format("stage {} has no channel {}", parts_.stage, to_string(edge)));
  }
  return *found->second;
}

bool Executor::can_fire(const Instruction& i) const {
  switch (traits(i.op).kind) {
    case OpKind::compute:
    case OpKind::reduction:
      return true;
    case OpKind::transfer:
      return channel_is_ready(i);
    case OpKind::optimizer:
      return update_.has_value();
  }
  return false;
}

bool Executor::channel_is_ready(const Instruction& i) const {
  const Edge edge = edge_of(i, program_->stage_of_chunk);
  if (is_send(i.op)) {
    const auto out = outgoing_.find(edge);
    return out == outgoing_.end() || out->second.sent - out->second.credited < kReceiveSlots;
  }
  const auto in = incoming_.find(edge);
  return in != incoming_.end() && !in->second.waiting.empty();
}

std::optional<std::size_t> Executor::next_member() const {
  for (std::size_t member = 0; member < pending_.size(); ++member) {
    if (can_fire(pending_[member])) {
      return member;
    }
  }
  return {};
}

bool Executor::ready() const { return !done() && next_member().has_value(); }

void Executor::step() {
  require(ready(), "Executor::step", "stage {} has no instruction that may fire", parts_.stage);
  const std::size_t member = next_member().value_or(0);
  const Instruction instruction = pending_[member];
  if (parts_.spans.enabled()) {
    parts_.spans.at(pass_.step, to_string(instruction));
  }
  note_wait(instruction);
  parts_.progress.set(Activity::running, pass_.step, instruction);
  const NamedRange range(parts_.work.stream(), name_of(instruction));
  fire(instruction);
  advance(member);
}

void Executor::fire(const Instruction& i) {
  if (is_send(i.op)) {
    fire_send(i);
    return;
  }
  if (is_transfer(i.op)) {
    fire_receive(i);
    return;
  }
  fire_compute(i);
}

/// Pending work of the device may wait for other ranks' devices, so a rank that hangs here is shown
/// as communicating: it is not the root cause.
void Executor::await(Stream& stream, const Event& event) {
  if (event.native != nullptr) {
    parts_.progress.set(Activity::communicating);
    stream.synchronize(event);
    parts_.progress.set(Activity::running);
  }
}

void Executor::fire_compute(const Instruction& i) {
  Stream& stream = parts_.work.stream();
  Event& done = issued_.at(oldest_issued_);
  oldest_issued_ = (oldest_issued_ + 1) % kAhead;
  await(stream, done);
  StreamSpan span(parts_.spans, stream);
  if (i.op == Op::optimizer) {
    parts_.work.update(*update_);
  } else {
    parts_.work.run(i);
  }
  span.end(traits(i.op).lane, name_of(i));
  stream.record(done);
}

void Executor::fire_send(const Instruction& i) {
  StreamSpan span(parts_.spans, parts_.work.stream());
  const Edge edge = edge_of(i, program_->stage_of_chunk);
  Outgoing& out = outgoing_[edge];
  const Tensor x = parts_.work.take_output(i);
  channel(edge).send(parts_.work.stream(), out.sent, x);
  const Envelope envelope{.generation = parts_.generation,
                          .edge = edge,
                          .sequence = out.sent,
                          .pass = pass_,
                          .chunk = other_end(i).chunk,
                          .microbatch = i.microbatch,
                          .shape = x.shape(),
                          .dtype = x.dtype()};
  span.end(Lane::send, name_of(i), flow_of(edge, parts_.column, out.sent));
  ++out.sent;
  parts_.port.send_envelope(envelope);
}

void Executor::check(const Envelope& envelope, const Instruction& receive) const {
  if (envelope.pass != pass_ || envelope.chunk != receive.chunk ||
      envelope.microbatch != receive.microbatch) [[unlikely]] {
    throw Error("Executor",
                fmt::format("stage {} is at {} of step {}, but {} delivered chunk {}, micro-batch "
                            "{} of step {}",
                            parts_.stage, to_string(receive), pass_.step, to_string(envelope.edge),
                            envelope.chunk, envelope.microbatch, envelope.pass.step));
  }
}

void Executor::fire_receive(const Instruction& i) {
  StreamSpan span(parts_.spans, parts_.work.stream());
  const Edge edge = edge_of(i, program_->stage_of_chunk);
  auto& queue = incoming_.at(edge).waiting;
  const Envelope envelope = queue.front();
  check(envelope, i);
  queue.pop_front();
  parts_.work.put_input(i, channel(edge).receive(parts_.work.stream(), envelope));
  span.end(Lane::receive, name_of(i), flow_of(edge, parts_.column, envelope.sequence));
  parts_.port.send_credit(edge, envelope.sequence);
}

void Executor::advance(std::size_t member) {
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(member));
  if (pending_.empty() && ++position_ < order().size()) {
    pending_ = order()[position_];
  }
  if (pending_.empty()) {
    program_ = nullptr;
    parts_.spans.at(pass_.step, "");
    const PassTraits& kind = traits(pass_.kind);
    parts_.spans.add(Lane::schedule, begin_ns_, now_ns(),
                     fmt::format("{} {}", kind.name, kind.numbered ? pass_.batch : pass_.step));
    parts_.progress.set(Activity::idle, pass_.step, {});
    return;
  }
  show_waiting();
}

void Executor::show_waiting() {
  if (!next_member()) {
    waiting_since_ns_ = now_ns();
    parts_.progress.set(Activity::waiting, pass_.step, pending_.front());
  }
}

void Executor::note_wait(const Instruction& instruction) {
  if (waiting_since_ns_ != 0) {
    parts_.spans.add(
        Lane::schedule, std::exchange(waiting_since_ns_, 0), now_ns(),
        parts_.spans.enabled() ? fmt::format("wait for {}", name_of(instruction)) : "");
  }
}

}  // namespace stagecraft

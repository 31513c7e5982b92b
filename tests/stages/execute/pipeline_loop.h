// Executors without actors: a loop delivers what they send, in a random order.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "kernels/backends/make_stream.h"
#include "stages/channels/local_channel.h"
#include "stages/channels/pass.h"
#include "stages/execute/executor.h"
#include "stages/program/edge.h"
#include "tests/stages/execute/held_state.h"

namespace stagecraft::test {

/// Stage work that computes nothing and notes its calls. It sends tensors of one number that
/// identifies them: chunk * 1000 + micro-batch.
class NotingWork : public StageWork {
 public:
  NotingWork() : stream_(make_stream({}, {})) {}
  Stream& stream() override { return *stream_; }
  void begin(const Pass& pass, const LossCounts& /*counts*/) override { passes.push_back(pass); }
  void run(const Instruction& i) override { done.push_back(i); }
  Tensor take_output(const Instruction& send) override {
    Tensor x(stream_->memory(), {1}, DType::float32, MemoryLabel::workspace);
    *x.data<float>() = static_cast<float>(send.chunk * 1000 + send.microbatch);
    return x;
  }
  void put_input(const Instruction& receive, Tensor x) override {
    const int from = receive.op == Op::receive_activation ? receive.chunk - 1 : receive.chunk + 1;
    wrong += *x.data<float>() == static_cast<float>(from * 1000 + receive.microbatch) ? 0 : 1;
    done.push_back(receive);
  }
  bool await_reductions() override { return false; }
  PassResults results() override { return {}; }
  void update(const Update&) override { done.push_back({.op = Op::optimizer}); }
  void load(StateKind kind, const StateReader& reader) override { state.load(kind, reader); }
  const std::vector<StatePiece>& pieces() const override { return state.pieces(); }
  void save(StateKind kind, StateWriter& writer) override { state.save(kind, writer); }
  std::unique_ptr<StateSnapshot> snapshot() override { return state.snapshot(); }
  void start_hashing() override { state.start_hashing(); }
  std::vector<StateHash> hashes() override { return state.hashes(); }

  std::vector<Pass> passes;
  std::vector<Instruction> done;
  int wrong = 0;
  HeldState state;

 private:
  std::unique_ptr<Stream> stream_;
};

/// The source end and the destination end of a channel.
using ChannelEnds = std::pair<std::shared_ptr<Channel>, std::shared_ptr<Channel>>;
using MakeChannel = std::function<ChannelEnds(Stream& receiver)>;

inline ChannelEnds local_channel(Stream& receiver) {
  const std::shared_ptr<Channel> channel = make_local_channel(receiver.memory().account());
  return {channel, channel};
}

/// One executor per stage, with channels between all pairs of stages.
class PipelineLoop {
 public:
  explicit PipelineLoop(int stages, unsigned seed = 1, MakeChannel make_channel = local_channel)
      : random_(seed), spans_(64), ports_(64), make_channel_(std::move(make_channel)) {
    for (SpanRecorder& recorder : spans_) {
      recorder.enable(true);
    }
    for (int stage = 0; stage < stages; ++stage) {
      works.push_back(std::make_unique<NotingWork>());
      slots_.push_back(std::make_unique<ProgressSlot>());
    }
    std::vector<Channels> channels(static_cast<std::size_t>(stages));
    for (int stage = 0; stage < stages; ++stage) {
      for (int other = 0; other < stages; ++other) {
        if (other != stage) {
          join(channels, {stage, other, Payload::activation});
          join(channels, {stage, other, Payload::gradient});
        }
      }
    }
    for (std::size_t stage = 0; stage < channels.size(); ++stage) {
      ports_[stage].inside.loop = this;
      executors.push_back(std::make_unique<Executor>(ExecutorParts{.stage = static_cast<int>(stage),
                                                                   .work = *works[stage],
                                                                   .port = ports_[stage],
                                                                   .progress = *slots_[stage],
                                                                   .spans = spans_[stage]},
                                                     channels[stage]));
    }
  }

  /// From now on, executors send through the ports that `wrap` makes of theirs.
  void wrap_ports(const std::function<std::unique_ptr<ExecutorPort>(ExecutorPort& port)>& wrap) {
    for (Port& port : ports_) {
      port.outside = wrap(port.inside);
    }
  }
  const ProgressSlot& progress(int stage) const {
    return *slots_.at(static_cast<std::size_t>(stage));
  }

  /// The stage's spans since the last call.
  std::vector<Span> spans(int stage) { return spans_.at(static_cast<std::size_t>(stage)).take(); }

  /// Runs to the end; false if no stage can proceed before it.
  bool run(const Pass& pass, const Program& program) {
    for (auto& executor : executors) {
      executor->begin(pass, program);
    }
    while (true) {
      std::vector<std::function<void()>> moves = possible_moves();
      if (moves.empty()) {
        break;
      }
      moves[random_() % moves.size()]();
    }
    return std::all_of(executors.begin(), executors.end(), [](auto& e) { return e->done(); });
  }

  std::vector<std::unique_ptr<NotingWork>> works;
  std::vector<std::unique_ptr<Executor>> executors;

 private:
  struct Mail : ExecutorPort {
    PipelineLoop* loop = nullptr;
    void send_envelope(const Envelope& envelope) override {
      loop->mail_[{envelope.edge, true}].push_back([this, envelope] {
        loop->executors[static_cast<std::size_t>(envelope.edge.destination)]->deliver(envelope);
      });
    }
    void send_credit(const Edge& edge, std::uint64_t sequence) override {
      loop->mail_[{edge, false}].push_back([this, edge, sequence] {
        loop->executors[static_cast<std::size_t>(edge.source)]->credit(edge, sequence);
      });
    }
  };

  /// An executor's port: the mail, or what a test put in front of it.
  struct Port : ExecutorPort {
    Mail inside;
    std::unique_ptr<ExecutorPort> outside;
    ExecutorPort& port() { return outside ? *outside : inside; }
    void send_envelope(const Envelope& envelope) override { port().send_envelope(envelope); }
    void send_credit(const Edge& edge, std::uint64_t sequence) override {
      port().send_credit(edge, sequence);
    }
  };

  void join(std::vector<Channels>& channels, const Edge& edge) {
    const auto receiver = static_cast<std::size_t>(edge.destination);
    auto [source, destination] = make_channel_(works[receiver]->stream());
    channels[receiver][edge] = std::move(destination);
    channels[static_cast<std::size_t>(edge.source)][edge] = std::move(source);
  }

  /// Deliveries keep the order of their channel, as a mailbox does; between channels any order is
  /// possible.
  std::vector<std::function<void()>> possible_moves() {
    std::vector<std::function<void()>> moves;
    for (auto& [key, queue] : mail_) {
      if (!queue.empty()) {
        moves.emplace_back([&queue = queue] {
          const auto first = std::move(queue.front());
          queue.pop_front();
          first();
        });
      }
    }
    for (auto& executor : executors) {
      if (executor->ready()) {
        moves.emplace_back([&executor] { executor->step(); });
      } else if (executor->awaits_update()) {
        moves.emplace_back(
            [&executor] { executor->decide({.step = executor->pass().step, .learning_rate = 0}); });
      }
    }
    return moves;
  }

  std::mt19937 random_;
  std::vector<SpanRecorder> spans_;
  std::vector<Port> ports_;
  MakeChannel make_channel_;
  std::vector<std::unique_ptr<ProgressSlot>> slots_;
  std::map<std::pair<Edge, bool>, std::deque<std::function<void()>>> mail_;
};

}  // namespace stagecraft::test

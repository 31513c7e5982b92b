#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "stages/channels/local_channel.h"
#include "stages/channels/pass.h"
#include "stages/channels/window_channel.h"
#include "stages/program/edge.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "tests/stages/execute/pipeline_loop.h"
#include "tests/stages/schedules/every_schedule.h"

namespace stagecraft {
namespace {

using test::ChannelEnds;
using test::PipelineLoop;

ChannelEnds window_channel(Stream& receiver) {
  SharedWindow window = make_channel_window(64);
  const std::shared_ptr<Channel> source = make_window_source(SharedWindow::open(window.key()));
  return {source, make_window_destination(std::move(window), receiver.memory().account())};
}

TEST_CASE("every stage runs its program in order, whatever arrives first") {
  for (const int p : {1, 2, 4}) {
    for (const test::NamedProgram& each : test::every_schedule(p, 8)) {
      const Program program = with_reductions(with_transfers(each.program), {.tied = true});
      INFO(each.name << ", " << each.shape.chunks << " chunks, " << p << " stages");
      for (unsigned seed = 0; seed < 20; ++seed) {
        PipelineLoop loop(p, seed);
        REQUIRE(loop.run({PassKind::train, 1, 0}, program));
        REQUIRE(loop.run({PassKind::train, 2, 0}, program));
        for (int stage = 0; stage < p; ++stage) {
          const auto& work = *loop.works[static_cast<std::size_t>(stage)];
          CHECK(work.wrong == 0);
          auto done = work.done.begin();  // the members of a group may fire in any order
          for (int step = 0; step < 2; ++step) {
            for (TransferGroup group : program.stages[static_cast<std::size_t>(stage)]) {
              std::erase_if(group, [](const Instruction& i) { return is_send(i.op); });
              REQUIRE(work.done.end() - done >= static_cast<std::ptrdiff_t>(group.size()));
              CHECK(std::is_permutation(group.begin(), group.end(), done));
              done += static_cast<std::ptrdiff_t>(group.size());
            }
          }
          CHECK(done == work.done.end());
        }
      }
    }
  }
}

TEST_CASE("executors also run over channels with two ends") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    PipelineLoop loop(4, seed, window_channel);
    const Program program =
        with_reductions(with_transfers(build_schedule("1f1b", {4, 6})), {.tied = true});
    REQUIRE(loop.run({PassKind::train, 1, 0}, program));
    CHECK(loop.works[1]->wrong + loop.works[2]->wrong == 0);
  }
}

TEST_CASE("a flow joins one send to its receive, for any placement of the chunks") {
  for (const test::NamedProgram& each : test::every_schedule(3, 6)) {
    INFO(each.name << ", " << each.shape.chunks << " chunks");
    PipelineLoop loop(3);
    REQUIRE(loop.run({PassKind::train, 1, 0}, with_transfers(each.program)));
    std::vector<std::uint64_t> sent;
    std::vector<std::uint64_t> received;
    for (const int stage : {0, 1, 2}) {
      for (const Span& span : loop.spans(stage)) {
        if (span.lane == Lane::send || span.lane == Lane::receive) {
          (span.lane == Lane::send ? sent : received).push_back(span.flow);
        }
      }
    }
    std::sort(sent.begin(), sent.end());
    std::sort(received.begin(), received.end());
    CHECK(sent == received);
    CHECK(std::adjacent_find(sent.begin(), sent.end()) == sent.end());
  }
}

TEST_CASE("an evaluation runs over the same channels") {
  PipelineLoop loop(3);
  const Program program = with_transfers(forwards_of(one_f_one_b({3, 4})));
  for (const std::int64_t batch : {0, 1, 2}) {
    REQUIRE(loop.run({PassKind::evaluate, 5, batch}, program));
  }
  CHECK(loop.works[2]->done.size() == 3 * 4 * 2);
}

/// Imitates a device's stream: events are reached late. Notes what the board shows while the host
/// waits for one.
class LateStream : public Stream {
 public:
  explicit LateStream(const ProgressSlot& slot) : inner_(make_stream({}, {})), slot_(slot) {}
  Device device() const override { return inner_->device(); }
  MemoryResource& memory() override { return inner_->memory(); }
  const OpTable& ops() const override { return inner_->ops(); }
  void record(Event& event) override { event.native = std::make_shared<int>(); }
  void wait(const Event& /*event*/) override {}
  void synchronize() override {}
  void synchronize(const Event& /*event*/) override { shown.push_back(slot_.view().activity); }
  TimeMark mark_time() override { return inner_->mark_time(); }
  std::int64_t time_of(const TimeMark& mark) override { return inner_->time_of(mark); }
  StreamUse use() const override { return {}; }
  void begin_range(const std::string& /*name*/) override {}
  void end_range() override {}

  std::vector<Activity> shown;

 private:
  std::unique_ptr<Stream> inner_;
  const ProgressSlot& slot_;
};

struct LateWork : test::NotingWork {
  explicit LateWork(const ProgressSlot& slot) : late(slot) {}
  Stream& stream() override { return late; }
  LateStream late;
};

/// Parts for an executor that a test drives by hand; keeps the envelopes that it sends.
struct ByHand : ExecutorPort {
  void send_envelope(const Envelope& envelope) override { envelopes.push_back(envelope); }
  void send_credit(const Edge&, std::uint64_t) override {}
  Executor make(int stage, const Channels& channels) {
    return Executor({.stage = stage, .work = work, .port = *this, .progress = slot, .spans = spans},
                    channels);
  }
  test::NotingWork work;
  ProgressSlot slot;
  SpanRecorder spans;
  std::vector<Envelope> envelopes;
};

TEST_CASE("a sender stops when the receiver's slots are full, and says what it waits for") {
  ByHand source;
  ByHand destination;
  const Edge edge{0, 1, Payload::activation};
  const Channels channels{{edge, make_local_channel(destination.work.stream().memory().account())}};
  Executor executor = source.make(0, channels);
  const Program program = with_transfers(forwards_of(one_f_one_b({2, 4})));
  executor.begin({PassKind::evaluate, 1, 0}, program);
  while (executor.ready()) {
    executor.step();
  }
  CHECK(source.envelopes.size() == kReceiveSlots);
  CHECK(executor.current() == Instruction{Op::send_activation, 0, 2});
  CHECK(awaited(executor.current(), program.stage_of_chunk) == "a free slot at stage 1");
  CHECK(source.slot.view().activity == Activity::waiting);
  const std::int64_t slot_bytes = 4;
  const MemoryAccount& account = *destination.work.stream().memory().account();
  CHECK(account.count(MemoryLabel::transfer_slots).current == kReceiveSlots * slot_bytes);

  Executor receiver = destination.make(1, channels);
  receiver.begin({PassKind::evaluate, 1, 0}, program);
  CHECK(awaited(receiver.current(), program.stage_of_chunk) ==
        "the activation of micro-batch 0 from stage 0");
  receiver.deliver(source.envelopes[0]);
  receiver.step();
  executor.credit(edge, 0);
  CHECK(executor.ready());
  CHECK(account.count(MemoryLabel::transfer_slots).current == slot_bytes);
}

TEST_CASE("a host that is far ahead of its device waits, and shows as communicating") {
  ByHand hand;
  LateWork work(hand.slot);
  Executor executor(
      {.stage = 0, .work = work, .port = hand, .progress = hand.slot, .spans = hand.spans}, {});
  const Program program = build_schedule("gpipe", {1, 4});
  executor.begin({PassKind::train, 1, 0}, program);
  for (; executor.ready(); executor.step()) {
    CHECK_FALSE(hand.slot.view().activity == Activity::communicating);
  }
  REQUIRE(work.done.size() == 8);
  CHECK(work.late.shown == std::vector<Activity>(8 - kAhead, Activity::communicating));
}

TEST_CASE("an envelope or credit that does not match is an error") {
  using Catch::Matchers::Contains;
  ByHand destination;
  const Edge edge{0, 1, Payload::activation};
  const auto channel =
      std::shared_ptr<Channel>(make_local_channel(destination.work.stream().memory().account()));
  Executor executor = destination.make(1, {{edge, channel}});
  const Program program = with_transfers(forwards_of(one_f_one_b({2, 4})));
  executor.begin({PassKind::evaluate, 3, 0}, program);
  Envelope envelope{.edge = edge, .pass = {PassKind::evaluate, 3, 0}, .chunk = 1, .shape = {1}};
  test::NotingWork sender;
  channel->send(sender.stream(), 0, sender.take_output({Op::send_activation, 0, 0}));

  SECTION("of another run") {
    envelope.generation = 7;
    CHECK_THROWS_WITH(executor.deliver(envelope), Contains("generation 7"));
  }
  SECTION("of another channel") {
    envelope.edge.source = 2;
    CHECK_THROWS_WITH(executor.deliver(envelope), Contains("no channel act 2>1"));
  }
  SECTION("twice") {
    executor.deliver(envelope);
    CHECK_THROWS_WITH(executor.deliver(envelope),
                      Contains("tensor 0") && Contains("tensor 1 is due"));
  }
  SECTION("one skipped") {
    envelope.sequence = 1;
    CHECK_THROWS_WITH(executor.deliver(envelope), Contains("tensor 0 is due"));
  }
  SECTION("another micro-batch") {
    envelope.microbatch = 2;
    executor.deliver(envelope);
    CHECK_THROWS_WITH(executor.step(), Contains("1RA0") && Contains("micro-batch 2"));
  }
  SECTION("another step") {
    envelope.pass.step = 2;
    executor.deliver(envelope);
    CHECK_THROWS_WITH(executor.step(), Contains("of step 2"));
  }
  SECTION("another shape") {
    envelope.shape = {2};
    executor.deliver(envelope);
    CHECK_THROWS_WITH(executor.step(), Contains("does not match its envelope"));
  }
  SECTION("a credit that is not due") {
    CHECK_THROWS_WITH(executor.credit(edge, 0), Contains("where 0 is due and 0 were sent"));
  }
}

}  // namespace
}  // namespace stagecraft

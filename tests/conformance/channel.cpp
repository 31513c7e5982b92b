// What every channel promises: its sender's order, slots that are credits, the bytes as they were
// sent, nothing of the receiver's that the source could still change, and an end that neither waits
// nor keeps memory when its peer is gone.
#include "tests/conformance/channel.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <numeric>
#include <thread>

#include "kernels/ops/host_copy.h"
#include "tests/conformance/watchdog.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::channel_factories;
using test::ChannelFactory;
using test::ChannelPair;

constexpr std::int64_t kCapacity = 400;
const Edge kEdge{0, 1, Payload::activation};

Tensor numbers(Stream& stream, const Shape& shape, float first) {
  Tensor x(stream.memory(), shape, DType::float32, MemoryLabel::workspace);
  std::vector<float> values(static_cast<std::size_t>(x.elements()));
  std::iota(values.begin(), values.end(), first);
  copy_from_host(stream, std::span<const float>(values), x);
  return x;
}

Envelope envelope_of(std::uint64_t sequence, const Tensor& x) {
  return {.edge = kEdge, .sequence = sequence, .shape = x.shape(), .dtype = x.dtype()};
}

std::vector<std::byte> bytes_of(Stream& stream, const Tensor& x) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(x.bytes()));
  copy_to_host(stream, {x, bytes});
  return bytes;
}

/// What was received is what was sent.
bool equal(ChannelPair& pair, const Tensor& got, const Tensor& sent) {
  return got.shape() == sent.shape() && got.dtype() == sent.dtype() &&
         bytes_of(*pair.destination_stream, got) == bytes_of(*pair.source_stream, sent);
}

void send(ChannelPair& pair, std::uint64_t sequence, const Tensor& x) {
  pair.source->send(*pair.source_stream, sequence, x);
}

Tensor receive(ChannelPair& pair, const Envelope& envelope) {
  return pair.destination->receive(*pair.destination_stream, envelope);
}

void credit(ChannelPair& pair, std::uint64_t sequence) {
  pair.source->credit(*pair.source_stream, sequence);
}

/// What the ends say to each other beside the channel.
class Mailbox {
 public:
  void put(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    letters_.push_back(sequence);
    changed_.notify_all();
  }
  std::uint64_t take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !letters_.empty(); });
    const std::uint64_t first = letters_.front();
    letters_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::uint64_t> letters_;
};

TEST_CASE("tensors of every size, shape and type arrive as they were sent") {
  constexpr std::int64_t kMost = 16 << 20;
  for (const ChannelFactory& factory : channel_factories()) {
    for (const Shape& shape :
         {Shape{0}, Shape{}, Shape{1}, Shape{17, 59}, Shape{2, 1, 3, 1, 5}, Shape{4, 1024, 4096}}) {
      INFO(factory.name << ", " << to_string(shape));
      REQUIRE(elements_of(shape) <= kMost);
      ChannelPair pair = factory.make(elements_of(shape) * 4);
      const Tensor sent = numbers(*pair.source_stream, shape, 0.5F);
      send(pair, 0, sent);
      const Tensor got = receive(pair, envelope_of(0, sent));
      CHECK(equal(pair, got, sent));
      CHECK((sent.elements() == 0 || got.raw() != sent.raw()));
    }
    ChannelPair pair = factory.make(kCapacity);
    const Tensor halves(pair.source_stream->memory(), {3, 5}, DType::bfloat16,
                        MemoryLabel::workspace);
    const std::vector<std::byte> ones(static_cast<std::size_t>(halves.bytes()), std::byte{0x3f});
    copy_from_host(*pair.source_stream, {ones, halves});
    send(pair, 0, halves);
    CHECK(equal(pair, receive(pair, envelope_of(0, halves)), halves));
  }
}

TEST_CASE("a channel keeps its order over many credits and many sizes") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    std::vector<Tensor> sent;
    constexpr std::uint64_t kTensors = 50;
    for (std::uint64_t next = 0; next < kTensors; ++next) {
      for (; sent.size() < kTensors && sent.size() < next + kReceiveSlots;) {
        const std::uint64_t sequence = sent.size();
        const auto count = static_cast<std::int64_t>(sequence * 37 % 101);
        sent.push_back(numbers(*pair.source_stream, {count}, static_cast<float>(sequence)));
        send(pair, sequence, sent.back());
      }
      CHECK(equal(pair, receive(pair, envelope_of(next, sent[next])), sent[next]));
      credit(pair, next);
    }
  }
}

TEST_CASE("two threads stream through a channel") {
  constexpr std::uint64_t kTensors = 2000;
  for (const ChannelFactory& factory : channel_factories()) {
    const test::Watchdog watchdog("a stream through " + factory.name, std::chrono::seconds(60));
    ChannelPair pair = factory.make(kCapacity);
    Mailbox envelopes;
    Mailbox credits;
    std::thread source([&] {
      for (std::uint64_t sequence = 0; sequence < kTensors; ++sequence) {
        if (sequence >= kReceiveSlots) {
          credit(pair, credits.take());
        }
        send(pair, sequence, numbers(*pair.source_stream, {100}, static_cast<float>(sequence)));
        envelopes.put(sequence);
      }
    });
    int wrong = 0;
    for (std::uint64_t next = 0; next < kTensors; ++next) {
      const std::uint64_t sequence = envelopes.take();
      const Tensor got = receive(pair, {.edge = kEdge, .sequence = sequence, .shape = {100}});
      std::vector<float> values(100);
      copy_to_host(*pair.destination_stream, got, std::span<float>(values));
      const float first = static_cast<float>(next);
      wrong += values.front() == first && values.back() == first + 99 ? 0 : 1;
      credits.put(sequence);
    }
    source.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("a slot that was not credited cannot be taken again") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    Stream& stream = *pair.source_stream;
    for (std::uint64_t sequence = 0; sequence < kReceiveSlots; ++sequence) {
      send(pair, sequence, numbers(stream, {3}, 0));
    }
    CHECK_THROWS_WITH(send(pair, kReceiveSlots, numbers(stream, {3}, 0)),
                      Contains("tensor 2 was sent without a credit"));
    CHECK_THROWS_WITH(credit(pair, kReceiveSlots), Contains("tensor 2 is credited"));
  }
}

TEST_CASE("a tensor that no slot can take is an error with the numbers, and changes nothing") {
  for (const ChannelFactory& factory : channel_factories()) {
    if (!factory.slots_for_life) {
      continue;
    }
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    const Tensor large = numbers(*pair.source_stream, {101}, 0);
    CHECK_THROWS_WITH(send(pair, 0, large),
                      Contains("[101]") && Contains("404") && Contains("400"));
    const Tensor fits = numbers(*pair.source_stream, {100}, 0);
    send(pair, 0, fits);
    CHECK(equal(pair, receive(pair, envelope_of(0, fits)), fits));
  }
}

TEST_CASE("an envelope that says something else is an error") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    const Tensor sent = numbers(*pair.source_stream, {6}, 0);
    send(pair, 0, sent);
    if (factory.sees_mismatch) {
      Envelope wrong = envelope_of(0, sent);
      wrong.shape = sent.view({2, 3}).shape();
      CHECK_THROWS_WITH(receive(pair, wrong),
                        Contains("act 0>1 0") && Contains("does not hold what its envelope says"));
      wrong = envelope_of(0, sent);
      wrong.dtype = DType::int32;
      CHECK_THROWS_AS(receive(pair, wrong), Error);
    }
    CHECK_THROWS_AS(receive(pair, envelope_of(kReceiveSlots, sent)), Error);
    CHECK(equal(pair, receive(pair, envelope_of(0, sent)), sent));
  }
}

TEST_CASE("an envelope of what was never sent is an error, or waits for the world's abort") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    const test::Watchdog watchdog("a receive over " + factory.name, std::chrono::seconds(60));
    ChannelPair pair = factory.make(kCapacity);
    const Envelope envelope{.edge = kEdge, .sequence = 0, .shape = {6}};
    pair.source.reset();
    if (!pair.abort) {
      CHECK_THROWS_AS(receive(pair, envelope), Error);
      continue;
    }
    std::thread aborter(pair.abort);
    CHECK_THROWS_AS(receive(pair, envelope), AbortedError);
    aborter.join();
    pair.destination.reset();
    CHECK(pair.account().total().current == 0);
  }
}

TEST_CASE("the receiver pays for its slots") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    const std::int64_t at_rest = pair.slots_charged();
    CHECK((factory.slots_for_life ? at_rest >= kReceiveSlots * kCapacity : at_rest == 0));
    {
      const Tensor sent = numbers(*pair.source_stream, {100}, 0);
      send(pair, 0, sent);
      CHECK(pair.slots_charged() == (factory.slots_for_life ? at_rest : kCapacity));
      receive(pair, envelope_of(0, sent));
    }
    credit(pair, 0);
    CHECK(pair.slots_charged() == at_rest);
    const std::int64_t kept = pair.source_stream->memory().account()->total().current;
    CHECK(kept == (factory.keeps_until_reuse ? kCapacity : 0));
    pair.source.reset();
    pair.destination.reset();
    CHECK(pair.source_stream->memory().account()->total().current == 0);
    CHECK(pair.account().total().current == 0);
  }
}

TEST_CASE("what an abandoned source had sent can still be received") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    const Tensor sent = numbers(*pair.source_stream, {100}, 3);
    send(pair, 0, numbers(*pair.source_stream, {100}, 3));
    pair.source.reset();
    CHECK(equal(pair, receive(pair, envelope_of(0, sent)), sent));
    pair.destination.reset();
    CHECK(pair.account().total().current == 0);
    CHECK(pair.source_stream->memory().account()->total().current == sent.bytes());
  }
}

TEST_CASE("a source whose destination is gone fills the slots and no more, and leaves nothing") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    pair.destination.reset();
    for (std::uint64_t sequence = 0; sequence < kReceiveSlots; ++sequence) {
      send(pair, sequence, numbers(*pair.source_stream, {100}, 0));
    }
    CHECK_THROWS_AS(send(pair, kReceiveSlots, numbers(*pair.source_stream, {1}, 0)), Error);
    pair.source.reset();
    pair.between.reset();
    pair.abort = {};
    CHECK(pair.account().total().current == 0);
    CHECK(pair.source_stream->memory().account()->total().current == 0);
  }
}

TEST_CASE("what was received stays as it is when its slot is filled again") {
  for (const ChannelFactory& factory : channel_factories()) {
    INFO(factory.name);
    ChannelPair pair = factory.make(kCapacity);
    const Tensor first = numbers(*pair.source_stream, {100}, 0);
    send(pair, 0, first);
    const Tensor got = receive(pair, envelope_of(0, first));
    credit(pair, 0);
    send(pair, 1, numbers(*pair.source_stream, {100}, 500));
    send(pair, 2, numbers(*pair.source_stream, {100}, 700));
    CHECK(equal(pair, got, first));
  }
}

}  // namespace
}  // namespace stagecraft

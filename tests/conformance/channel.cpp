// What every channel promises: its sender's order, slots that are credits, the bytes as they were
// sent, and nothing of the receiver's that the source could still change.
#include "tests/conformance/channel.h"

#include <catch2/catch.hpp>
#include <numeric>

namespace stagecraft {
namespace {

using test::channel_factories;
using test::ChannelFactory;
using test::ChannelPair;

Tensor numbers(Stream& stream, std::int64_t count, float first) {
  Tensor x(stream.memory(), {count}, DType::float32, MemoryLabel::workspace);
  std::iota(x.data<float>(), x.data<float>() + count, first);
  return x;
}

Envelope envelope_of(const Edge& edge, std::uint64_t sequence, const Tensor& x) {
  return {.edge = edge, .sequence = sequence, .shape = x.shape(), .dtype = x.dtype()};
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::equal(a.data<float>(), a.data<float>() + a.elements(), b.data<float>());
}

const Edge kEdge{0, 1, Payload::activation};

TEST_CASE("tensors of every size arrive as they were sent") {
  for (const ChannelFactory& factory : channel_factories()) {
    for (const std::int64_t count : {0, 1, 1003, 16 << 20}) {
      INFO(factory.name << ", " << count << " numbers");
      ChannelPair pair = factory.make();
      const Tensor sent = numbers(*pair.source_stream, count, 0.5F);
      pair.source->send(*pair.source_stream, 0, sent);
      const Tensor got =
          pair.destination->receive(*pair.destination_stream, envelope_of(kEdge, 0, sent));
      CHECK(equal(got, sent));
      CHECK((count == 0 || got.raw() != sent.raw()));
    }
  }
}

TEST_CASE("a channel keeps its order over many credits") {
  for (const ChannelFactory& factory : channel_factories()) {
    ChannelPair pair = factory.make();
    std::vector<Tensor> sent;
    constexpr std::uint64_t kTensors = 50;
    for (std::uint64_t next = 0; next < kTensors; ++next) {
      for (; sent.size() < kTensors && sent.size() < next + kReceiveSlots;) {
        const std::uint64_t sequence = sent.size();
        sent.push_back(numbers(*pair.source_stream, 7, static_cast<float>(sequence)));
        pair.source->send(*pair.source_stream, sequence, sent.back());
      }
      const Tensor got =
          pair.destination->receive(*pair.destination_stream, envelope_of(kEdge, next, sent[next]));
      CHECK(equal(got, sent[next]));
      pair.source->credit(*pair.source_stream, next);
    }
  }
}

TEST_CASE("a slot that was not credited cannot be taken again") {
  for (const ChannelFactory& factory : channel_factories()) {
    ChannelPair pair = factory.make();
    Stream& stream = *pair.source_stream;
    for (std::uint64_t sequence = 0; sequence < kReceiveSlots; ++sequence) {
      pair.source->send(stream, sequence, numbers(stream, 3, 0));
    }
    CHECK_THROWS_AS(pair.source->send(stream, kReceiveSlots, numbers(stream, 3, 0)), Error);
    CHECK_THROWS_AS(pair.source->credit(stream, kReceiveSlots), Error);
  }
}

TEST_CASE("an envelope that says something else is an error") {
  for (const ChannelFactory& factory : channel_factories()) {
    ChannelPair pair = factory.make();
    const Tensor sent = numbers(*pair.source_stream, 6, 0);
    pair.source->send(*pair.source_stream, 0, sent);
    Envelope wrong = envelope_of(kEdge, 0, sent);
    wrong.shape = sent.view({2, 3}).shape();
    CHECK_THROWS_AS(pair.destination->receive(*pair.destination_stream, wrong), Error);
    wrong = envelope_of(kEdge, 1, sent);
    CHECK_THROWS_AS(pair.destination->receive(*pair.destination_stream, wrong), Error);
  }
}

TEST_CASE("what lies in a slot is the receiver's to pay for, until the credit") {
  for (const ChannelFactory& factory : channel_factories()) {
    ChannelPair pair = factory.make();
    const auto slots = [&] {
      return pair.destination_stream->memory()
          .account()
          ->count(MemoryLabel::transfer_slots)
          .current;
    };
    {
      const Tensor sent = numbers(*pair.source_stream, 100, 0);
      pair.source->send(*pair.source_stream, 0, sent);
      CHECK(slots() == 400);
      pair.destination->receive(*pair.destination_stream, envelope_of(kEdge, 0, sent));
    }
    pair.source->credit(*pair.source_stream, 0);
    CHECK(slots() == 0);
    CHECK(pair.source_stream->memory().account()->total().current == 0);
  }
}

TEST_CASE("an abandoned channel gives its memory back") {
  for (const ChannelFactory& factory : channel_factories()) {
    ChannelPair pair = factory.make();
    const auto account = pair.destination_stream->memory().account();
    pair.source->send(*pair.source_stream, 0, numbers(*pair.source_stream, 100, 0));
    pair.source.reset();
    pair.destination.reset();
    CHECK(account->total().current == 0);
  }
}

}  // namespace
}  // namespace stagecraft

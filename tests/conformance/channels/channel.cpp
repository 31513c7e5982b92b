// The contract of every channel. Tensors keep the source's order and arrive unchanged. A slot needs
// a credit before it is reused. The source cannot change a tensor after it was received. An end
// whose peer is gone neither waits nor keeps memory.
#include "tests/conformance/channels/channel.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <numeric>

#include "kernels/ops/host_copy.h"
#include "stages/program/edge.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kCapacity = 400;
const Edge kEdge{0, 1, Payload::activation};

/// Runs the test case once with each factory.
ChannelFactory any_channel() { return GENERATE(from_range(channel_factories())); }

/// The tensor that the source sends; the destination computes the same one to compare.
Tensor numbers(Stream& stream, const Shape& shape, float first, DType dtype = DType::float32) {
  Tensor x(stream.memory(), shape, dtype, MemoryLabel::workspace);
  std::vector<float> values(static_cast<std::size_t>(x.bytes() / 4 + 1));
  std::iota(values.begin(), values.end(), first);
  copy_from_host(stream, {std::as_bytes(std::span(values)).first(x.bytes()), x});
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

/// Checks that `got` equals `sent`.
void expect_equal(End& end, const Tensor& got, const Tensor& sent) {
  expect(got.shape() == sent.shape() && got.dtype() == sent.dtype() &&
             bytes_of(end.stream, got) == bytes_of(end.stream, sent),
         fmt::format("{} {} arrived as it was sent", to_string(sent.shape()),
                     to_string(sent.dtype())));
}

Tensor receive(End& end, std::uint64_t sequence, const Tensor& expected) {
  return end.channel->receive(end.stream, envelope_of(sequence, expected));
}

void expect_error(const std::string& words, const std::function<void()>& f) {
  const std::string text = error_of(f);
  expect(!text.empty() && text.find(words) != std::string::npos,
         fmt::format("'{}' contains '{}'", text, words));
}

/// Transfers one tensor, from its send to its credit, with no other tensor in flight. Returns the
/// received tensor at the destination, and an empty tensor at the source.
Tensor deliver(End& end, std::uint64_t sequence, const Tensor& x) {
  Tensor got;
  if (end.is_source()) {
    end.channel->send(end.stream, sequence, x);
    end.say();
    end.hear();
    end.channel->credit(end.stream, sequence);
  } else {
    end.hear();
    got = receive(end, sequence, x);
    expect_equal(end, got, x);
    end.say();
  }
  return got;
}

using MakeTensor = std::function<Tensor(Stream& stream, std::uint64_t sequence)>;

/// The source runs as far ahead as credits allow, so that it fills one slot while the destination
/// reads the other.
void stream_source(End& end, std::uint64_t tensors, const MakeTensor& make) {
  for (std::uint64_t sequence = 0; sequence < tensors; ++sequence) {
    if (sequence >= kReceiveSlots) {
      end.hear();
      end.channel->credit(end.stream, sequence - kReceiveSlots);
    }
    end.channel->send(end.stream, sequence, make(end.stream, sequence));
    end.say(static_cast<std::int32_t>(sequence));
  }
}

void stream_destination(End& end, std::uint64_t tensors, const MakeTensor& make) {
  for (std::uint64_t sequence = 0; sequence < tensors; ++sequence) {
    end.doing(fmt::format("tensor {}", sequence));
    expect(end.hear() == static_cast<std::int32_t>(sequence), "envelopes come in order");
    if (sequence + 1 >= kReceiveSlots && sequence + 1 < tensors) {
      end.say();  // the credit of the slot that the next tensor needs
    }
    const Tensor expected = make(end.stream, sequence);
    expect_equal(end, receive(end, sequence, expected), expected);
  }
}

void stream_through(End& end, std::uint64_t tensors, const MakeTensor& make) {
  (end.is_source() ? stream_source : stream_destination)(end, tensors, make);
}

/// The memory accounts of the ends' streams in this process, checked when all else is destroyed.
class Accounts {
 public:
  void keep(const End& end) { kept_.at(end.is_source() ? 0 : 1) = end.stream.memory().account(); }
  bool are_empty() const {
    return std::all_of(kept_.begin(), kept_.end(), [](const auto& account) {
      return account == nullptr || account->total().current == 0;
    });
  }

 private:
  std::array<std::shared_ptr<MemoryAccount>, 2> kept_;
};

}  // namespace

TEST_CASE("tensors of every size, shape and dtype arrive unchanged") {
  constexpr std::int64_t kMax = std::int64_t{64} << 20;
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("sizes", kMax, [&](End& end) {
    std::uint64_t sequence = 0;
    for (const Shape& shape : {Shape{0}, Shape{}, Shape{1}, Shape{17, 59}, Shape{2, 1, 3, 1, 5},
                               Shape{100'003}, Shape{4, 1024, 4096}}) {
      end.doing(to_string(shape));
      deliver(end, sequence++, numbers(end.stream, shape, 0.5F));
    }
    deliver(end, sequence++, numbers(end.stream, {3, 5}, 0.5F, DType::bfloat16));
    expect(elements_of({4, 1024, 4096}) * 4 == kMax, "the largest tensor fills a slot");
  }));
  REQUIRE_NOTHROW(
      factory.run("no room", 0, [&](End& end) { deliver(end, 0, numbers(end.stream, {0}, 0)); }));
}

TEST_CASE("a channel keeps the order over many credits and many sizes") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("order", 1 << 20, [&](End& end) {
    stream_through(end, 60, [](Stream& stream, std::uint64_t sequence) {
      const auto count = static_cast<std::int64_t>(sequence * sequence * 3737 % 262'144);
      return numbers(stream, {count}, static_cast<float>(sequence));
    });
  }));
}

TEST_CASE("thousands of tensors stream through a channel") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("stream", kCapacity, [&](End& end) {
    stream_through(end, 2000, [](Stream& stream, std::uint64_t sequence) {
      return numbers(stream, {100}, static_cast<float>(sequence));
    });
  }));
}

TEST_CASE("a slot without a credit cannot be reused") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("credits", kCapacity, [&](End& end) {
    const Tensor x = numbers(end.stream, {3}, 7);
    if (end.is_source()) {
      for (std::uint64_t sequence = 0; sequence < kReceiveSlots; ++sequence) {
        end.channel->send(end.stream, sequence, x);
      }
      expect_error("tensor 2 was sent without a credit",
                   [&] { end.channel->send(end.stream, kReceiveSlots, x); });
      expect_error("a credit for tensor 2",
                   [&] { end.channel->credit(end.stream, kReceiveSlots); });
      end.say();
    } else {
      end.hear();
      for (std::uint64_t sequence = 0; sequence < kReceiveSlots; ++sequence) {
        expect_equal(end, receive(end, sequence, x), x);
      }
    }
  }));
}

TEST_CASE("a tensor larger than a slot is an error with the sizes, and changes nothing") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  if (!factory.slots_for_life) {
    return;
  }
  REQUIRE_NOTHROW(factory.run("too large", kCapacity, [&](End& end) {
    if (end.is_source()) {
      const Tensor large = numbers(end.stream, {101}, 0);
      for (const char* words : {"[101]", "404", "400"}) {
        expect_error(words, [&] { end.channel->send(end.stream, 0, large); });
      }
    }
    deliver(end, 0, numbers(end.stream, {100}, 0));
  }));
}

TEST_CASE("an envelope that does not match the tensor is an error") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("mismatch", kCapacity, [&](End& end) {
    const Tensor x = numbers(end.stream, {6}, 0);
    if (end.is_source()) {
      end.channel->send(end.stream, 0, x);
      end.say();
      end.hear();
      return;
    }
    end.hear();
    const auto receive_as = [&](const Envelope& envelope) {
      return [&end, envelope] { end.channel->receive(end.stream, envelope); };
    };
    if (factory.sees_mismatch) {
      Envelope wrong = envelope_of(0, x);
      wrong.shape = x.view({2, 3}).shape();
      expect_error("act 0>1 0", receive_as(wrong));
      expect_error("does not match its envelope", receive_as(wrong));
      wrong = envelope_of(0, x);
      wrong.dtype = DType::int32;
      expect_error("", receive_as(wrong));
    }
    expect_error("", receive_as({.edge = kEdge, .sequence = 0, .shape = {101}}));
    expect_error("", receive_as(envelope_of(kReceiveSlots, x)));
    expect_equal(end, receive(end, 0, x), x);
    end.say();
  }));
}

TEST_CASE("an end rejects the calls of the other end") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  if (!factory.knows_its_end) {
    return;
  }
  REQUIRE_NOTHROW(factory.run("other end", kCapacity, [&](End& end) {
    const Tensor x = numbers(end.stream, {6}, 0);
    if (end.is_source()) {
      expect_error("at the source of act 0>1", [&] { receive(end, 0, x); });
    } else {
      expect_error("send of tensor 0", [&] { end.channel->send(end.stream, 0, x); });
      expect_error("credit of tensor 0", [&] { end.channel->credit(end.stream, 0); });
    }
    deliver(end, 0, x);
  }));
}

TEST_CASE("the envelope of an unsent tensor is an error, or waits for an abort") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  Accounts accounts;
  REQUIRE_NOTHROW(factory.run("never sent", kCapacity, [&](End& end) {
    accounts.keep(end);
    if (end.is_source()) {
      if (!factory.asynchronous) {  // or the receive would fail before the abort
        end.channel.reset();
      }
      end.say();
      if (end.abort) {
        end.abort();
      }
      return;
    }
    end.hear();
    const Envelope envelope{.edge = kEdge, .sequence = 0, .shape = {6}};
    const auto wait = [&] {
      const Tensor x = end.channel->receive(end.stream, envelope);
      if (factory.asynchronous) {
        end.stream.synchronize();
        end.channel->receive(end.stream, {.edge = kEdge, .sequence = 1, .shape = {6}});
      }
    };
    if (end.abort) {
      expect(culprit_of(wait) == "the test", "the wait ends, and names the culprit");
    } else {
      expect_error("", wait);
    }
  }));
  CHECK(accounts.are_empty());
}

TEST_CASE("slots are charged to the receiver") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("payer", kCapacity, [&](End& end) {
    if (end.is_source()) {
      end.channel->send(end.stream, 0, numbers(end.stream, {100}, 0));
      end.say();
      end.hear();
      end.channel->credit(end.stream, 0);
      expect(end.charged() == (factory.keeps_until_reuse ? kCapacity : 0),
             "the memory that the source keeps");
      end.say();
      end.channel.reset();
      expect(end.charged() == 0, "the source has no memory at the end");
      end.say();
      return;
    }
    const std::int64_t at_rest = factory.slots_for_life ? end.slots_charged() : 0;
    expect(!factory.slots_for_life || at_rest >= kReceiveSlots * kCapacity, "slots for life");
    end.hear();
    expect(end.slots_charged() == (factory.slots_for_life ? at_rest : kCapacity), "a filled slot");
    {
      const Tensor got =
          end.channel->receive(end.stream, {.edge = kEdge, .sequence = 0, .shape = {100}});
      expect(end.charged() - end.slots_charged() == got.bytes(),
             "the received tensor is charged to the destination");
    }
    end.say();
    end.hear();
    expect(end.slots_charged() == at_rest, "the slot is free again");
    end.hear();
    end.channel.reset();
    expect(end.charged() == 0, "the destination has no memory at the end");
  }));
}

TEST_CASE("tensors of a destroyed source can still be received") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  Accounts accounts;
  REQUIRE_NOTHROW(factory.run("abandoned", kCapacity, [&](End& end) {
    accounts.keep(end);
    if (end.is_source()) {
      end.channel->send(end.stream, 0, numbers(end.stream, {100}, 3));
      end.say();
      end.channel.reset();
      end.say();
      return;
    }
    end.hear();
    if (!factory.asynchronous) {  // else the source's destructor waits for transfers in flight
      end.hear();
    }
    {
      const Tensor sent = numbers(end.stream, {100}, 3);
      expect_equal(end, receive(end, 0, sent), sent);
    }
    if (factory.asynchronous) {
      end.hear();
    }
    end.channel.reset();
  }));
  CHECK(accounts.are_empty());
}

TEST_CASE("a source whose destination is gone fills only the slots, and leaks nothing") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  Accounts accounts;
  REQUIRE_NOTHROW(factory.run("no destination", kCapacity, [&](End& end) {
    accounts.keep(end);
    if (!end.is_source()) {
      if (factory.asynchronous) {  // the source's work fails if its destination is destroyed
        end.say();
        expect(culprit_of([&] { end.hear(); }) == "the test", "an abort ends transfers in flight");
        return;
      }
      end.channel.reset();
      end.say();
      return;
    }
    end.hear();
    for (std::uint64_t sequence = 0; sequence < kReceiveSlots; ++sequence) {
      end.channel->send(end.stream, sequence, numbers(end.stream, {100}, 0));
    }
    const Tensor small = numbers(end.stream, {1}, 0);
    expect_error("without a credit", [&] { end.channel->send(end.stream, kReceiveSlots, small); });
    if (factory.asynchronous) {
      end.abort();
    }
  }));
  CHECK(accounts.are_empty());
}

TEST_CASE("a received tensor does not change when its slot is filled again") {
  const ChannelFactory factory = any_channel();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("kept", kCapacity, [&](End& end) {
    constexpr std::uint64_t kTensors = 6;
    std::vector<Tensor> got;
    for (std::uint64_t sequence = 0; sequence < kTensors; ++sequence) {
      const Tensor x = numbers(end.stream, {100}, 500 * static_cast<float>(sequence));
      got.push_back(deliver(end, sequence, x));
    }
    for (std::uint64_t sequence = 0; !end.is_source() && sequence < kTensors; ++sequence) {
      expect_equal(end, got[sequence],
                   numbers(end.stream, {100}, 500 * static_cast<float>(sequence)));
    }
  }));
}

}  // namespace stagecraft::test

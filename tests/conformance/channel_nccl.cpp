// What channels promise, between two processes with GPUs: rank 0 is the source, rank 1 the
// destination. Envelopes and credits go over the host, as in a run.
#include <catch2/catch.hpp>
#include <cstring>

#include "stages/channel.h"
#include "tests/conformance/gpu_processes.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kCapacity = 1 << 20;
const Edge kEdge{0, 1, Payload::activation};

/// One end of a channel, and words to the other.
struct End {
  bool is_source;
  Stream& stream;
  Channel& channel;
  Communicator& host;  // of the two, for words
  std::function<void(std::string)> doing;

  void say(std::int32_t word) {
    const auto words = make_stream({}, {});
    host.send(*words, tensor_of<std::int32_t>(*words, {word}), 1 - host.rank());
  }
  std::int32_t hear() {
    const auto words = make_stream({}, {});
    const Tensor x = tensor_of<std::int32_t>(*words, {0});
    host.recv(*words, x, 1 - host.rank());
    return values_of<std::int32_t>(*words, x).front();
  }
};

/// What each of two processes has.
struct Pair {
  Communicator& host;  // of the two
  std::shared_ptr<nccl::World> nccl;
  Stream& stream;
  std::function<void(std::string)> doing;

  /// The next channel between them.
  std::unique_ptr<Channel> connect(int source) const {
    const bool is_source = host.rank() == source;
    auto group = make_nccl_communicator(nccl, host.split(0, is_source ? 0 : 1), 4);
    return is_source ? make_device_source(std::move(group), stream.device(), kCapacity)
                     : make_device_destination(std::move(group), kCapacity, stream);
  }
};

/// Runs `f` in processes 0 and 1; others look on.
void run_pair(const std::string& test, const std::function<void(Pair&)>& f) {
  run_session(test, std::nullopt, [&](MpiSession& session, const auto& doing) {
    const auto world = session.world();
    const bool member = world->rank() < 2;
    const auto host = world->split(member ? 0 : 1, world->rank());
    auto nccl = open_process_nccl(*world);
    if (!member) {
      return;
    }
    const auto stream = make_stream(process_gpu(), {});
    Pair pair{*host, std::move(nccl), *stream, doing};
    try {
      f(pair);
      stream->synchronize();
    } catch (...) {
      world->abort("a failed end");
      throw;
    }
  });
}

/// The same at both ends of a channel from 0 to 1.
void run_channel(const std::string& test, const std::function<void(End&)>& f) {
  run_pair(test, [&](Pair& pair) {
    pair.doing("joining");
    const auto channel = pair.connect(0);
    End here{pair.host.rank() == 0, pair.stream, *channel, pair.host, pair.doing};
    f(here);
  });
}

std::vector<float> numbers(std::int64_t count, std::uint64_t sequence) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(sequence * 1000) + static_cast<float>(i % 977);
  }
  return values;
}

Envelope envelope_of(std::uint64_t sequence, const Shape& shape) {
  return {.edge = kEdge, .sequence = sequence, .shape = shape};
}

bool alone() { return process_count() < 2; }

}  // namespace

TEST_CASE("tensors of every size and shape arrive over NCCL, in order, as fast as credits allow") {
  if (alone()) {
    return;
  }
  const std::vector<Shape> shapes{{1}, {0}, {17, 59}, {}, {2, 1, 3, 1, 5}, {262'144}, {100'003}};
  constexpr std::uint64_t kTensors = 40;
  REQUIRE_NOTHROW(run_channel("stream", [&](End& end) {
    // The credit of a slot goes before the envelope that needs it: words wait for each other.
    const auto free_slot = [&](std::uint64_t sequence) {
      if (sequence < kReceiveSlots) {
        return;
      }
      const auto old = static_cast<std::int32_t>(sequence - kReceiveSlots);
      if (end.is_source) {
        expect(end.hear() == old, "credits come in order");
        end.channel.credit(end.stream, sequence - kReceiveSlots);
      } else {
        end.say(old);
      }
    };
    for (std::uint64_t sequence = 0; sequence < kTensors; ++sequence) {
      const Shape& shape = shapes[sequence % shapes.size()];
      end.doing(fmt::format("tensor {}", sequence));
      free_slot(sequence);
      if (end.is_source) {
        // The source's own handle goes at once.
        end.channel.send(end.stream, sequence,
                         tensor_of(end.stream, numbers(elements_of(shape), sequence), shape));
        end.say(static_cast<std::int32_t>(sequence));
      } else {
        expect(end.hear() == static_cast<std::int32_t>(sequence), "envelopes come in order");
        const Tensor x = end.channel.receive(end.stream, envelope_of(sequence, shape));
        expect(x.shape() == shape, "the shape is the envelope's");
        expect(values_of<float>(end.stream, x) == numbers(elements_of(shape), sequence),
               fmt::format("tensor {} has its numbers", sequence));
      }
    }
  }));
}

TEST_CASE("what was received over NCCL stays as it is when its slot is filled again") {
  if (alone()) {
    return;
  }
  constexpr std::uint64_t kTensors = 6;
  REQUIRE_NOTHROW(run_channel("kept", [&](End& end) {
    std::vector<Tensor> got;
    for (std::uint64_t sequence = 0; sequence < kTensors; ++sequence) {
      if (end.is_source) {
        end.channel.send(end.stream, sequence, tensor_of(end.stream, numbers(5000, sequence)));
        end.say(0);
        end.hear();
        end.channel.credit(end.stream, sequence);
      } else {
        end.hear();
        got.push_back(end.channel.receive(end.stream, envelope_of(sequence, {5000})));
        end.say(0);
      }
    }
    for (std::uint64_t sequence = 0; sequence < got.size(); ++sequence) {
      expect(values_of<float>(end.stream, got[sequence]) == numbers(5000, sequence),
             fmt::format("tensor {} is still there", sequence));
    }
  }));
}

TEST_CASE("both directions cross over NCCL, whichever end is first") {
  if (alone()) {
    return;
  }
  REQUIRE_NOTHROW(run_pair("crosswise", [](Pair& pair) {
    Stream* const stream = &pair.stream;
    const int rank = pair.host.rank();
    std::array<std::unique_ptr<Channel>, 2> channels;  // by their source
    for (int source = 0; source < 2; ++source) {
      channels[source] = pair.connect(source);
    }
    for (std::uint64_t sequence = 0; sequence < 20; ++sequence) {
      pair.doing(fmt::format("crossing {}", sequence));
      const auto send = [&] {
        channels[rank]->send(*stream, sequence,
                             tensor_of(*stream, numbers(200'000, sequence + 100 * rank)));
      };
      // Each sends before it receives on even turns; then only one of them does.
      const bool first = sequence % 2 == 0 || rank == 0;
      if (first) {
        send();
      }
      pair.host.barrier();
      const Tensor x =
          channels[1 - rank]->receive(*stream, {.edge = {1 - rank, rank, Payload::activation},
                                                .sequence = sequence,
                                                .shape = {200'000}});
      if (!first) {
        send();
      }
      pair.host.barrier();
      channels[rank]->credit(*stream, sequence);
      expect(values_of<float>(*stream, x) == numbers(200'000, sequence + 100 * (1 - rank)),
             "what crossed is what was sent");
    }
  }));
}

TEST_CASE("a channel over NCCL refuses what it has no credit or no room for") {
  if (alone()) {
    return;
  }
  REQUIRE_NOTHROW(run_channel("refusals", [](End& end) {
    Stream& stream = end.stream;
    const auto fails = [](const std::string& words, auto&& f) {
      const std::string text = error_of(f);
      expect(text.find(words) != std::string::npos, fmt::format("'{}' says {}", text, words));
    };
    if (end.is_source) {
      const Tensor x = tensor_of(stream, numbers(10, 0));
      const Tensor large(stream.memory(), {kCapacity / 4 + 1}, DType::float32,
                         MemoryLabel::workspace);
      fails("1048580 bytes", [&] { end.channel.send(stream, 0, large); });
      end.channel.send(stream, 0, x);
      end.channel.send(stream, 1, x);
      fails("without a credit", [&] { end.channel.send(stream, 2, x); });
      fails("was not sent", [&] { end.channel.credit(stream, 2); });
      end.say(0);
      fails("is the source", [&] { end.channel.receive(stream, envelope_of(0, {10})); });
    } else {
      end.hear();
      expect(end.stream.memory().account()->count(MemoryLabel::transfer_slots).current ==
                 kReceiveSlots * kCapacity,
             "the receiver pays for its slots");
      fails("is due", [&] { end.channel.receive(stream, envelope_of(1, {10})); });
      fails("takes 1048576",
            [&] { end.channel.receive(stream, envelope_of(0, {kCapacity / 4 + 1})); });
      for (const std::uint64_t sequence : {0, 1}) {
        const Tensor x = end.channel.receive(stream, envelope_of(sequence, {10}));
        expect(values_of<float>(stream, x) == numbers(10, 0), "what was sent before is there");
      }
    }
  }));
}

TEST_CASE("an abort ends a channel's transfers on the device") {
  if (alone()) {
    return;
  }
  REQUIRE_NOTHROW(run_channel("abort", [](End& end) {
    std::string culprit;
    try {
      if (end.is_source) {
        end.channel.send(end.stream, 0, tensor_of(end.stream, numbers(200'000, 0)));
        end.doing("waiting for a receive that never comes");
        end.stream.synchronize();
        end.host.barrier();
      } else {
        end.host.abort("stage 1, 1F0");
        end.host.barrier();
      }
    } catch (const AbortedError& error) {
      culprit = error.culprit();
    }
    expect(culprit == "stage 1, 1F0", "the culprit is named");
  }));
}

}  // namespace stagecraft::test

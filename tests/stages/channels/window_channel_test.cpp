// The ends of a window channel in two processes, and the state after one of them dies.
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <numeric>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "stages/channels/channel.h"
#include "stages/channels/window_channel.h"
#include "stages/program/edge.h"
#include "tests/child_process.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::Child;
using test::Pipe;

constexpr std::int64_t kCount = 30'000;
constexpr std::int64_t kCapacity = 4 * kCount;

Tensor filled(Stream& stream, float value) {
  Tensor x(stream.memory(), {kCount}, DType::float32, MemoryLabel::workspace);
  std::fill_n(x.data<float>(), kCount, value);
  return x;
}

bool holds(const Tensor& x, float value) {
  return std::all_of(x.data<float>(), x.data<float>() + x.elements(),
                     [&](float element) { return element == value; });
}

Envelope envelope_of(std::uint64_t sequence) {
  return {.edge = {0, 1, Payload::activation}, .sequence = sequence, .shape = {kCount}};
}

/// How many mappings of shared windows this process has.
int windows_mapped() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.find("memfd:stagecraft") != std::string::npos ? 1 : 0;
  }
  return count;
}

/// The destination end, in this process.
struct Destination {
  Destination() : stream(make_stream({}, {})) {
    SharedWindow window = make_channel_window(kCapacity);
    key = window.key();
    channel = make_window_destination(std::move(window), stream->memory().account());
  }
  std::unique_ptr<Stream> stream;
  std::string key;
  std::unique_ptr<Channel> channel;
};

TEST_CASE("a sequence of tensors from another process arrives intact and in order") {
  constexpr std::uint64_t kTensors = 300;
  Destination destination;
  Pipe envelopes;
  Pipe credits;
  Child source([&] {
    const auto stream = make_stream({}, {});
    const auto channel = make_window_source(SharedWindow::open(destination.key));
    for (std::uint64_t sequence = 0; sequence < kTensors; ++sequence) {
      if (sequence >= kReceiveSlots) {
        credits.get();
        channel->credit(*stream, sequence - kReceiveSlots);
      }
      channel->send(*stream, sequence, filled(*stream, static_cast<float>(sequence)));
      envelopes.put();
    }
  });
  int wrong = 0;
  for (std::uint64_t sequence = 0; sequence < kTensors; ++sequence) {
    envelopes.get();
    const Tensor x = destination.channel->receive(*destination.stream, envelope_of(sequence));
    wrong += holds(x, static_cast<float>(sequence)) ? 0 : 1;
    credits.put();
  }
  CHECK(wrong == 0);
  CHECK(source.wait() == 0);
}

TEST_CASE("a source that is killed while it sends leaves intact tensors and leaks no memory") {
  for (int round = 0; round < 20; ++round) {
    {
      Destination destination;
      const auto account = destination.stream->memory().account();
      Pipe begun;
      Child source([&] {
        const auto stream = make_stream({}, {});
        const auto channel = make_window_source(SharedWindow::open(destination.key));
        const Tensor x = filled(*stream, 1);
        channel->send(*stream, 0, x);
        begun.put();
        while (true) {
          channel->send(*stream, 1, x);
          channel->credit(*stream, 1);
        }
      });
      begun.get();
      source.signal(SIGKILL);
      CHECK(source.wait() == 128 + SIGKILL);
      CHECK(holds(destination.channel->receive(*destination.stream, envelope_of(0)), 1));
      try {  // the second tensor has arrived intact, or its slot is empty
        const Tensor x = destination.channel->receive(*destination.stream, envelope_of(1));
        CHECK(holds(x, 1));
      } catch (const Error& error) {
        CHECK_THAT(error.what(), Contains("act 0>1 1 is empty"));
      }
      destination.channel.reset();
      CHECK(account->total().current == 0);
    }
    CHECK(windows_mapped() == 0);
  }
}

TEST_CASE("a source survives the death of its destination, without a signal") {
  Pipe key;
  Child destination([&] {
    const Destination mine;
    for (const char letter : mine.key + '\n') {
      key.put(letter);
    }
    Pipe().get();  // until it is killed
  });
  std::string text;
  for (char letter = key.get(); letter != '\n'; letter = key.get()) {
    text += letter;
  }
  {
    const auto stream = make_stream({}, {});
    const auto channel = make_window_source(SharedWindow::open(text));
    channel->send(*stream, 0, filled(*stream, 1));
    destination.signal(SIGKILL);
    CHECK(destination.wait() == 128 + SIGKILL);
    channel->send(*stream, 1, filled(*stream, 1));
    CHECK_THROWS_WITH(channel->send(*stream, 2, filled(*stream, 1)),
                      Contains("tensor 2 was sent without a credit"));
  }
  CHECK(windows_mapped() == 0);
  CHECK_THROWS_WITH(SharedWindow::open(text), Contains("has the process ended?"));
}

TEST_CASE("a window that is not a channel's is refused") {
  CHECK_THROWS_WITH(make_window_source(SharedWindow::create(0)), Contains("0 bytes"));
  SharedWindow zeros = SharedWindow::create(64 + 2 * 192);
  CHECK_THROWS_WITH(make_window_source(std::move(zeros)), Contains("holds no channel of 2 slots"));
  SharedWindow lies = make_channel_window(64);
  const std::int64_t capacity = std::int64_t{1} << 62;
  std::memcpy(lies.bytes().data() + 8, &capacity, sizeof(capacity));
  CHECK_THROWS_WITH(make_window_source(std::move(lies)), Contains("holds no slots of"));
}

}  // namespace
}  // namespace stagecraft

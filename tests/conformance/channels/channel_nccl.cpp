// The channel suite between two processes with GPUs, and tests of their transfers on the device.
// Rank 0 is the source, rank 1 the destination. Envelopes and credits go over the host, as in a
// run.
#include <array>
#include <catch2/catch.hpp>
#include <numeric>

#include "kernels/backends/make_stream.h"
#include "stages/channels/device_channel.h"
#include "stages/program/edge.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"
#include "tensor_parallel/comm/nccl/world.h"
#include "tests/conformance/channels/channel.h"
#include "tests/conformance/gpu_processes.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

/// The state of each of the two processes.
struct Pair {
  Communicator& host;
  std::shared_ptr<nccl::World> nccl;
  Stream& stream;
  std::function<void(std::string)> doing;

  /// Creates the next channel between them. Collective.
  std::unique_ptr<Channel> connect(int source, std::int64_t capacity_bytes) const {
    const bool is_source = host.rank() == source;
    auto group = make_nccl_communicator(nccl, host.make_group({source, 1 - source}, source), 4);
    return is_source ? make_device_source(std::move(group), stream.device(), capacity_bytes)
                     : make_device_destination(std::move(group), capacity_bytes, stream);
  }
};

void run_pair(const std::string& test, const std::function<void(Pair&)>& f) {
  run_session(test, std::nullopt, [&](MpiSession& session, const auto& doing) {
    const auto world = session.world();
    doing("joining");
    auto nccl = open_process_nccl(*world);
    const auto stream = make_stream(process_gpu(), {});
    Pair pair{*world, std::move(nccl), *stream, doing};
    try {
      f(pair);
    } catch (...) {
      world->abort("a failed end");
      throw;
    }
  });
}

void run_channel(const std::string& test, std::int64_t capacity_bytes, const EndFunction& f) {
  run_pair(test, [&](Pair& pair) {
    End end(pair.host, pair.stream, pair.doing);
    end.channel = pair.connect(0, capacity_bytes);
    end.abort = [&pair] { pair.nccl->abort("the test"); };
    f(end);
  });
}

Tensor numbers(Stream& stream, std::int64_t count, float first) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return tensor_of(stream, values);
}

}  // namespace

std::vector<ChannelFactory> channel_factories() {
  return {{.name = "NCCL between processes",
           .sees_mismatch = false,
           .keeps_until_reuse = true,
           .asynchronous = true,
           .run = run_channel}};
}

TEST_CASE("NCCL channels of both directions work in any order of send and receive") {
  constexpr std::int64_t kCount = 200'000;
  REQUIRE_NOTHROW(run_pair("crosswise", [](Pair& pair) {
    Stream& stream = pair.stream;
    const int rank = pair.host.rank();
    std::array<std::unique_ptr<Channel>, 2> channels;  // by their source
    for (int source = 0; source < 2; ++source) {
      channels[source] = pair.connect(source, kCount * 4);
    }
    const auto first_of = [](int source, std::uint64_t sequence) {
      return static_cast<float>(1000 * source) + static_cast<float>(sequence);
    };
    for (std::uint64_t sequence = 0; sequence < 20; ++sequence) {
      pair.doing(fmt::format("crossing {}", sequence));
      const auto send = [&] {
        channels[rank]->send(stream, sequence, numbers(stream, kCount, first_of(rank, sequence)));
      };
      // On even rounds both send before they receive; on odd rounds only rank 0 does.
      const bool first = sequence % 2 == 0 || rank == 0;
      if (first) {
        send();
      }
      pair.host.barrier();
      const Tensor x = channels[1 - rank]->receive(
          stream,
          {.edge = {1 - rank, rank, Payload::activation}, .sequence = sequence, .shape = {kCount}});
      if (!first) {
        send();
      }
      pair.host.barrier();
      channels[rank]->credit(stream, sequence);
      expect(values_of<float>(stream, x) ==
                 values_of<float>(stream, numbers(stream, kCount, first_of(1 - rank, sequence))),
             "the received tensor equals the sent one");
    }
  }));
}

TEST_CASE("an abort ends a send that waits on the device for its receive") {
  REQUIRE_NOTHROW(run_channel("abort", 1 << 20, [](End& end) {
    if (!end.is_source()) {
      end.hear();
      end.abort();
      return;
    }
    end.channel->send(end.stream, 0, numbers(end.stream, 200'000, 0));
    try {
      end.say();
    } catch (const AbortedError&) {
      // The other end has heard, and its abort was faster than the word of it.
    }
    end.doing("waiting for a receive that never comes");
    const std::string culprit = culprit_of([&] {
      end.stream.synchronize();
      end.hear();
    });
    expect(culprit == "the test", "the culprit is named");
  }));
}

}  // namespace stagecraft::test

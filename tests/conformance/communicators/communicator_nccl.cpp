// Communicators whose members are processes with GPUs.
#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/backends/make_stream.h"
#include "tests/conformance/communicators/communicator.h"
#include "tests/conformance/communicators/tree_sums.h"
#include "tests/conformance/gpu_processes.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

/// Connects every pair, so that later operations wait on the device and not on the host.
void connect_all(Member& member) {
  const Tensor x = tensor_of<float>(member.stream, {1});
  member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::any);
  member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
  member.stream.synchronize();
  member.group.barrier();
}

}  // namespace

std::vector<CommunicatorFactory> communicator_factories() {
  return {{.name = "nccl",
           .size = process_count(),
           .sees_disagreement = false,
           .asynchronous = true,
           .costly = true,
           .run = run_on_gpus}};
}

TEST_CASE("sums over GPUs along the tree have the bits of sums over threads") {
  for (const std::int64_t count : {1, 15, 1000, 20'011, 300'001}) {
    std::vector<std::vector<float>> wanted(static_cast<std::size_t>(process_count()));
    run_local("threads", process_count(), [&](Member& member) {
      wanted[static_cast<std::size_t>(member.rank())] = sums_of(member, count);
    });
    REQUIRE_NOTHROW(run_on_gpus("bits", [&](Member& member) {
      for (int round = 0; round < 2; ++round) {
        const std::vector<float> sums = sums_of(member, count);
        const std::vector<float>& theirs = wanted[static_cast<std::size_t>(member.rank())];
        expect(sums.size() == theirs.size() &&
                   std::memcmp(sums.data(), theirs.data(), 4 * sums.size()) == 0,
               fmt::format("the bits of {} elements", count));
      }
    }));
  }
}

TEST_CASE("an abort ends device work that waits for other members") {
  if (process_count() == 1) {
    return;
  }
  const bool message = GENERATE(false, true);
  REQUIRE_NOTHROW(run_on_gpus("waiting kernels", [&](Member& member) {
    const Tensor x = tensor_of<float>(member.stream, std::vector<float>(200'000, 1.0F));
    const std::string culprit = culprit_of([&] {
      connect_all(member);  // the abort may reach a member in its last barrier
      if (member.rank() == 0) {
        member.group.abort("rank 0, 3F1");
      } else if (message) {
        member.group.recv(member.stream, x, 0);
      } else {
        member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::any);
      }
      member.doing("waiting for the device");
      member.stream.synchronize();
      member.group.barrier();
    });
    expect(culprit == "rank 0, 3F1", "the culprit is named");
  }));
}

TEST_CASE("a started all_reduce overlaps with other work, and is complete after its event") {
  REQUIRE_NOTHROW(run_on_gpus("started", [](Member& member) {
    Stream& stream = member.stream;
    for (int round = 0; round < 5; ++round) {
      const Tensor x = tensor_of<float>(stream, std::vector<float>(100'003, 1.0F));
      const Tensor other = tensor_of<float>(stream, {2.0F});
      const Event end = start_all_reduce(member.group, stream, x, ReduceOp::sum, Order::tree);
      expect(values_of<float>(stream, other).front() == 2.0F,
             "other work on the stream is not blocked");
      stream.wait(end);
      expect(values_of<float>(stream, x) ==
                 std::vector<float>(100'003, static_cast<float>(member.size())),
             "the sum is complete");
    }
  }));
}

TEST_CASE("a group on a GPU rejects tensors on the CPU") {
  REQUIRE_NOTHROW(run_on_gpus("wrong device", [](Member& member) {
    const auto host = make_stream({DeviceKind::cpu, 0}, {});
    std::string text;
    try {
      member.group.all_reduce(*host, tensor_of<float>(*host, {1}), ReduceOp::sum, Order::any);
    } catch (const Error& error) {
      text = error.what();
    }
    expect(text.find("tensors on cpu:0 cannot be communicated") != std::string::npos, text);
  }));
}

}  // namespace stagecraft::test

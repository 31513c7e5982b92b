// The communicators whose members are processes with GPUs.
#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/base/random.h"
#include "tests/conformance/communicator.h"
#include "tests/conformance/gpu_processes.h"

namespace stagecraft::test {
namespace {

/// Numbers whose sum depends on the order.
std::vector<float> rough_values(int rank, std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto block = random_block({.key = 7, .sample = static_cast<std::uint64_t>(rank)},
                                    static_cast<std::uint32_t>(i));
    values.push_back((uniform(block[0]) - 0.5F) * (block[1] % 3 == 0 ? 1e6F : 1.0F));
  }
  return values;
}

/// What a member has after a few sums along the tree.
std::vector<float> sums_of(Member& member, std::int64_t count) {
  Stream& stream = member.stream;
  const Tensor x = tensor_of(stream, rough_values(member.rank(), count));
  const Tensor whole = tensor_of(stream, rough_values(member.rank(), count * member.size()));
  const Tensor part(stream.memory(), {count}, DType::float32, MemoryLabel::workspace);
  member.group.all_reduce(stream, x, ReduceOp::sum, Order::tree);
  member.group.reduce_scatter(stream, whole, part, Order::tree);
  std::vector<float> sums = values_of<float>(stream, x);
  const std::vector<float> more = values_of<float>(stream, part);
  sums.insert(sums.end(), more.begin(), more.end());
  return sums;
}

template <typename F>
std::string culprit_of(F&& f) {
  try {
    f();
  } catch (const AbortedError& error) {
    return error.culprit();
  }
  return {};
}

/// Every pair has exchanged something, so that later work waits on the device and not on the host.
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
      for (int turn = 0; turn < 2; ++turn) {
        const std::vector<float> sums = sums_of(member, count);
        const std::vector<float>& theirs = wanted[static_cast<std::size_t>(member.rank())];
        expect(sums.size() == theirs.size() &&
                   std::memcmp(sums.data(), theirs.data(), 4 * sums.size()) == 0,
               fmt::format("the bits of {} elements", count));
      }
    }));
  }
}

TEST_CASE("an abort ends work of the device that waits for others") {
  if (process_count() == 1) {
    return;
  }
  const bool message = GENERATE(false, true);
  REQUIRE_NOTHROW(run_on_gpus("waiting kernels", [&](Member& member) {
    connect_all(member);
    const Tensor x = tensor_of<float>(member.stream, std::vector<float>(200'000, 1.0F));
    const std::string culprit = culprit_of([&] {
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

TEST_CASE("what is started runs beside others' work, and is there after its event") {
  REQUIRE_NOTHROW(run_on_gpus("started", [](Member& member) {
    Stream& stream = member.stream;
    for (int turn = 0; turn < 5; ++turn) {
      const Tensor x = tensor_of<float>(stream, std::vector<float>(100'003, 1.0F));
      const Tensor other = tensor_of<float>(stream, {2.0F});
      const Event end = member.group.start_all_reduce(stream, x, ReduceOp::sum, Order::tree);
      expect(values_of<float>(stream, other).front() == 2.0F, "others' work goes on");
      stream.wait(end);
      expect(values_of<float>(stream, x) ==
                 std::vector<float>(100'003, static_cast<float>(member.size())),
             "the sum is there");
    }
  }));
}

TEST_CASE("a group on a GPU refuses the CPU's tensors") {
  REQUIRE_NOTHROW(run_on_gpus("wrong device", [](Member& member) {
    const auto host = make_stream({DeviceKind::cpu, 0}, {});
    std::string text;
    try {
      member.group.all_reduce(*host, tensor_of<float>(*host, {1}), ReduceOp::sum, Order::any);
    } catch (const Error& error) {
      text = error.what();
    }
    expect(text.find("tensors of cpu:0 do not travel") != std::string::npos, text);
  }));
}

}  // namespace stagecraft::test

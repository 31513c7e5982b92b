#include "tests/conformance/communicators/communicator.h"

#include <fmt/format.h>

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/ops/checks.h"
#include "tests/conformance/communicators/collective_values.h"

namespace stagecraft::test {
namespace {

constexpr std::array<std::int64_t, 5> kCounts = {0, 1, 2, 1003, 100'003};

/// Order::any: the sum is correct within float32 accuracy.
void check_any_order(Member& member, std::int64_t count) {
  const Tensor x = tensor_of(member.stream, values<float>(member.rank(), count));
  member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::any);
  const auto sums = values_of<float>(member.stream, x);
  for (std::int64_t i = 0; i < count; ++i) {
    const double wanted = expected_sum<double>(member.size(), i);
    expect(std::abs(sums[i] - wanted) < 1e-6, "the sum in any order is near the exact one");
  }
}

template <typename T>
void check_gather(Member& member, std::int64_t count) {
  member.doing(fmt::format("all_gather of {}", count));
  const Tensor part = tensor_of(member.stream, values<T>(member.rank(), count));
  const Tensor out(member.stream.memory(), {member.size(), count}, dtype_of<T>(),
                   MemoryLabel::workspace);
  member.group.all_gather(member.stream, part, out);
  expect_elements<T>(member, out, [&](std::int64_t i) {
    return element<T>(static_cast<int>(i / count), i % count);
  });
}

template <typename T>
void check_reduce_scatter(Member& member, std::int64_t count) {
  member.doing(fmt::format("reduce_scatter of {}", count));
  const auto before = values<T>(member.rank(), member.size() * count);
  const Tensor x = tensor_of(member.stream, before);
  const Tensor part(member.stream.memory(), {count}, dtype_of<T>(), MemoryLabel::workspace);
  member.group.reduce_scatter(member.stream, x, part, Order::tree);
  expect_elements<T>(member, part, [&](std::int64_t i) {
    return expected_sum<T>(member.size(), member.rank() * count + i);
  });
  expect_elements<T>(member, x, [&](std::int64_t i) { return before[i]; });
}

template <typename T>
void check_broadcast(Member& member, std::int64_t count) {
  for (int root = 0; root < member.size(); ++root) {
    member.doing(fmt::format("broadcast of {} from {}", count, root));
    const Tensor x = tensor_of(member.stream, values<T>(member.rank(), count));
    member.group.broadcast(member.stream, x, root);
    expect_elements<T>(member, x, [&](std::int64_t i) { return element<T>(root, i); });
  }
}

/// In any order each of size - 1 sums is off by 1/256 of what it adds up at most.
void expect_near_sums(Member& member, const Tensor& x, std::int64_t first) {
  const auto sums = values_of<BFloat16>(member.stream, x);
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    double sum = 0;
    double magnitude = 0;
    for (int rank = 0; rank < member.size(); ++rank) {
      const double part = to_float(element<BFloat16>(rank, first + i));
      sum += part;
      magnitude += std::abs(part);
    }
    const double most = (member.size() - 1) * magnitude / 256 * 1.02;
    expect(std::abs(to_float(sums[i]) - sum) <= most, "the sum in any order is near the exact one");
  }
}

void check_any_order_in_bfloat16(Member& member, std::int64_t count) {
  member.doing(fmt::format("bfloat16 sums of {} in any order", count));
  const Tensor x = tensor_of(member.stream, values<BFloat16>(member.rank(), count));
  const Tensor whole =
      tensor_of(member.stream, values<BFloat16>(member.rank(), member.size() * count));
  const Tensor part(member.stream.memory(), {count}, DType::bfloat16, MemoryLabel::workspace);
  member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::any);
  member.group.reduce_scatter(member.stream, whole, part, Order::any);
  expect_near_sums(member, x, 0);
  expect_near_sums(member, part, member.rank() * count);
}

/// Around the ring, twice, so that the order of messages shows.
void check_ring(Member& member, std::int64_t count) {
  const int size = member.size();
  const int next = (member.rank() + 1) % size;
  const int previous = (member.rank() + size - 1) % size;
  const auto send = [&](int round) {
    member.doing(fmt::format("send {} to {}", count, next));
    member.group.send(member.stream,
                      tensor_of(member.stream, values<float>(member.rank() + 10 * round, count)),
                      next);
  };
  const auto recv = [&](int round) {
    member.doing(fmt::format("recv {} from {}", count, previous));
    const Tensor x(member.stream.memory(), {count}, DType::float32, MemoryLabel::workspace);
    member.group.recv(member.stream, x, previous);
    expect(values_of<float>(member.stream, x) == values<float>(previous + 10 * round, count),
           "messages arrive in order");
  };
  for (const int round : {0, 1}) {
    // Rank 0 sends first and breaks the cycle, because a send may wait for its recv.
    if (member.rank() == 0) {
      send(round);
      recv(round);
    } else {
      recv(round);
      send(round);
    }
  }
}

}  // namespace

TEST_CASE("every communicator: all_reduce follows the tree") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("all_reduce", [&](Member& member) {
    expect(member.size() == factory.size, "the world has the factory's size");
    for (const std::int64_t count : kCounts) {
      check_all_reduce<float>(member, count);
      check_all_reduce<double>(member, count);
      check_any_order(member, count);
    }
  }));
}

TEST_CASE("every communicator: all_reduce of 64 MiB") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("64 MiB", [&](Member& member) {
    const Tensor x = tensor_of(member.stream, values<float>(member.rank(), std::int64_t{16} << 20));
    member.doing("all_reduce of 64 MiB");
    member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
    expect_elements<float>(
        member, x, [&](std::int64_t i) { return expected_sum<float>(member.size(), i); }, 61);
  }));
}

TEST_CASE("every communicator: all_reduce of a part changes only that part") {
  const auto factory = any_factory();
  REQUIRE_NOTHROW(factory.run("shapes", [&](Member& member) {
    const Tensor whole = tensor_of(member.stream, values<float>(member.rank(), 60), {3, 4, 5});
    const Tensor middle = whole.rows(1, 2);
    member.group.all_reduce(member.stream, middle, ReduceOp::sum, Order::tree);
    expect_elements<float>(member, whole, [&](std::int64_t i) {
      return i / 20 == 1 ? expected_sum<float>(member.size(), i) : value(member.rank(), i);
    });
  }));
}

TEST_CASE("every communicator: maximum, with minus infinity") {
  const auto factory = any_factory();
  INFO(factory.name);
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  REQUIRE_NOTHROW(factory.run("maximum", [&](Member& member) {
    for (const std::int64_t count : kCounts) {
      // Element i is minus infinity on all members except one, and on all members if i is odd.
      std::vector<float> mine(count, kNothing);
      for (std::int64_t i = member.rank(); i < count; i += member.size()) {
        mine[i] = i % 2 == 0 ? -1000.0F - static_cast<float>(i) : kNothing;
      }
      const Tensor x = tensor_of(member.stream, mine);
      member.doing(fmt::format("maximum of {}", count));
      member.group.all_reduce(member.stream, x, ReduceOp::maximum, Order::tree);
      expect_elements<float>(member, x, [&](std::int64_t i) {
        return i % 2 == 0 ? -1000.0F - static_cast<float>(i) : kNothing;
      });
    }
  }));
}

TEST_CASE("every communicator: gather, scatter and broadcast") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("gather", [&](Member& member) {
    for (const std::int64_t count : kCounts) {
      check_gather<float>(member, count);
      check_gather<std::int32_t>(member, count);
      check_reduce_scatter<float>(member, count);
      check_reduce_scatter<double>(member, count);
      check_broadcast<std::int32_t>(member, count);
    }
  }));
}

TEST_CASE("every communicator: bfloat16, rounded at each level") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("bfloat16", [&](Member& member) {
    const std::string_view reason = without_bfloat16(member.stream);
    if (!reason.empty()) {
      fmt::print("bfloat16 in {}: skipped, {}\n", factory.name, reason);
      return;
    }
    for (const std::int64_t count : kCounts) {
      check_all_reduce<BFloat16>(member, count);
      check_reduce_scatter<BFloat16>(member, count);
      check_any_order_in_bfloat16(member, count);
      check_gather<BFloat16>(member, count);
      check_broadcast<BFloat16>(member, count);
    }
  }));
}

TEST_CASE("every communicator: send and recv around a ring") {
  const auto factory = any_factory();
  INFO(factory.name);
  if (factory.size > 1) {
    REQUIRE_NOTHROW(factory.run("ring", [&](Member& member) {
      for (const std::int64_t count : kCounts) {
        check_ring(member, count);
      }
    }));
  }
}

TEST_CASE("every communicator: thousands of small operations in a row") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("stress", [&](Member& member) {
    const auto half = member.group.make_group(
        ranks_where(member.group, [&](int rank) { return rank / 2 == member.rank() / 2; }), 0);
    const Tensor x = tensor_of(member.stream, values<float>(member.rank(), 37));
    const Tensor pair = tensor_of(member.stream, values<float>(member.rank(), 5));
    const int other = member.rank() ^ 1;
    for (int round = 0; round < (factory.costly ? 20 : 2000); ++round) {
      member.doing(fmt::format("round {}", round));
      const std::vector<float> first = {static_cast<float>(round + member.rank())};
      copy_from_host(member.stream, std::span<const float>(first), x.rows(0, 1));
      member.group.all_reduce(member.stream, x.rows(0, 1), ReduceOp::sum, Order::tree);
      const int size = member.size();
      expect(*values_of<float>(member.stream, x).data() == size * round + size * (size - 1) / 2,
             "the sum belongs to this round");
      half->all_reduce(member.stream, x, ReduceOp::maximum, Order::tree);
      if (other < size && member.rank() < other) {
        member.group.send(member.stream, x, other);
      } else if (other < size) {
        member.group.recv(member.stream, x, other);
      }
      member.group.broadcast(member.stream, pair, round % size);
    }
  }));
}

}  // namespace stagecraft::test

#include "tests/conformance/communicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "kernels/ops/elementwise.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

constexpr std::array<std::int64_t, 5> kCounts = {0, 1, 2, 1003, 100'003};

/// In [-1, 1): what member `rank` holds in element `index`.
float value(int rank, std::int64_t index) {
  auto word = static_cast<std::uint32_t>(index) * 2654435761U + 0x9E3779B9U * (rank + 1U);
  word = (word ^ (word >> 15)) * 0x85EBCA6BU;
  word = (word ^ (word >> 13)) * 0xC2B2AE35U;
  return static_cast<float>(static_cast<std::int32_t>(word ^ (word >> 16))) * 0x1p-31F;
}

template <typename T>
std::vector<T> values(int rank, std::int64_t count) {
  std::vector<T> all(count);
  for (std::int64_t i = 0; i < count; ++i) {
    all[i] = static_cast<T>(value(rank, i) * (std::is_integral_v<T> ? 1e6F : 1.0F));
  }
  return all;
}

/// Neighbours are joined level by level, an odd last one passes up.
template <typename T>
T tree_sum(std::vector<T> parts) {
  while (parts.size() > 1) {
    std::vector<T> sums;
    for (std::size_t i = 0; i < parts.size(); i += 2) {
      sums.push_back(i + 1 < parts.size() ? parts[i] + parts[i + 1] : parts[i]);
    }
    parts = sums;
  }
  return parts.front();
}

template <typename T>
T expected_sum(int size, std::int64_t index) {
  std::vector<T> parts;
  for (int rank = 0; rank < size; ++rank) {
    parts.push_back(static_cast<T>(value(rank, index)));
  }
  return tree_sum(parts);
}

template <typename T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

/// Looks at every `stride`-th element and the last.
template <typename T, typename F>
void expect_elements(Member& member, const Tensor& x, F&& wanted, std::int64_t stride = 1) {
  const std::vector<T> data = values_of<T>(member.stream, x);
  const std::int64_t count = x.elements();
  for (std::int64_t i = 0; i < count; i = i + 1 < count ? std::min(i + stride, count - 1) : count) {
    if (!same_bits(data[i], wanted(i))) {
      throw std::runtime_error(fmt::format("member {} of {}: element {} of {} is {}, not {}",
                                           member.rank(), member.size(), i, count, data[i],
                                           wanted(i)));
    }
  }
}

template <typename T>
void check_all_reduce(Member& member, std::int64_t count) {
  member.doing(fmt::format("all_reduce of {}", count));
  const Tensor x = tensor_of(member.stream, values<T>(member.rank(), count));
  member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
  expect_elements<T>(member, x, [&](std::int64_t i) { return expected_sum<T>(member.size(), i); });
}

/// Any order: as exact as float32 is.
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
    return static_cast<T>(value(static_cast<int>(i / count), i % count) *
                          (std::is_integral_v<T> ? 1e6F : 1.0F));
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
  expect(values_of<T>(member.stream, x) == before, "reduce_scatter leaves its input alone");
}

void check_broadcast(Member& member, std::int64_t count) {
  for (int root = 0; root < member.size(); ++root) {
    member.doing(fmt::format("broadcast of {} from {}", count, root));
    const Tensor x = tensor_of(member.stream, values<std::int32_t>(member.rank(), count));
    member.group.broadcast(member.stream, x, root);
    expect(values_of<std::int32_t>(member.stream, x) == values<std::int32_t>(root, count),
           "everybody has the root's values");
  }
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
           "what was sent arrives, in order");
  };
  for (const int round : {0, 1}) {
    // Rank 0 breaks the circle: a send may wait for its recv.
    if (member.rank() == 0) {
      send(round);
      recv(round);
    } else {
      recv(round);
      send(round);
    }
  }
}

/// Two members that want different things, `first` on rank 0 and `second` on all others: each gets
/// an Error that names both, and the group goes on.
void expect_disagreement(const CommunicatorFactory& factory, const MemberFunction& first,
                         const MemberFunction& second, const std::vector<std::string>& words) {
  factory.run("disagreement", [&](Member& member) {
    for (int turn = 0; turn < 3; ++turn) {
      member.doing("disagreeing");
      const std::string text =
          error_of([&] { member.rank() == 0 ? first(member) : second(member); });
      for (const std::string& word : words) {
        expect(text.find(word) != std::string::npos, fmt::format("'{}' names {}", text, word));
      }
      check_all_reduce<float>(member, 5);
    }
  });
}

MemberFunction summing(Shape shape, DType dtype) {
  return [=](Member& member) {
    const Tensor x(member.stream.memory(), shape, dtype, MemoryLabel::workspace);
    fill_zero(member.stream, {x});
    member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
  };
}

/// One member after another is the culprit; the others wait in `wait`.
void check_abort(const CommunicatorFactory& factory, const std::string& test,
                 const MemberFunction& wait) {
  const auto wait_out = [&](Member& member) {
    wait(member);
    if (factory.asynchronous) {
      member.stream.synchronize();
      member.group.barrier();
    }
  };
  for (int turn = 0; turn < (factory.costly ? factory.size : 40); ++turn) {
    factory.run(test, [&](Member& member) {
      const int culprit = turn % member.size();
      if (member.rank() == culprit) {
        member.group.abort("stage 7, 2F0");
        member.group.abort("somebody later");
      }
      member.doing("waiting for an abort");
      expect(culprit_of([&] { wait_out(member); }) == "stage 7, 2F0", "the wait names the culprit");
      expect(culprit_of([&] { member.group.barrier(); }) == "stage 7, 2F0",
             "and so does every later operation");
      expect(culprit_of([&] { member.group.split(0, 0); }) == "stage 7, 2F0", "a split, too");
    });
  }
}

CommunicatorFactory any_factory() { return GENERATE(from_range(communicator_factories())); }

}  // namespace

TEST_CASE("every communicator: all_reduce follows the tree") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("all_reduce", [&](Member& member) {
    expect(member.size() == factory.size, "the world has its size");
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

TEST_CASE("every communicator: all_reduce keeps the shape's elements in place") {
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
      // Element i is minus infinity on every member but one, and everywhere if i is odd.
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
      check_broadcast(member, count);
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

TEST_CASE("every communicator: split by color and key") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("split", [&](Member& member) {
    // Even and odd ranks apart, in reversed order; and everybody alone.
    const int color = member.rank() % 2;
    const auto half = member.group.split(color, -member.rank());
    const auto alone = member.group.split(member.rank(), 0);
    const int members = (member.size() - color + 1) / 2;
    expect(half->size() == members, "half has the size");
    expect(half->rank() == members - 1 - member.rank() / 2, "keys decide the rank");
    expect(alone->size() == 1 && alone->rank() == 0, "everybody is alone");
    const Tensor ranks(member.stream.memory(), {members}, DType::int32, MemoryLabel::workspace);
    half->all_gather(member.stream, tensor_of<std::int32_t>(member.stream, {member.rank()}), ranks);
    expect_elements<std::int32_t>(member, ranks, [&](std::int64_t i) {
      return static_cast<std::int32_t>(2 * (members - 1 - i) + color);
    });
    const Tensor mine = tensor_of<float>(member.stream, {1.5F});
    alone->all_reduce(member.stream, mine, ReduceOp::sum, Order::tree);
    expect(values_of<float>(member.stream, mine).front() == 1.5F, "alone is a world of one");
  }));
}

TEST_CASE("every communicator: rows and columns of a mesh, interleaved") {
  const auto factory = any_factory();
  if (factory.size != 4) {
    return;
  }
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("mesh", [&](Member& member) {
    const int row = member.rank() / 2;
    const int column = member.rank() % 2;
    const auto in_row = member.group.split(row, column);
    const auto in_column = member.group.split(column, row);
    expect(in_row->rank() == column && in_column->rank() == row, "the mesh is laid out");
    for (const std::int64_t count : {7, 100'003, 1003}) {
      member.doing(fmt::format("row then column of {}", count));
      const Tensor x = tensor_of(member.stream, values<float>(member.rank(), count));
      in_row->all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
      in_column->all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
      // Rows, then columns: the tree of four.
      expect_elements<float>(member, x, [](std::int64_t i) { return expected_sum<float>(4, i); });
      check_all_reduce<float>(member, count);
    }
  }));
}

TEST_CASE("every communicator: an abort ends every wait and names the culprit") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(
      check_abort(factory, "abort in barrier", [](Member& member) { member.group.barrier(); }));
  REQUIRE_NOTHROW(check_abort(factory, "abort in all_reduce", summing({3}, DType::float32)));
  REQUIRE_NOTHROW(
      check_abort(factory, "abort in a large all_reduce", summing({100'003}, DType::float32)));
  if (factory.size > 1) {
    REQUIRE_NOTHROW(check_abort(factory, "abort in recv", [](Member& member) {
      const Tensor x = tensor_of<float>(member.stream, {0});
      member.group.recv(member.stream, x, (member.rank() + 1) % member.size());
    }));
    REQUIRE_NOTHROW(check_abort(factory, "abort in send", [](Member& member) {
      const Tensor x = tensor_of<float>(member.stream, {0});
      member.group.send(member.stream, x, (member.rank() + 1) % member.size());
    }));
  }
}

TEST_CASE("every communicator: a thread that is no member aborts a member's wait") {
  const auto factory = any_factory();
  INFO(factory.name);
  for (int turn = 0; turn < (factory.costly ? 1 : 20); ++turn) {
    REQUIRE_NOTHROW(factory.run("guard", [&](Member& member) {
      std::thread guard;
      if (member.rank() == 0) {
        guard = std::thread([&] { member.group.abort("the guard"); });
      }
      const auto finally = [&] {
        if (guard.joinable()) {
          guard.join();
        }
      };
      member.doing("meeting until the guard comes");
      const std::string culprit = culprit_of([&] {
        for (;;) {
          member.group.barrier();
        }
      });
      finally();
      expect(culprit == "the guard", "the guard is named");
    }));
  }
}

TEST_CASE("every communicator: an abort reaches all groups split from the world") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("abort after split", [&](Member& member) {
    // The abort may already meet a member in its message to rank 0.
    const std::string culprit = culprit_of([&] {
      const auto half = member.group.split(member.rank() % 2, 0);
      const auto again = half->split(0, 0);
      const Tensor x = tensor_of<float>(member.stream, {0});
      if (member.rank() > 0) {
        member.group.send(member.stream, x, 0);
      }
      for (int from = 1; member.rank() == 0 && from < member.size(); ++from) {
        member.group.recv(member.stream, x, from);
      }
      if (member.rank() == 0) {
        again->abort("rank 0 of a half");
      }
      member.doing("meeting in a half");
      for (;;) {
        again->barrier();
      }
    });
    expect(culprit == "rank 0 of a half", "members of the other half hear of it");
    expect(culprit_of([&] { member.group.barrier(); }) == culprit, "the world is over, too");
  }));
}

TEST_CASE("every communicator: members that disagree are both named") {
  const auto factory = any_factory();
  INFO(factory.name);
  if (factory.size == 1 || !factory.sees_disagreement) {
    return;
  }
  const auto small = summing({2, 3}, DType::float32);
  const MemberFunction barrier = [](Member& member) { member.group.barrier(); };
  const auto disagree = [&](const auto& first, const auto& second,
                            const std::vector<std::string>& words) {
    REQUIRE_NOTHROW(expect_disagreement(factory, first, second, words));
  };
  disagree(small, summing({3, 2}, DType::float32), {"rank 0", "rank 1", "[2, 3]", "[3, 2]"});
  disagree(small, summing({200'000}, DType::float32), {"rank 0", "rank 1", "[2, 3]", "[200000]"});
  disagree(small, summing({2, 3}, DType::float64), {"rank 0", "rank 1", "float32", "float64"});
  disagree(small, barrier, {"rank 0", "rank 1", "all_reduce", "barrier"});
  disagree(barrier, small, {"rank 0", "rank 1", "all_reduce", "barrier"});
}

TEST_CASE("every communicator: the ends of a message that disagree are both named") {
  const auto factory = any_factory();
  INFO(factory.name);
  if (factory.size != 2 || !factory.sees_disagreement) {
    return;
  }
  const auto send = [](Member& member) {
    member.group.send(member.stream, tensor_of<float>(member.stream, {1, 2, 3}), 1);
  };
  const auto recv = [](Member& member) {
    member.group.recv(member.stream, tensor_of<float>(member.stream, {1, 2}), 0);
  };
  REQUIRE_NOTHROW(
      expect_disagreement(factory, send, recv, {"rank 0", "rank 1", "send", "recv", "[3]", "[2]"}));
}

TEST_CASE("every communicator: a call that makes no sense is an error on every member") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("faults", [&](Member& member) {
    Stream& stream = member.stream;
    Communicator& group = member.group;
    const Tensor x = tensor_of<float>(stream, {1, 2, 3});
    const Tensor doubles = tensor_of<double>(stream, {1, 2, 3});
    const Tensor integers = tensor_of<std::int32_t>(stream, {1, 2, 3});
    const auto fails = [&](const std::string& word, auto&& f) {
      const std::string text = error_of(f);
      expect(text.find(word) != std::string::npos, fmt::format("'{}' names {}", text, word));
    };
    fails("no sum", [&] { group.all_reduce(stream, integers, ReduceOp::sum, Order::tree); });
    fails("no maximum", [&] { group.all_reduce(stream, doubles, ReduceOp::maximum, Order::tree); });
    fails("empty", [&] { group.all_reduce(stream, {}, ReduceOp::sum, Order::tree); });
    fails("do not make", [&] { group.all_gather(stream, x, x.rows(0, 2)); });
    fails("the whole is", [&] { group.all_gather(stream, x, doubles); });
    fails("do not make", [&] { group.reduce_scatter(stream, x, x.rows(0, 0), Order::tree); });
    fails("not in a group", [&] { group.broadcast(stream, x, member.size()); });
    fails("not in a group", [&] { group.broadcast(stream, x, -1); });
    fails("not in a group", [&] { group.send(stream, x, member.size()); });
    fails("itself", [&] { group.send(stream, x, member.rank()); });
    fails("itself", [&] { group.recv(stream, x, member.rank()); });
    check_all_reduce<float>(member, 3);
  }));
}

TEST_CASE("every communicator: thousands of small operations in a row") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("stress", [&](Member& member) {
    const auto half = member.group.split(member.rank() / 2, 0);
    const Tensor x = tensor_of(member.stream, values<float>(member.rank(), 37));
    const Tensor pair = tensor_of(member.stream, values<float>(member.rank(), 5));
    const int other = member.rank() ^ 1;
    for (int turn = 0; turn < (factory.costly ? 20 : 2000); ++turn) {
      member.doing(fmt::format("turn {}", turn));
      const std::vector<float> first = {static_cast<float>(turn + member.rank())};
      copy_from_host(member.stream, std::span<const float>(first), x.rows(0, 1));
      member.group.all_reduce(member.stream, x.rows(0, 1), ReduceOp::sum, Order::tree);
      const int size = member.size();
      expect(*values_of<float>(member.stream, x).data() == size * turn + size * (size - 1) / 2,
             "the sum of this turn, not of another");
      half->all_reduce(member.stream, x, ReduceOp::maximum, Order::tree);
      if (other < size && member.rank() < other) {
        member.group.send(member.stream, x, other);
      } else if (other < size) {
        member.group.recv(member.stream, x, other);
      }
      member.group.broadcast(member.stream, pair, turn % size);
    }
  }));
}

}  // namespace stagecraft::test

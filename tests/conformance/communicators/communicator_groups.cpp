// Groups that their members make without the other ranks of the world.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/conformance/communicators/collective_values.h"
#include "tests/conformance/communicators/communicator.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

/// The group consists of `members`, world ranks, in this order.
void expect_members(Member& member, Communicator& group, const std::vector<int>& members) {
  expect(group.size() == static_cast<int>(members.size()), "the group has the members' number");
  expect(members.at(static_cast<std::size_t>(group.rank())) == member.rank(),
         "the order of the members decides the rank");
  const Tensor ranks(member.stream.memory(), {group.size()}, DType::int32, MemoryLabel::workspace);
  group.all_gather(member.stream, tensor_of<std::int32_t>(member.stream, {member.rank()}), ranks);
  expect_elements<std::int32_t>(
      member, ranks, [&](std::int64_t i) { return members[static_cast<std::size_t>(i)]; });
}

/// All pairs of ranks, in ascending order.
std::vector<std::vector<int>> pairs_of(int size) {
  std::vector<std::vector<int>> pairs;
  for (int low = 0; low < size; ++low) {
    for (int high = low + 1; high < size; ++high) {
      pairs.push_back({low, high});
    }
  }
  return pairs;
}

bool has(const std::vector<int>& members, int rank) {
  return std::find(members.begin(), members.end(), rank) != members.end();
}

}  // namespace

TEST_CASE("every communicator: a group has the members that were asked for, in their order") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("orders", [&](Member& member) {
    std::vector<int> members = all_ranks(member.group);
    int tag = 0;
    do {
      member.doing(fmt::format("group {}", tag));
      const auto group = member.group.make_group(members, tag++);
      expect_members(member, *group, members);
    } while (std::next_permutation(members.begin(), members.end()) && !factory.costly);
  }));
}

TEST_CASE("every communicator: groups without a common member may have one tag") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("halves", [&](Member& member) {
    auto members =
        ranks_where(member.group, [&](int rank) { return rank % 2 == member.rank() % 2; });
    std::reverse(members.begin(), members.end());
    const auto half = member.group.make_group(members, 5);
    const auto alone = member.group.make_group({member.rank()}, 5);
    expect_members(member, *half, members);
    expect_members(member, *alone, {member.rank()});
    const Tensor mine = tensor_of<float>(member.stream, {1.5F});
    alone->all_reduce(member.stream, mine, ReduceOp::sum, Order::tree);
    alone->barrier();
    expect(values_of<float>(member.stream, mine).front() == 1.5F,
           "a group of one returns its input");
  }));
}

TEST_CASE("every communicator: ranks outside of a group take no part in making it") {
  const auto factory = any_factory();
  INFO(factory.name);
  if (factory.size < 2) {
    return;
  }
  REQUIRE_NOTHROW(factory.run("outside", [&](Member& member) {
    const int outside = member.size() - 1;
    const Tensor x = tensor_of<float>(member.stream, {static_cast<float>(member.rank())});
    if (member.rank() == outside) {
      member.doing("receiving until the others have their group");
      member.group.recv(member.stream, x, 0);
      expect(values_of<float>(member.stream, x).front() == 0, "the message is of rank 0");
      return;
    }
    const auto members = ranks_where(member.group, [&](int rank) { return rank != outside; });
    const auto group = member.group.make_group(members, 0);
    expect_members(member, *group, members);
    if (member.rank() == 0) {
      member.group.send(member.stream, x, outside);
    }
  }));
}

TEST_CASE("every communicator: overlapping groups, made by all in one order") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("pairs", [&](Member& member) {
    std::vector<std::unique_ptr<Communicator>> groups;
    const auto pairs = pairs_of(member.size());
    for (std::size_t tag = 0; tag < pairs.size(); ++tag) {
      member.doing(fmt::format("making group {}", tag));
      groups.push_back(has(pairs[tag], member.rank())
                           ? member.group.make_group(pairs[tag], static_cast<int>(tag))
                           : nullptr);
    }
    for (const std::int64_t count : {5, 40'000}) {
      for (std::size_t tag = 0; tag < pairs.size(); ++tag) {
        if (groups[tag] == nullptr) {
          continue;
        }
        member.doing(fmt::format("a sum of {} in group {}", count, tag));
        const Tensor x = tensor_of(member.stream, values<float>(groups[tag]->rank(), count));
        groups[tag]->all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
        expect_elements<float>(member, x, [](std::int64_t i) { return expected_sum<float>(2, i); });
      }
    }
  }));
}

TEST_CASE("every communicator: a group of members of a group") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("nested", [&](Member& member) {
    auto members = all_ranks(member.group);
    std::reverse(members.begin(), members.end());
    const auto reversed = member.group.make_group(members, 0);
    // Ranks of the reversed group, in ascending order.
    const auto again = reversed->make_group(all_ranks(*reversed), 1);
    expect_members(member, *again, members);
    const auto pair = ranks_where(*reversed, [&](int rank) { return rank < 2; });
    if (reversed->rank() < 2) {
      const auto highest = reversed->make_group(pair, 2);
      members.resize(pair.size());
      expect_members(member, *highest, members);
    }
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
    const auto in_row = member.group.make_group({2 * row, 2 * row + 1}, 0);
    const auto in_column = member.group.make_group({column, column + 2}, 1);
    expect(in_row->rank() == column && in_column->rank() == row,
           "the ranks are the mesh coordinates");
    for (const std::int64_t count : {7, 100'003, 1003}) {
      member.doing(fmt::format("row then column of {}", count));
      const Tensor x = tensor_of(member.stream, values<float>(member.rank(), count));
      in_row->all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
      in_column->all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
      // Rows, then columns: the same as the tree of four.
      expect_elements<float>(member, x, [](std::int64_t i) { return expected_sum<float>(4, i); });
      check_all_reduce<float>(member, count);
    }
  }));
}

TEST_CASE("every communicator: an abort ends the wait for a member that never comes") {
  const auto factory = any_factory();
  INFO(factory.name);
  if (factory.size < 2) {
    return;
  }
  for (int missing = 0; missing < factory.size; ++missing) {
    REQUIRE_NOTHROW(factory.run("a missing member", [&](Member& member) {
      const std::vector<int> everyone = all_ranks(member.group);
      const Tensor x = tensor_of<float>(member.stream, {0});
      // The abort may reach a member in its message.
      const std::string culprit = culprit_of([&] {
        for (const int other : everyone) {
          if (member.rank() == missing && other != missing) {
            member.group.recv(member.stream, x, other);
          }
        }
        if (member.rank() == missing) {
          member.group.abort("the missing rank");
        } else {
          member.group.send(member.stream, x, missing);
        }
        member.doing("making a group without the missing rank");
        member.group.make_group(everyone, 0)->barrier();
      });
      expect(culprit == "the missing rank", "the culprit is named");
    }));
  }
}

TEST_CASE("every communicator: members that cannot form a group are named") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("bad members", [&](Member& member) {
    const int rank = member.rank();
    const int size = member.size();
    const auto fails = [&](const std::string& word, const std::vector<int>& members, int tag) {
      const std::string text = error_of([&] { member.group.make_group(members, tag); });
      expect(text.find(word) != std::string::npos, fmt::format("'{}' names {}", text, word));
    };
    fails("the caller is not a member", {}, 0);
    fails(fmt::format("rank {} is not in a group of {}", size, size), {rank, size}, 0);
    fails("rank -1 is not in a group", {-1, rank}, 0);
    fails("a rank occurs twice", {rank, rank}, 0);
    fails("tags begin at 0", {rank}, -1);
    if (size > 1) {
      fails("the caller is not a member", {(rank + 1) % size}, 0);
    }
    check_all_reduce<float>(member, 3);
  }));
}

}  // namespace stagecraft::test

#include "kernels/core/free_list.h"

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <random>

namespace stagecraft {
namespace {

constexpr std::int64_t kAlignment = 64;

/// Memory that stands for a device's; only its addresses are used.
struct Device {
  std::array<char, 1 << 22> bytes{};
  std::int64_t used = 0;

  /// As a pool takes memory while the device has some, or where `full` when it has none.
  void* take(FreeList& list, std::int64_t size, bool full) {
    void* piece = list.take(size);
    piece = piece == nullptr && full ? list.take_cut(size) : piece;
    return piece != nullptr ? piece : fresh(list, size);
  }
  void* fresh(FreeList& list, std::int64_t size) {
    char* const data = bytes.data() + used;
    used += size;
    REQUIRE(used <= static_cast<std::int64_t>(bytes.size()));
    list.add({data, size});
    return data;
  }
};

}  // namespace

TEST_CASE("sizes are multiples of the alignment, and at least that") {
  const FreeList list(kAlignment);
  CHECK(list.rounded(0) == 64);
  CHECK(list.rounded(64) == 64);
  CHECK(list.rounded(65) == 128);
}

TEST_CASE("a piece serves the next request of its size, the last one returned first") {
  Device device;
  FreeList list(kAlignment);
  void* const first = device.fresh(list, 128);
  void* const second = device.fresh(list, 128);
  CHECK(list.take(128) == nullptr);
  list.give_back(first, 128);
  list.give_back(second, 128);
  CHECK(list.take(128) == second);
  CHECK(list.take(128) == first);
  CHECK(list.take(128) == nullptr);
}

TEST_CASE("without memory of the device, a size is cut from the smallest larger piece") {
  Device device;
  FreeList list(kAlignment);
  auto* const large = static_cast<char*>(device.fresh(list, 1024));
  auto* const small = static_cast<char*>(device.fresh(list, 256));
  list.give_back(large, 1024);
  list.give_back(small, 256);
  CHECK(list.take(128) == nullptr);
  CHECK(list.take_cut(128) == small);
  CHECK(list.take(128) == small + 128);
  CHECK(list.take_cut(128) == large);
  CHECK(list.take(896) == large + 128);
  CHECK(list.take_cut(64) == nullptr);
}

TEST_CASE("neighbouring pieces of one segment are joined, of two segments are not") {
  Device device;
  FreeList list(kAlignment);
  auto* const first = static_cast<char*>(device.fresh(list, 512));
  auto* const second = static_cast<char*>(device.fresh(list, 512));  // begins where the first ends
  list.give_back(first, 512);
  CHECK(list.take_cut(128) == first);
  CHECK(list.take(384) == first + 128);
  list.give_back(second, 512);
  list.give_back(first + 128, 384);
  list.give_back(first, 128);
  CHECK(list.take_cut(1024) == nullptr);
  CHECK(list.take(512) != nullptr);
  CHECK(list.take(512) != nullptr);
  CHECK(list.take_cut(64) == nullptr);
}

TEST_CASE("only segments without a live piece can go back to the device") {
  Device device;
  FreeList list(kAlignment);
  auto* const first = static_cast<char*>(device.fresh(list, 512));
  auto* const second = static_cast<char*>(device.fresh(list, 512));
  list.give_back(first, 512);
  list.give_back(second, 512);
  REQUIRE(list.take_cut(64) == second);
  const std::vector<FreeList::Segment> unused = list.take_unused_segments();
  REQUIRE(unused.size() == 1);
  CHECK(unused.front().data == first);
  CHECK(unused.front().bytes == 512);
  REQUIRE(list.segments().size() == 1);
  CHECK(list.segments().front().data == second);
  CHECK(list.take(512) == nullptr);
  CHECK(list.take(448) == second + 64);
}

TEST_CASE("live pieces never overlap, and a repeated sequence needs no more memory") {
  const bool full = GENERATE(false, true);
  Device device;
  FreeList list(kAlignment);
  std::int64_t settled = 0;
  for (int round = 0; round < 8; ++round) {
    std::mt19937 random(7);
    std::vector<FreeList::Segment> order;  // as they were taken: the sequence is that of any round
    std::map<char*, std::int64_t> live;
    const auto return_one = [&](std::size_t which) {
      list.give_back(order[which].data, order[which].bytes);
      live.erase(static_cast<char*>(order[which].data));
      order.erase(order.begin() + static_cast<std::ptrdiff_t>(which));
    };
    for (int i = 0; i < 2000; ++i) {
      if (order.size() < 40 && random() % 2 == 0) {
        const std::int64_t size = list.rounded(static_cast<std::int64_t>(random() % 4000));
        auto* const data = static_cast<char*>(device.take(list, size, full));
        const auto next = live.lower_bound(data);
        CHECK((next == live.end() || data + size <= next->first));
        CHECK((next == live.begin() || std::prev(next)->first + std::prev(next)->second <= data));
        live[data] = size;
        order.push_back({data, size});
      } else if (!order.empty()) {
        return_one(random() % order.size());
      }
    }
    while (!order.empty()) {
      return_one(order.size() - 1);
    }
    settled = round == (full ? 3 : 0) ? device.used : settled;
  }
  CHECK(device.used == settled);
}

}  // namespace stagecraft

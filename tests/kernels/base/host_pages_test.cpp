#include "kernels/base/host_pages.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr std::int64_t kMuch = std::numeric_limits<std::int64_t>::max();

TEST_CASE("pages are zero, there, and can be written to their end") {
  for (const std::int64_t bytes : {std::int64_t{1}, 4096 * std::int64_t{3} + 5, 65 * kMiB}) {
    const HostPages pages(bytes, {}, [] { return kMuch; });
    const std::span<std::byte> all = pages.bytes();
    REQUIRE(all.size() == static_cast<std::size_t>(bytes));
    CHECK(std::ranges::all_of(all, [](std::byte byte) { return byte == std::byte{0}; }));
    std::ranges::fill(all, std::byte{7});
  }
  CHECK(HostPages(0, {}, [] { return kMuch; }).bytes().empty());
}

TEST_CASE("pages are refused that the host would miss, at once or while they are taken") {
  int asked = 0;
  const auto take = [&](std::int64_t first, std::int64_t later) {
    asked = 0;
    const HostPages pages(130 * kMiB, {}, [&] { return asked++ == 0 ? first : later; });
  };
  CHECK_THROWS_WITH(take(HostPages::kReserve + 130 * kMiB - 1, 0),
                    Contains("[HostPages] the host has") && Contains("beside 136314880 more"));
  CHECK(asked == 1);
  // Another process takes memory meanwhile.
  CHECK_THROWS_AS(take(kMuch, HostPages::kReserve + 66 * kMiB - 1), Error);
  CHECK(asked == 2);
  take(HostPages::kReserve + 130 * kMiB, HostPages::kReserve + 66 * kMiB);
  CHECK(asked == 3);  // one question a block of 64 MiB
}

TEST_CASE("taking pages ends when it is asked to") {
  std::stop_source stop;
  int asked = 0;
  const auto left = [&] {
    ++asked;
    stop.request_stop();
    return kMuch;
  };
  CHECK_THROWS_WITH(HostPages(1024 * kMiB, stop.get_token(), left), Contains("no longer wanted"));
  CHECK(asked == 1);
}

TEST_CASE("more than an address space is an error") {
  CHECK_THROWS_WITH(HostPages(std::int64_t{1} << 60, {}, [] { return kMuch; }),
                    Contains("maps no"));
}

}  // namespace
}  // namespace stagecraft

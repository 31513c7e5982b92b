#include "launch/run/request_filter.h"

#include <catch2/catch.hpp>

namespace stagecraft {

TEST_CASE("requests within five seconds of the first are one, and a later one is another") {
  constexpr std::int64_t kSecond = 1'000'000'000;
  RequestFilter filter;
  CHECK(filter.is_new(100 * kSecond));
  CHECK_FALSE(filter.is_new(100 * kSecond + 1));
  CHECK_FALSE(filter.is_new(105 * kSecond - 1));
  CHECK(filter.is_new(105 * kSecond));
  CHECK_FALSE(filter.is_new(109 * kSecond));
}

}  // namespace stagecraft

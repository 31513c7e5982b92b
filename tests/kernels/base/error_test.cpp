#include "kernels/base/error.h"

#include <catch2/catch.hpp>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace stagecraft {
namespace {

/// Counts how often its text is made.
struct Counted {
  int* times;
};

std::string to_string(const Counted& counted) { return std::to_string(++*counted.times); }

}  // namespace
}  // namespace stagecraft

template <>
struct fmt::formatter<stagecraft::Counted> : stagecraft::ToStringFormatter<stagecraft::Counted> {};

namespace stagecraft {

TEST_CASE("a check makes its text only when it throws") {
  int times = 0;
  require(true, "place", "{}", Counted{&times});
  CHECK(times == 0);
  CHECK_THROWS_WITH(require(false, "place", "{} of {}", Counted{&times}, "text"),
                    "[place] 1 of text");
  CHECK(times == 1);
}

TEST_CASE("checks take shapes, dtypes and devices as they are") {
  const Device device{DeviceKind::cuda, 3};
  CHECK_THROWS_WITH(require(false, "place", "{} {} on {}", DType::bfloat16, Shape{2, 3}, device),
                    "[place] bfloat16 [2, 3] on cuda:3");
  CHECK_THROWS_WITH(require(false, "place", "{}", Shape{}), "[place] []");
}

}  // namespace stagecraft

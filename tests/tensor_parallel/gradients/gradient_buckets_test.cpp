#include "tensor_parallel/gradients/gradient_buckets.h"

#include <catch2/catch.hpp>

#include "kernels/base/random.h"
#include "tests/conformance/members.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kElements = 70'001;

std::vector<float> gradients_of(int rank) {
  std::vector<float> values(kElements);
  fill_normal({.key = random_key(static_cast<std::uint64_t>(rank), "gradient")}, 0, kElements, 1.0F,
              values.data());
  return values;
}

/// Every member's result, by rank.
std::vector<std::vector<float>> reduced(int size, std::int64_t bucket_bytes) {
  std::vector<std::vector<float>> results(size);
  run_local("start_reducing", size, [&](Member& member) {
    const Tensor x = tensor_of(member.stream, gradients_of(member.rank()));
    member.stream.wait(start_reducing(member.stream, member.group, x, bucket_bytes));
    results.at(member.rank()) = values_of<float>(member.stream, x);
  });
  return results;
}

}  // namespace

TEST_CASE("the bucket size changes no bit of a gradient") {
  const int size = GENERATE(1, 2, 3, 4);
  const auto whole = reduced(size, kBucketBytes);
  for (int rank = 1; rank < size; ++rank) {
    CHECK(whole.at(rank) == whole.at(0));
  }
  for (const std::int64_t bucket_bytes : {std::int64_t{4} * kElements, std::int64_t{4} * 35'001,
                                          std::int64_t{300'003}, std::int64_t{4096}}) {
    CHECK(reduced(size, bucket_bytes) == whole);
  }
}

TEST_CASE("gradients are summed over the group") {
  const auto result = reduced(3, 4096).at(0);
  const auto a = gradients_of(0);
  const auto b = gradients_of(1);
  const auto c = gradients_of(2);
  for (std::size_t i = 0; i < result.size(); i += 997) {
    CHECK(result.at(i) == (a.at(i) + b.at(i)) + c.at(i));
  }
}

TEST_CASE("a bucket too small for one gradient, and an arena with two dimensions, are errors") {
  run_local("bad buckets", 1, [](Member& member) {
    const Tensor x = tensor_of<float>(member.stream, {1, 2, 3, 4}, {2, 2});
    const auto fails = [&](const Tensor& gradients, std::int64_t bucket_bytes) {
      try {
        member.stream.wait(start_reducing(member.stream, member.group, gradients, bucket_bytes));
      } catch (const Error&) {
        return true;
      }
      return false;
    };
    expect(fails(x, 16), "two dimensions are an error");
    expect(fails(x.view({4}), 3), "three bytes are an error");
    expect(!fails(x.view({4}), 4), "one element at a time is slow, but right");
    expect(!fails(x.view({4}).rows(0, 0), 16), "no gradients need no reduction");
  });
}

}  // namespace stagecraft::test

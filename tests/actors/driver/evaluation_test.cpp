// Which batches of an evaluation are ordered when, and the sum of its losses.
#include "actors/driver/evaluation.h"

#include <catch2/catch.hpp>
#include <utility>

namespace stagecraft {
namespace {

constexpr double kLarge = 1e16;  // the next double is 2 away, so a sum shows its order

RankResults done(int rank, const std::vector<double>& losses) {
  return {rank, to_wire_all(losses), {}};
}

using Range = std::pair<std::int64_t, std::int64_t>;
constexpr Range kNothing{-1, 0};

/// The first batch and the number of batches that are ordered next.
Range ordered(Evaluation& evaluation) {
  const std::optional<PassRange> next = evaluation.next();
  return next ? Range(next->first, next->batches) : kNothing;
}

TEST_CASE("an evaluation orders a few batches ahead, and no batch twice") {
  Evaluation evaluation(7, 5, 2);
  CHECK(ordered(evaluation) == Range(0, 2));
  CHECK(ordered(evaluation) == kNothing);
  evaluation.add(1, {done(0, {2})}, {4});
  CHECK(ordered(evaluation) == Range(2, 1));
  evaluation.add(0, {done(0, {2})}, {4});
  evaluation.add(2, {done(0, {2})}, {4});
  CHECK(ordered(evaluation) == Range(3, 2));
  evaluation.add(3, {done(0, {2})}, {4});
  CHECK(ordered(evaluation) == kNothing);
  CHECK_FALSE(evaluation.has_ended());
  evaluation.add(4, {done(0, {2})}, {4});
  CHECK(evaluation.has_ended());
  CHECK(evaluation.is_whole());
  CHECK(evaluation.step() == 7);
}

TEST_CASE("an evaluation that is stopped ends with the batches that are ordered") {
  Evaluation evaluation(7, 5, 2);
  CHECK(ordered(evaluation) == Range(0, 2));
  evaluation.add(0, {done(0, {2})}, {4});
  evaluation.stop();
  CHECK(ordered(evaluation) == kNothing);
  CHECK_FALSE(evaluation.has_ended());
  evaluation.add(1, {done(0, {2})}, {4});
  CHECK(evaluation.has_ended());
  CHECK_FALSE(evaluation.is_whole());
  CHECK(evaluation.done() == 2);
}

TEST_CASE("an evaluation that is stopped before it begins has ended") {
  Evaluation evaluation(7, 5, 2);
  evaluation.stop();
  CHECK(ordered(evaluation) == kNothing);
  CHECK(evaluation.has_ended());
}

TEST_CASE("the sum of an evaluation's losses does not depend on the order of its batches") {
  const std::vector<std::vector<RankResults>> batches = {{done(0, {kLarge, 1}), done(1, {1})},
                                                         {done(0, {}), done(1, {-kLarge})}};
  for (const auto& order : {std::vector<std::size_t>{0, 1}, {1, 0}}) {
    Evaluation evaluation(1, 2, 2);
    CHECK(ordered(evaluation) == Range(0, 2));
    for (const std::size_t batch : order) {
      evaluation.add(static_cast<std::int64_t>(batch), batches[batch], {4});
    }
    CHECK(evaluation.means() == std::vector{0.0});  // each 1 is rounded away beside 1e16
  }
}

TEST_CASE("an evaluation divides each loss by what it counts in all batches") {
  Evaluation evaluation(1, 2, 2);
  CHECK(ordered(evaluation) == Range(0, 2));
  evaluation.add(1, {done(0, {}), done(1, {1, 10})}, {1, 0});
  evaluation.add(0, {done(0, {2, 20, 4, 40}), done(1, {})}, {6, 2});
  CHECK(evaluation.means() == std::vector{7.0 / 7, 70.0 / 2});
}

TEST_CASE("an evaluation refuses a batch that was not ordered, and one that comes twice") {
  Evaluation evaluation(1, 3, 2);
  CHECK(ordered(evaluation) == Range(0, 2));
  evaluation.add(1, {done(0, {2.5})}, {4});
  CHECK_THROWS_WITH(evaluation.add(1, {done(0, {2.5})}, {4}),
                    "[evaluation] batch 1 was reported twice");
  CHECK_THROWS_WITH(evaluation.add(2, {done(0, {2.5})}, {4}),
                    "[evaluation] batch 2 was reported, and 2 of 3 are ordered");
}

}  // namespace
}  // namespace stagecraft

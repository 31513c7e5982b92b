#include "kernels/base/nearest.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace stagecraft;

TEST_CASE("edit distance counts insertions, deletions, replacements and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("layers", "layer") == 1);
  CHECK(edit_distance("layers", "lyaers") == 1);
  CHECK(edit_distance("heads", "heats") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest key has the same leaf in another section before anything else") {
  const std::vector<std::string> names{"train.epsilon", "model.dropout", "train.steps"};
  CHECK(nearest_key("train.dropout", names) == "model.dropout");
  CHECK(nearest_key("train.step", names) == "train.steps");
  CHECK(nearest_key("steps", names) == "train.steps");
}

TEST_CASE("a word of any length has a nearest one, and no words have none") {
  const std::vector<std::string> words{"model", "train"};
  CHECK_FALSE(nearest(std::string(1'000'000, 'x'), words).empty());
  CHECK(nearest("model", {}).empty());
}

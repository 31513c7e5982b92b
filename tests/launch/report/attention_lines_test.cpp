#include "launch/report/attention_lines.h"

#include <catch2/catch.hpp>

#include "tests/launch/example_config.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

/// For a run in bf16 with heads of 16 numbers, on GPUs.
std::string lines_for(std::vector<std::string> sets, bool cudnn = true) {
  sets.insert(sets.begin(), {"train.precision=bf16", "device.backend=cuda"});
  return attention_lines(resolve(example(sets), 2), cudnn);
}

TEST_CASE("the plan says why attention on GPUs takes the slow kernel") {
  CHECK(lines_for({}).empty());
  CHECK_THAT(lines_for({}, false), Contains("slow: this build has no cuDNN"));
  CHECK_THAT(lines_for({"model.hidden=48"}), Contains("of a multiple of 8 up to 256, not 12"));
  CHECK_THAT(lines_for({"model.hidden=1056"}), Contains("not 264"));
  CHECK_THAT(lines_for({"train.precision=tf32"}), Contains("train.precision = \"bf16\""));
  CHECK_THAT(lines_for({"device.backend=auto", "model.hidden=48"}), Contains("on GPUs by the own"));
  CHECK(lines_for({"device.backend=cpu", "train.precision=float32"}).empty());
}

TEST_CASE("the plan says on what cuDNN's masks of dropout depend") {
  CHECK_THAT(lines_for({"model.dropout=0.1"}),
             Contains("another micro_batch or tensor size draws other masks"));
  CHECK_THAT(lines_for({"model.dropout=0.1"}, false), !Contains("masks"));
}

}  // namespace
}  // namespace stagecraft

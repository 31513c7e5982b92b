#include "launch/report/compare_runs.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>

#include "kernels/base/error.h"
#include "kernels/base/posix_file_system.h"
#include "launch/report/comparison_text.h"
#include "tests/models/checkpoint/whole_checkpoint.h"
#include "tests/models/parameters/memory_state.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

/// Two folders with what runs leave.
class Runs {
 public:
  Runs() {
    for (const auto& run : paths) {
      std::filesystem::create_directory(run);
    }
  }

  void metrics(std::size_t run, const std::string& rows) const {
    std::ofstream(paths.at(run) / "metrics.jsonl") << rows;
  }
  void hashes(std::size_t run, const std::string& rows) const {
    std::ofstream(paths.at(run) / "state_hashes.jsonl") << rows;
  }
  /// With one element of the second block's moment changed in the second run.
  void checkpoint(std::size_t run, std::int64_t step, bool changed) {
    struct Changed : StateReader {
      void read(const StatePiece& piece, std::span<float> values) const override {
        state.read(piece, values);
        if (changes && piece.kind == StateKind::first_moment && piece.parameter.name == "h.1.w") {
          values[7] += 1;
        }
      }
      explicit Changed(const std::vector<ParameterSpec>& parameters) : state(parameters) {}
      test::MemoryState state;
      bool changes = false;
    } values(parameters);
    values.changes = changed && run == 1;
    test::save_whole(files, paths.at(run) / "checkpoints", step, parameters, values);
  }
  RunComparison compared() { return compare_runs(files, paths); }
  std::string text() { return comparison_text(compared(), paths); }

  PosixFileSystem files;
  TemporaryFolder folder;
  std::array<std::filesystem::path, 2> paths{folder.path() / "a", folder.path() / "b"};
  std::vector<ParameterSpec> parameters{
      {"wte", {4, 3}, {}, {}}, {"h.0.w", {2, 5}, {}, {}}, {"h.1.w", {3, 4}, {}, {}}};
};

std::string steps(std::int64_t count, const std::function<double(std::int64_t)>& loss) {
  std::string rows;
  for (std::int64_t step = 1; step <= count; ++step) {
    rows += fmt::format("{{\"step\": {}, \"loss\": {}}}\n", step, loss(step));
  }
  return rows;
}

TEST_CASE("runs with equal values are equal as far as both go, whatever their times") {
  Runs runs;
  runs.metrics(0, R"({"step": 1, "loss": 2, "step_seconds": 1}
{"step": 2, "loss": 1.5, "step_seconds": 1}
)");
  runs.metrics(1, R"({"step": 1, "loss": 2, "step_seconds": 3}
)");
  CHECK(runs.compared().equal());
  CHECK(runs.compared().last_step == 1);
  CHECK_THAT(runs.text(), Contains("equal as far as both go, to step 1"));
}

TEST_CASE(
    "the first step is the first in which a value differs, and what would find more is said") {
  Runs runs;
  runs.metrics(0, steps(9, [](std::int64_t) { return 2.0; }));
  runs.metrics(1, steps(9, [](std::int64_t step) { return step < 6 ? 2.0 : 1.0 / 4; }));
  const RunComparison comparison = runs.compared();
  REQUIRE(comparison.value);
  CHECK(comparison.value->step == 6);
  CHECK(comparison.value->key == "loss");
  CHECK(comparison.value->values == std::array<std::string, 2>{"2", "0.25"});
  CHECK_FALSE(comparison.equal());
  CHECK_THAT(runs.text(), Contains("Step 6 is the first whose metrics differ: loss is 2 in") &&
                              Contains("metrics.state_hash_every = 1"));
}

TEST_CASE("hashes name the tensor, its kind and its block") {
  Runs runs;
  for (const std::size_t run : {0U, 1U}) {
    runs.metrics(run, steps(9, [](std::int64_t) { return 2.0; }));
    runs.hashes(run,
                fmt::format(R"({{"step":3,"tensors":{{"wte":["1","2","3"],"h.1.w":["4","5","6"]}}}}
{{"step":6,"tensors":{{"wte":["1","2","3"],"h.1.w":["4","{}","8"],"x":["{}","0","0"]}}}}
)",
                            run, run));
  }
  const RunComparison comparison = runs.compared();
  REQUIRE(comparison.tensor);
  CHECK(comparison.tensor->step == 6);
  CHECK(comparison.tensor->name == "h.1.w");
  CHECK(comparison.tensor->kind == StateKind::first_moment);
  CHECK(comparison.tensor->differ == 2);
  CHECK(comparison.tensor->tensors == 3);
  CHECK_FALSE(comparison.value);
  CHECK_THAT(runs.text(), Contains("in 2 of 3; the first is h.1.w, first moment of transformer "
                                   "block 1") &&
                              Contains("checkpoint.every = 6"));
}

TEST_CASE("two checkpoints of the step name the element, with both values and bits") {
  Runs runs;
  for (const std::size_t run : {0U, 1U}) {
    runs.checkpoint(run, 4, false);
    runs.checkpoint(run, 8, true);
  }
  const RunComparison comparison = runs.compared();
  CHECK(comparison.checkpoints == std::vector<std::int64_t>{4, 8});
  REQUIRE(comparison.tensor);
  CHECK(comparison.tensor->step == 8);
  REQUIRE(comparison.element);
  CHECK(comparison.element->index == Shape{1, 3});
  const float was = test::state_value(StateKind::first_moment, 2, 7);
  CHECK(comparison.element->values == std::array<float, 2>{was, was + 1});
  CHECK_THAT(runs.text(), Contains("Its first element that differs is [1, 3]: ") &&
                              Contains(fmt::format("{:.9g} (0x", was)));
}

TEST_CASE("runs that cannot be compared are errors") {
  Runs runs;
  CHECK_THROWS_WITH(runs.compared(), Contains("has neither metrics.jsonl with rows nor"));
  runs.metrics(0, R"({"step": 1, "loss": 2})");
  runs.metrics(1, R"({"step": 2, "loss": 2})");
  CHECK_THROWS_WITH(runs.compared(), Contains("has no step in common with"));
  runs.paths[1] = runs.folder.path() / "none";
  CHECK_THROWS_WITH(runs.compared(), Contains("does not exist"));
}

}  // namespace
}  // namespace stagecraft

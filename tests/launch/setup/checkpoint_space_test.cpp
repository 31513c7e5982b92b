#include "launch/setup/checkpoint_space.h"

#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "models/families/gpt.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

CheckpointSpace space_of(std::int64_t free_bytes, std::int64_t keep, std::int64_t present = 0) {
  return {.directory = "runs/big/checkpoints",
          .keep = keep,
          .checkpoint_bytes = 10 * kMiB,
          .present = present,
          .free_bytes = free_bytes};
}

TEST_CASE("a run is refused where not even one checkpoint fits, with both sizes") {
  CHECK_THROWS_WITH(check_checkpoint_space(space_of(9 * kMiB, 1)),
                    Contains("checkpoint.directory") && Contains("takes 10.0 MiB") &&
                        Contains("runs/big/checkpoints has 9.00 MiB left"));
  CHECK_NOTHROW(check_checkpoint_space(space_of(10 * kMiB, 3)));
}

TEST_CASE("room for one more than are kept is enough, since the oldest goes last") {
  CHECK(checkpoint_space_text(space_of(39 * kMiB, 2)).empty());
  CHECK_THAT(checkpoint_space_text(space_of(39 * kMiB, 3)),
             Contains("has room for 3 more, and checkpoint.keep = 3 needs 4"));
}

TEST_CASE("checkpoints that are there count, and one more has to fit") {
  CHECK(checkpoint_space_text(space_of(19 * kMiB, 3, 3)).empty());
  CHECK(checkpoint_space_text(space_of(19 * kMiB, 1, 3)).empty());
  CHECK_FALSE(checkpoint_space_text(space_of(9 * kMiB, 3, 3)).empty());
}

TEST_CASE("space is asked of the file system in which the directory will lie") {
  const TemporaryFolder folder;
  ResolvedRun run;
  run.settings.checkpoint.directory = (folder.path() / "run/checkpoints").string();
  ModelConfig model;
  model.layers = 1;
  model.hidden = 8;
  model.heads = 1;
  model.sequence = 4;
  model.vocab = 16;
  run.plan.model = gpt(model, 1);
  const std::optional<CheckpointSpace> space = checkpoint_space(run);
  REQUIRE(space);
  CHECK(space->checkpoint_bytes == 12 * run.plan.model.parameter_count());
  CHECK(space->present == 0);
  const auto available = static_cast<double>(std::filesystem::space(folder.path()).available);
  CHECK(static_cast<double>(space->free_bytes) == Approx(available).epsilon(0.1));
  run.settings.checkpoint.directory = "";
  CHECK_FALSE(checkpoint_space(run));
}

}  // namespace
}  // namespace stagecraft

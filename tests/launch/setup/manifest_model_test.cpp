#include "launch/setup/manifest_model.h"

#include <catch2/catch.hpp>

#include "launch/setup/key_changes.h"
#include "launch/setup/resolve.h"
#include "tests/launch/example_config.h"

namespace stagecraft {

TEST_CASE("the model of a checkpoint is that of the run's settings") {
  const ResolvedRun run = resolve(example({"model.dropout=0.1", "parallel.tensor=2"}), 2);
  CheckpointManifest manifest;
  manifest.settings = key_values(run.settings);
  manifest.settings["later.key"] = std::string("7");
  const ModelSpec model = manifest_model(manifest);
  const std::vector<ParameterSpec> ours = model.parameters();
  const std::vector<ParameterSpec> theirs = run.plan.model.parameters();
  REQUIRE(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CHECK(ours[i].name == theirs[i].name);
    CHECK(ours[i].shape == theirs[i].shape);
  }
  CHECK(model.config.heads == 4);
}

}  // namespace stagecraft

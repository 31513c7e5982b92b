// Checkpoints as models: exported to the hub's format, and as initial weights.
#include "models/checkpoint/export_model.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/checkpoint/find_checkpoint.h"
#include "models/checkpoint/hub_model.h"
#include "models/checkpoint/initial_model.h"
#include "models/families/gpt.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/models/checkpoint/whole_checkpoint.h"
#include "tests/models/parameters/memory_state.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

ModelSpec model_of(std::int64_t hidden = 24) {
  ModelConfig config;
  config.layers = 2;
  config.hidden = hidden;
  config.heads = 12;
  config.sequence = 8;
  config.vocab = 200;
  return gpt(config, 1);
}

/// A run's directory with checkpoints of steps 4 and 8; the weights of step 8 are those of
/// `newest`.
class SavedRun {
 public:
  SavedRun() {
    save_whole(files, path() / "checkpoints", 4, model.parameters(),
               test::MemoryState(reversed(model.parameters())), {{"model.heads", "12"}});
    save_whole(files, path() / "checkpoints", 8, model.parameters(), newest,
               {{"model.heads", "12"}});
  }
  const fs::path& path() const { return folder_.path(); }

  PosixFileSystem files;
  ModelSpec model = model_of();
  test::MemoryState newest{model.parameters()};

 private:
  /// Other values than in model order.
  static std::vector<ParameterSpec> reversed(std::vector<ParameterSpec> parameters) {
    std::reverse(parameters.begin(), parameters.end());
    return parameters;
  }
  TemporaryFolder folder_;
};

/// The weights that `reader` gives, parameter by parameter.
std::vector<std::vector<float>> weights_of(const StateReader& reader, const ModelSpec& model) {
  std::vector<std::vector<float>> all;
  for (const ParameterSpec& parameter : model.parameters()) {
    std::vector<float> values(static_cast<std::size_t>(elements_of(parameter.shape)));
    reader.read({parameter, StateKind::weight, whole_box(parameter.shape)}, values);
    all.push_back(std::move(values));
  }
  return all;
}

std::string refusal_of(const ModelSpec& model, const fs::path& path) {
  try {
    const InitialModel opened(model, path);
  } catch (const ConfigError& error) {
    CHECK(error.keys() == "model.init_from");
    return error.text();
  }
  return "no error";
}

TEST_CASE("an exported model has the weights of its checkpoint, and can be read as the hub's") {
  SavedRun run;
  const CheckpointReader reader(run.files, run.path() / "checkpoints/step-8");
  const fs::path folder = run.path() / "exported";
  export_model(run.files, reader, run.model, folder);
  CHECK(weights_of(HubModel(run.model, folder), run.model) == weights_of(run.newest, run.model));
}

TEST_CASE("an export that fails leaves nothing") {
  SavedRun run;
  const CheckpointReader reader(run.files, run.path() / "checkpoints/step-8");
  const auto memory = std::make_shared<test::MemoryFileSystem>();
  const auto failing = test::failing_file_system(memory, {test::FileCallKind::write, 9, ENOSPC});
  const fs::path folder = test::MemoryFileSystem::root() / "exported";
  CHECK_THROWS_WITH(export_model(*failing, reader, run.model, folder),
                    Contains("No space left on device"));
  CHECK(memory->paths().empty());
}

TEST_CASE(
    "a run begins with the weights of a run's newest checkpoint, or of the one that is named") {
  SavedRun run;
  for (const char* name : {"", "checkpoints", "checkpoints/step-8"}) {
    CAPTURE(name);
    CHECK(weights_of(InitialModel(run.model, run.path() / name), run.model) ==
          weights_of(run.newest, run.model));
  }
  CHECK(weights_of(InitialModel(run.model, run.path() / "checkpoints/step-4"), run.model) !=
        weights_of(run.newest, run.model));
}

TEST_CASE("a checkpoint of another model is refused with the tensor or the key") {
  SavedRun run;
  CHECK_THAT(refusal_of(model_of(48), run.path()),
             Contains((run.path() / "checkpoints/step-8").string()) && Contains("wte.weight"));
  ModelSpec other = run.model;
  other.config.heads = 6;
  CHECK_THAT(refusal_of(other, run.path()), Contains("model.heads is 12, but the model needs 6"));
}

TEST_CASE("a checkpoint that is named by its step, and one that is not there") {
  SavedRun run;
  CHECK(find_checkpoint(run.files, run.path(), 4) == run.path() / "checkpoints/step-4");
  CHECK_THROWS_WITH(find_checkpoint(run.files, run.path(), 5),
                    Contains("holds no checkpoint of step 5; there are those of steps 4, 8"));
  CHECK_THROWS_WITH(find_checkpoint(run.files, run.path() / "none"), Contains("does not exist"));
  fs::remove(run.path() / "checkpoints/step-8/manifest.json");
  CHECK(find_checkpoint(run.files, run.path()) == run.path() / "checkpoints/step-4");
  fs::remove(run.path() / "checkpoints/step-4/rank-0.safetensors");
  CHECK_THROWS_WITH(find_checkpoint(run.files, run.path()),
                    Contains("holds no whole checkpoint; step 8: ") && Contains("; step 4: "));
}

}  // namespace
}  // namespace stagecraft

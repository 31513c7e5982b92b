// Commands on what runs leave: checkpoints are inspected, verified and exported, runs are compared,
// and a run begins with the weights of a checkpoint.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/end_to_end/process.h"

using namespace stagecraft;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using Words = std::vector<std::string>;

namespace {

constexpr const char* kConfig = R"([model]
family = "gpt"
layers = 2
hidden = 32
heads = 4
sequence = 16
[train]
steps = 6
decay_steps = 6
warmup_steps = 0
global_batch = 4
micro_batch = 1
[data]
train = ["text.txt"]
validation_fraction = 0
[trace]
file = ""
[device]
threads = 1
)";

/// A folder with a configuration, its text, and the runs that a test trains.
class Workplace {
 public:
  Workplace() {
    std::ofstream(path() / "run.toml") << kConfig;
    std::string text;
    for (int i = 0; i < 4000; ++i) {
      text += static_cast<char>('a' + i * i % 23);
    }
    std::ofstream(path() / "text.txt") << text;
  }
  const fs::path& path() const { return folder_.path(); }

  Ended call(const Words& words) const { return run_stagecraft(words, path()); }
  void train(const std::string& run, const Words& sets = {}) const {
    Words words = {"train", "run.toml", "--set", "run.directory=" + run};
    for (const std::string& set : sets) {
      words.insert(words.end(), {"--set", set});
    }
    const Ended ended = call(words);
    CAPTURE(ended.out, ended.err);
    REQUIRE(ended.status == 0);
  }
  /// With checkpoints of steps 3 and 6.
  void train_in_two_parts(const std::string& run) const {
    train(run, {"train.steps=3"});
    train(run);
  }
  std::string model(const std::string& folder) const {
    return read_file(path() / folder / "model.safetensors");
  }

 private:
  TemporaryFolder folder_;
};

void flip_a_bit(const fs::path& file) {
  std::string bytes = read_file(file);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("a run's checkpoints are inspected, verified and exported") {
  const Workplace place;
  place.train_in_two_parts("a");
  const Ended shown = place.call({"checkpoint", "inspect", "a"});
  CHECK(shown.status == 0);
  CHECK_THAT(shown.out, StartsWith("Checkpoint  a/checkpoints/step-6\n") &&
                            Contains("6, 24 samples consumed") && Contains("State hash") &&
                            Contains("train.global_batch = 4") && Contains("rank-0.safetensors"));
  CHECK_THAT(place.call({"checkpoint", "inspect", "a/checkpoints", "--step", "3"}).out,
             Contains("3, 12 samples consumed"));

  CHECK(place.call({"checkpoint", "export", "a"}).status == 0);
  CHECK((place.model("a/model-step-6") == place.model("a/model")));
  CHECK(read_file(place.path() / "a/model-step-6/config.json") ==
        read_file(place.path() / "a/model/config.json"));
  CHECK(place.call({"checkpoint", "export", "a/checkpoints/step-3", "--out", "three"}).status == 0);
  CHECK((place.model("three") != place.model("a/model")));

  const Ended whole = place.call({"checkpoint", "verify", "a", "--all"});
  CHECK(whole.status == 0);
  CHECK(whole.out == "a/checkpoints/step-3: whole\na/checkpoints/step-6: whole\n");
  flip_a_bit(place.path() / "a/checkpoints/step-6/rank-0.safetensors");
  const Ended damaged = place.call({"checkpoint", "verify", "a"});
  CHECK(damaged.status == 1);
  CHECK(damaged.out == "a/checkpoints/step-6: damaged\n");
  CHECK_THAT(damaged.err, Contains("step-6/rank-0.safetensors"));
}

TEST_CASE("checkpoints that a run keeps elsewhere are found by its directory") {
  const Workplace place;
  place.train("a", {"checkpoint.directory=kept"});
  CHECK(place.call({"checkpoint", "verify", "a"}).out == "kept/step-6: whole\n");
  CHECK_THAT(place.call({"checkpoint", "inspect", "a"}).out, StartsWith("Checkpoint  kept/step-6"));
}

TEST_CASE("runs are compared, and the first difference is named") {
  const Workplace place;
  place.train("a");
  place.train("split", {"parallel.pipeline=2"});
  place.train("seed", {"train.seed=2"});
  const Ended equal = place.call({"compare", "a", "split"});
  CAPTURE(equal.out, equal.err);
  CHECK(equal.status == 0);
  CHECK_THAT(equal.out, Contains("equal as far as both go, to step 6"));
  const Ended other = place.call({"compare", "a", "seed"});
  CAPTURE(other.out, other.err);
  CHECK(other.status == 1);
  CHECK_THAT(other.out, Contains("Step 1 is the first whose metrics differ") &&
                            Contains("hashes of tensors differ") &&
                            Contains("wte.weight, weight") &&
                            Contains("Its first element that differs is [0, 0]: "));
}

TEST_CASE("a run begins with the weights of a checkpoint as with those of the exported model") {
  const Workplace place;
  place.train("a");
  place.train("from_model", {"model.init_from=a/model", "train.seed=3"});
  place.train("from_run", {"model.init_from=a", "train.seed=3"});
  place.train("from_checkpoint", {"model.init_from=a/checkpoints/step-6", "train.seed=3"});
  CHECK((place.model("from_run/model") == place.model("from_model/model")));
  CHECK((place.model("from_checkpoint/model") == place.model("from_model/model")));
}

TEST_CASE("names that stand for no checkpoint are bad input") {
  const Workplace place;
  place.train_in_two_parts("a");
  const auto refusal = [&](const Words& words) {
    const Ended ended = place.call(words);
    CHECK(ended.status == 2);
    return ended.err;
  };
  CHECK_THAT(refusal({"checkpoint", "inspect", "none"}), Contains("none] does not exist"));
  CHECK_THAT(refusal({"checkpoint", "inspect", "a", "--step", "5"}),
             Contains("holds no checkpoint of step 5; there are those of steps 3, 6"));
  CHECK_THAT(refusal({"checkpoint", "verify", "a", "--step", "5"}),
             Contains("holds no checkpoint of step 5"));
  CHECK_THAT(refusal({"checkpoint", "export", "a", "--out", "a"}),
             Contains("a is there already; name another folder with --out"));
  CHECK_THAT(refusal({"compare", "a", "none"}), Contains("none] does not exist"));
  CHECK(place.call({"checkpoint"}).status == 2);
}

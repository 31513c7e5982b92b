// Programs from files: they train like the built-in schedules, or are refused with a location.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/end_to_end/process.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = R"([model]
family = "gpt"
layers = 4
hidden = 32
heads = 4
sequence = 16
dropout = 0.1

[parallel]
pipeline = 2
schedule = "gpipe"

[train]
steps = 3
global_batch = 8
micro_batch = 2

[data]
train = ["text.txt"]
)";

void write(const fs::path& path, const std::string& contents) { std::ofstream(path) << contents; }

class Workplace {
 public:
  Workplace() {
    write(path() / "run.toml", kConfig);
    std::string text;
    while (text.size() < 3000) {
      text += "a stage of the pipeline ";
      text += std::to_string(text.size());
    }
    write(path() / "text.txt", text);
  }
  const fs::path& path() const { return folder_.path(); }

  Ended run(std::vector<std::string> words) const { return run_stagecraft(words, path()); }

  /// The bytes of model.safetensors after training.
  std::string trained(const std::vector<std::string>& settings) {
    const std::string directory = "run-" + std::to_string(++runs_);
    std::vector<std::string> words = {"train", "run.toml", "--set", "run.directory=" + directory};
    for (const std::string& setting : settings) {
      words.insert(words.end(), {"--set", setting});
    }
    const Ended ended = run(words);
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    return read_file(path() / directory / "model" / "model.safetensors");
  }

  /// The message when training with this program is refused.
  std::string refusal(const std::string& program) const {
    write(path() / "bad.sched", program);
    const Ended ended = run({"train", "run.toml", "--set", "parallel.schedule=file:bad.sched"});
    CHECK(ended.status == 2);
    CHECK(run({"check", "run.toml", "--set", "parallel.schedule=file:bad.sched"}).err == ended.err);
    CHECK_FALSE(fs::exists(path() / "runs"));
    return ended.err;
  }

 private:
  TemporaryFolder folder_;
  int runs_ = 0;
};

}  // namespace

TEST_CASE("a program from a file trains to gpipe's bytes") {
  Workplace workplace;
  REQUIRE(workplace
              .run({"schedule", "--schedule", "zb-h1", "--stages", "2", "--microbatches", "4",
                    "--text", "zb.sched", "--csv", "zb.csv"})
              .status == 0);
  // A program that no builder makes: stage 0 has three of four chunks, and transfers of its own.
  write(workplace.path() / "mine.sched",
        "program stages 2 chunks 4 microbatches 4\n"
        "0: 0F0 1F0 2F0 2SA0 0F1 1F1 2F1 (2RG0 2SA1) 2I0 1B0 0I0 2W0 0W0 0F2 1F2 2F2 (2RG1 2SA2) "
        "2B1 1B1 0B1 0F3 1F3 2F3 (2RG2 2SA3) 2B2 1B2 0B2 2RG3 2B3 1B3 0B3\n"
        "1: 3RA0 3F0 3I0 (3SG0 3RA1) 3W0 3F1 3B1 (3SG1 3RA2) 3F2 3B2 (3SG2 3RA3) 3F3 3B3 3SG3\n");
  const std::string reference = workplace.trained({});
  CHECK(workplace.trained({"parallel.schedule=file:zb.sched"}) == reference);
  CHECK(workplace.trained({"parallel.schedule=file:zb.csv"}) == reference);
  CHECK(workplace.trained({"parallel.schedule=file:mine.sched", "parallel.chunks=2"}) == reference);
  // The configuration that a run leaves gives the same run from any folder.
  const fs::path again = workplace.path() / "run-2" / "config.toml";
  fs::rename(workplace.path() / "run-2" / "model", workplace.path() / "model-2");
  CHECK(run_stagecraft({"check", again.string(), "--set", "run.directory=x", "--set",
                        "data.train=[\"" + (workplace.path() / "text.txt").string() + "\"]"},
                       "/")
            .status == 0);
}

TEST_CASE("a program that does not fit is refused with its location") {
  const Workplace workplace;
  const std::string header = "program stages 2 chunks 2 microbatches 4\n";
  CHECK_THAT(workplace.refusal(header + "0: 0F0 0Q0\n"),
             Catch::StartsWith("bad.sched:2:8: \"0Q0\""));
  CHECK_THAT(
      workplace.refusal("program stages 2 chunks 2 microbatches 1\n0: 0F0 0B0\n1: 1F0 1B0\n"),
      Catch::StartsWith("run.toml:10:1: bad.sched is a program of 2 stages, 2 chunks and 1 "
                        "micro-batches, but the configuration has 2, 2") &&
          Catch::Contains("train.global_batch: run.toml:15:1"));
  CHECK_THAT(workplace.refusal(header + "0: 0F0 0F1 0F2 0F3\n1: 1F0 1F1 1F2 1F3\n"),
             Catch::Contains("trains nothing"));
  CHECK_THAT(workplace.refusal(header + "0: 0F0 0F1 0F2 0F3 0B0 0B1 0B2 0B3\n"
                                        "# as for torch's LoopedBFS\n"
                                        "1: 1F0 1F1 1F2 1F3 1B3 1B2 1B1 1B0\n"),
             Catch::StartsWith("--set parallel.schedule=file:bad.sched: ") &&
                 Catch::Contains("bad.sched:4:28") && Catch::Contains("micro-batch order"));
  fs::remove(workplace.path() / "bad.sched");
  CHECK_THAT(workplace.run({"train", "run.toml", "--set", "parallel.schedule=file:bad.sched"}).err,
             Catch::StartsWith("--set parallel.schedule=file:bad.sched: ") &&
                 Catch::Contains("name a program as text or CSV"));
  CHECK_THAT(workplace.run({"train", "run.toml", "--set", "parallel.schedule=file:"}).err,
             Catch::Contains("\"file:PATH\""));
}

TEST_CASE("the example trains, with the program beside its configuration") {
  const Workplace workplace;
  const fs::path example = fs::current_path() / "examples" / "own_schedule" / "own_schedule.toml";
  const Ended ended = workplace.run({"train", example.string(), "--set", "train.steps=2", "--set",
                                     "train.warmup_steps=0", "--set", R"(data.train=["text.txt"])",
                                     "--set", "run.directory=run", "--plain"});
  CAPTURE(ended.err);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.out, Catch::Contains("own_schedule/own.sched, 4 micro-batches") &&
                            Catch::Contains("proven"));
  CHECK(fs::exists(workplace.path() / "run" / "model" / "model.safetensors"));
}

// The traces of whole runs: what the ranks write while a run goes on, and what joins it.
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "tests/end_to_end/becomes_true.h"
#include "tests/end_to_end/process.h"
#include "tests/end_to_end/small_config.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

constexpr std::int64_t kEndless = 1'000'000;

class Workplace {
 public:
  explicit Workplace(std::int64_t steps) { test::write_small_run(path(), steps); }
  const fs::path& path() const { return folder_.path(); }
  fs::path run() const { return path() / "run"; }
  fs::path trace_of(int rank) const {
    return run() / "traces" / ("rank-" + std::to_string(rank) + ".jsonl");
  }

  Process start(const Words& sets) const {
    Words words = {"train", "run.toml", "--set", "run.directory=run", "--set", "device.threads=1"};
    for (const std::string& set : sets) {
      words.insert(words.end(), {"--set", set});
    }
    return start_stagecraft(words, path());
  }
  Ended train(const Words& sets) const {
    const Ended ended = start(sets).wait();
    CAPTURE(ended.err);
    REQUIRE(ended.status == 0);
    return ended;
  }
  Ended explain() const { return run_stagecraft({"explain", "run"}, path()); }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(run() / "traces")) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

 private:
  TemporaryFolder folder_;
};

bool contains(const fs::path& file, const std::string& text) {
  return fs::exists(file) && read_file(file).find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("one rank of each stage is traced, and explain says which are not") {
  const Workplace workplace(6);
  const Ended ended =
      workplace.train({"parallel.pipeline=2", "parallel.tensor=2", "parallel.data=2"});
  CHECK(workplace.files() == std::set<std::string>{"clocks.jsonl", "rank-0.jsonl", "rank-4.jsonl"});
  CHECK_THAT(ended.out, Catch::Contains("Trace     run/trace.json") &&
                            Catch::Contains("Bubble    stagecraft explain run"));
  const Ended explained = workplace.explain();
  CHECK(explained.status == 0);
  CHECK_THAT(explained.out, Catch::Contains("Ranks     2 of 8, one of each stage") &&
                                Catch::Contains("stage 1 (rank 4)"));
}

TEST_CASE("all ranks are traced when all are asked for") {
  const Workplace workplace(2);
  workplace.train({"parallel.pipeline=2", "parallel.data=2", "trace.ranks=all"});
  CHECK(workplace.files() == std::set<std::string>{"clocks.jsonl", "rank-0.jsonl", "rank-1.jsonl",
                                                   "rank-2.jsonl", "rank-3.jsonl"});
  const Ended explained = workplace.explain();
  CHECK(explained.status == 0);
  CHECK(explained.out.find("Ranks     ") == std::string::npos);
}

TEST_CASE("explain joins the same files to the same trace as the run") {
  const Workplace workplace(6);
  workplace.train({"parallel.pipeline=2", "parallel.chunks=2", "parallel.schedule=interleaved"});
  const std::string summary = read_file(workplace.run() / "trace_summary.json");
  const std::string trace = read_file(workplace.run() / "trace.json");
  const std::string said = workplace.explain().out;
  fs::rename(workplace.run(), workplace.path() / "moved");
  fs::remove(workplace.path() / "moved" / "trace_summary.json");
  fs::remove(workplace.path() / "moved" / "trace.json");
  const Ended explained = run_stagecraft({"explain", "moved"}, workplace.path());
  CAPTURE(explained.err);
  CHECK(explained.status == 0);
  CHECK(explained.out == said);
  CHECK((read_file(workplace.path() / "moved" / "trace_summary.json") == summary));
  CHECK((read_file(workplace.path() / "moved" / "trace.json") == trace));
}

TEST_CASE("a killed run leaves its traced steps, which explain joins") {
  const Workplace workplace(kEndless);
  Process process = workplace.start({"parallel.pipeline=2", "trace.steps=1000000"});
  CHECK(becomes_true([&] {
    return contains(workplace.trace_of(0), "step 8\"") &&
           contains(workplace.trace_of(1), "step 8\"");
  }));
  ::kill(process.pid(), SIGKILL);
  process.wait();
  CHECK_FALSE(fs::exists(workplace.run() / "trace_summary.json"));
  const Ended explained = workplace.explain();
  CAPTURE(explained.err);
  CHECK(explained.status == 0);
  CHECK_THAT(explained.out, Catch::Contains("of the run") &&
                                Catch::Contains("Trace     rank 0 lacks step ") &&
                                Catch::Contains("Trace     rank 1 lacks step ") &&
                                Catch::Contains("its file has no end"));
  CHECK(fs::exists(workplace.run() / "trace.json"));
}

TEST_CASE("a rank whose file is full says so, and the run goes on") {
  const Workplace workplace(1500);
  const Ended ended = workplace.train({"trace.steps=1500", "trace.limit_mib=1"});
  CHECK_THAT(ended.out, Catch::Contains("rank 0: the trace lacks step ") &&
                            Catch::Contains("and later steps: trace.limit_mib = 1 is reached") &&
                            Catch::Contains("          rank 0 lacks step "));
  CHECK(fs::file_size(workplace.trace_of(0)) <= 1U << 20);
  CHECK_THAT(workplace.explain().out, Catch::Contains("Trace     rank 0 lacks step "));
}

TEST_CASE("a trace changes no bit of the model") {
  const Workplace workplace(3);
  workplace.train({"trace.file="});
  CHECK_FALSE(fs::exists(workplace.run() / "traces"));
  const std::string model = read_file(workplace.run() / "model/model.safetensors");
  fs::rename(workplace.run(), workplace.path() / "without");
  workplace.train({});
  CHECK((read_file(workplace.run() / "model/model.safetensors") == model));
}

TEST_CASE(
    "a trace that is not joined changes neither status nor model; the run says who joins it") {
  const Workplace workplace(3000);
  const fs::path elsewhere = workplace.path() / "elsewhere";
  fs::create_directory(elsewhere);
  Process process = workplace.start({"trace.file=elsewhere/trace.json"});
  CHECK(becomes_true([&] { return contains(workplace.trace_of(0), "step 3\""); }));
  fs::remove_all(elsewhere);
  const Ended ended = process.wait();
  CHECK(ended.status == 0);
  CHECK_THAT(ended.out, Catch::Contains("Trace     not joined: [elsewhere/trace.json") &&
                            Catch::Contains("stagecraft explain run joins it"));
  CHECK(fs::exists(workplace.run() / "model/model.safetensors"));
  fs::create_directory(elsewhere);
  CHECK(workplace.explain().status == 0);
  CHECK(fs::exists(elsewhere / "trace.json"));
}

TEST_CASE("explain says what a run without a whole step lacks") {
  const Workplace workplace(2);
  workplace.train({"parallel.pipeline=2"});
  fs::remove(workplace.run() / "trace_summary.json");
  fs::resize_file(workplace.trace_of(1), 0);
  const Ended explained = workplace.explain();
  CHECK(explained.status == 2);
  CHECK_THAT(explained.err, Catch::Contains("no step is complete on one rank of each stage; rank 1 "
                                            "lacks step 1 and later steps"));
}

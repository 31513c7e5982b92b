#include "launch/report/join_trace.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "launch/artifacts/rank_trace_file.h"
#include "launch/artifacts/run_directory.h"
#include "launch/commands/explain_command.h"
#include "tests/end_to_end/small_run.h"
#include "tests/kernels/base/observed_file_system.h"

namespace stagecraft {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// A small run whose ranks have written their files.
struct FiledRun {
  FiledRun(
      const ParallelConfig& parallel, std::int64_t steps,
      const std::function<bool(int rank)>& is_traced = [](int) { return true; }) {
    test::SmallRun run;
    run.parallel = parallel;
    run.run.optimizer.steps = steps;
    run.run.trace_steps = steps;
    run.run.trace_sink = [&](int rank) -> std::unique_ptr<TraceSink> {
      return is_traced(rank) ? std::make_unique<RankTraceFile>(
                                   RankTraceOptions{.folder = traces_folder(path()),
                                                    .rank = rank,
                                                    .limit_mib = 64,
                                                    .files = run.run.files,
                                                    .say = [](const std::string& /*text*/) {}})
                             : nullptr;
    };
    session.directory = path().string();
    session.trace_file = (path() / "trace.json").string();
    test::KeepingObserver observer;
    plan = run.plan();
    REQUIRE(run_training(plan, run.run, run.data(), {observer}).failure.empty());
  }
  const fs::path& path() const { return folder.path(); }
  fs::path file(int rank) const { return rank_trace_file(traces_folder(path()), rank); }
  json summary() const { return json::parse(read_file(trace_summary_file(path()))); }
  json trace() const { return json::parse(read_file(path() / "trace.json")); }
  /// Cuts the last bytes of a rank's file off, as a kill does.
  void cut(int rank, std::size_t bytes) const {
    fs::resize_file(file(rank), fs::file_size(file(rank)) - bytes);
  }

  TemporaryFolder folder;
  TrainingPlan plan;
  LaunchConfig session;
};

std::set<std::string> groups_of(const json& trace) {
  std::set<std::string> groups;
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("name") == "process_name") {
      groups.insert(event.at("args").at("name"));
    }
  }
  return groups;
}

TEST_CASE("the summary of a trace: causes add up to idle, and explain reads it") {
  const FiledRun run({.pipeline = 2, .chunks = 2, .schedule = "interleaved"}, 5);
  const JoinedTrace joined = join_trace(run.plan, run.session, {});
  CHECK(joined.has_summary);
  CHECK(joined.gaps.empty());
  const json summary = run.summary();
  CHECK(summary.at("steps") == json({5}));
  for (const json& rank : summary.at("ranks")) {
    for (const char* side : {"measured", "predicted"}) {
      double causes = 0;
      for (const json& cause : rank.at(side).at("idle_by_cause")) {
        causes += cause.at("ms").get<double>();
      }
      CHECK(causes == Approx(rank.at(side).at("idle").get<double>()).epsilon(0.01).margin(1e-5));
    }
  }
  std::set<std::string> kinds;
  for (const json& kind : summary.at("kinds")) {
    kinds.insert(kind.at("op").get<std::string>() + std::to_string(kind.at("chunk").get<int>()));
    CHECK(kind.contains("error"));
  }
  CHECK(kinds == std::set<std::string>{"F0", "F1", "F2", "F3", "B0", "B1", "B2", "B3", "T0", "U0"});
  CHECK(explain({.run = run.path(), .svg = run.path() / "step.svg"}) == 0);
  const std::string picture = read_file(run.path() / "step.svg");
  for (const char* text :
       {"stage 1 predicted", "stage 1 measured", "exposed communication", "waits for "}) {
    CHECK_THAT(picture, Catch::Contains(text));
  }
  // Measured and predicted are two groups of lanes per rank.
  CHECK(groups_of(run.trace()) ==
        std::set<std::string>{
            "stage 0 rank 0 data 0 tensor 0", "stage 0 rank 0 data 0 tensor 0 predicted",
            "stage 1 rank 1 data 0 tensor 0", "stage 1 rank 1 data 0 tensor 0 predicted"});
}

TEST_CASE("one rank a stage: the trace and the summary have these ranks, by their own numbers") {
  const FiledRun run({.pipeline = 2, .tensor = 2, .data = 2}, 6,
                     [](int rank) { return rank % 4 == 0; });
  CHECK(join_trace(run.plan, run.session, {}).has_summary);
  CHECK(groups_of(run.trace()) ==
        std::set<std::string>{
            "stage 0 rank 0 data 0 tensor 0", "stage 0 rank 0 data 0 tensor 0 predicted",
            "stage 1 rank 4 data 0 tensor 0", "stage 1 rank 4 data 0 tensor 0 predicted"});
  const json summary = run.summary();
  std::vector<int> ranks;
  for (const json& rank : summary.at("ranks")) {
    ranks.push_back(rank.at("rank"));
    for (const json& cause : rank.at("measured").at("idle_by_cause")) {
      CHECK((!cause.contains("rank") || cause.at("rank") == 0 || cause.at("rank") == 4));
    }
  }
  CHECK(ranks == std::vector<int>{0, 4});
  CHECK(explain({.run = run.path(), .svg = run.path() / "step.svg"}) == 0);
  CHECK_THAT(read_file(run.path() / "step.svg"), Catch::Contains("stage 1 (rank 4) measured"));
}

TEST_CASE("a torn last line is dropped, and the steps before it are joined") {
  const FiledRun run({.pipeline = 2}, 6);
  const auto lines = [&] {
    const std::string text = read_file(run.file(1));
    return std::count(text.begin(), text.end(), '\n');
  };
  const std::int64_t whole = lines();
  run.cut(1, 40);  // the last line and a part of the one before it
  REQUIRE(lines() == whole - 2);
  const JoinedTrace joined = join_trace(run.plan, run.session, {});
  CHECK(joined.has_summary);
  REQUIRE(joined.gaps.size() == 1);
  CHECK_THAT(gap_text(joined.gaps.front()),
             Catch::StartsWith("rank 1 lacks step 6 and later steps: its file has no end, and a "
                               "torn line, which is dropped"));
  const json summary = run.summary();
  CHECK(summary.at("lacks").at(0).at("rank") == 1);
  CHECK(summary.at("lacks").at(0).at("from_step") == 6);
  CHECK(summary.at("steps") == json({5}));  // 2 to 4 calibrate, 6 is not whole
}

TEST_CASE("a line that is no trace is refused with its place") {
  const FiledRun run({.pipeline = 2}, 2);
  for (const char* line : {"", "{}", "[1]", "{\"lane\": \"walk\"}", "{\"lacks_from\": 1}"}) {
    std::string text = read_file(run.file(0));
    const auto first = text.substr(0, text.find('\n') + 1);
    std::ofstream(run.file(0)) << first << line << '\n' << text.substr(first.size());
    CHECK_THROWS_WITH(join_trace(run.plan, run.session, {}),
                      Catch::StartsWith("[" + run.file(0).string() + "] line 2: "));
    std::ofstream(run.file(0)) << text;
  }
}

TEST_CASE("a join at the end of a run keeps within its bounds, and says who joins instead") {
  const FiledRun run({.pipeline = 2}, 2);
  CHECK_THROWS_WITH(join_trace(run.plan, run.session, {.mib = 0, .time = {}}),
                    Catch::Contains("more than the 0 that are joined at the end of a run"));
  CHECK_THROWS_WITH(
      join_trace(run.plan, run.session, {.mib = {}, .time = std::chrono::seconds(-1)}),
      Catch::Contains("more than the -1 s"));
  CHECK_FALSE(fs::exists(run.path() / "trace.json"));
  CHECK_FALSE(fs::exists(trace_summary_file(run.path())));
  const std::string well = join_at_end(run.plan, run.session);
  CHECK_THAT(well, Catch::Contains("trace.json (open it at") &&
                       Catch::Contains("stagecraft explain " + run.path().string() + " shows"));
}

TEST_CASE("a trace that cannot be joined is a line of the report, never an exception") {
  FiledRun run({.pipeline = 2}, 2);
  SECTION("its file cannot be made") {
    run.session.trace_file = (run.path() / "none" / "trace.json").string();
    CHECK_THAT(join_at_end(run.plan, run.session),
               Catch::Contains("not joined: [" + run.path().string()) &&
                   Catch::Contains("stagecraft explain " + run.path().string() + " joins it"));
  }
  SECTION("no rank has written one") {
    fs::remove_all(traces_folder(run.path()));
    CHECK_THAT(join_at_end(run.plan, run.session), Catch::Contains("holds no trace of a rank"));
  }
  SECTION("none was asked for") {
    run.session.trace_file = "";
    CHECK(join_at_end(run.plan, run.session) == "");
  }
}

TEST_CASE("a trace without a complete step has no summary, and the report says so") {
  const FiledRun run({.pipeline = 2}, 2, [](int rank) { return rank == 0; });
  CHECK_THAT(join_at_end(run.plan, run.session),
             Catch::Contains("No step is complete on one rank of each stage"));
  CHECK(groups_of(run.trace()) == std::set<std::string>{"stage 0 rank 0 data 0 tensor 0"});
  CHECK_FALSE(fs::exists(trace_summary_file(run.path())));
}

TEST_CASE("a run whose traces cannot be written trains the same model") {
  test::SmallRun run;
  run.parallel.pipeline = 2;
  run.run.optimizer.steps = 3;
  test::KeepingObserver observer;
  const std::string expected = test::trained_bytes(run, observer);
  for (const test::FileFault& fault : {test::FileFault{test::FileCallKind::create, 1, EACCES},
                                       test::FileFault{test::FileCallKind::write, 4, ENOSPC}}) {
    const TemporaryFolder folder;
    std::mutex mutex;
    std::vector<std::string> said;
    run.run.trace_steps = 3;
    run.run.trace_sink = [&, files = test::failing_file_system(run.run.files, fault)](int rank) {
      return std::make_unique<RankTraceFile>(RankTraceOptions{.folder = folder.path(),
                                                              .rank = rank,
                                                              .limit_mib = 64,
                                                              .files = files,
                                                              .say = [&](const std::string& text) {
                                                                const std::lock_guard lock(mutex);
                                                                said.push_back(text);
                                                              }});
    };
    CHECK((test::trained_bytes(run, observer) == expected));
    CHECK(said.size() == 1);
  }
}

TEST_CASE("explain refuses a run without a trace, and a file that is not a summary") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(explain({.run = folder.path(), .svg = {}}),
                    Catch::Contains("has no trace_summary.json and no traces"));
  for (const char* text : {"{", "{}", "[1]", R"({"ranks": 3})"}) {
    write_file(trace_summary_file(folder.path()), text);
    CHECK_THROWS_WITH(explain({.run = folder.path(), .svg = {}}),
                      Catch::Contains("is not a trace summary"));
  }
}

}  // namespace
}  // namespace stagecraft

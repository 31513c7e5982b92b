#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "actors/protocol/run_report.h"
#include "launch/format/units.h"
#include "launch/report/plan_json.h"
#include "launch/report/plan_report.h"
#include "launch/report/run_summary.h"
#include "tests/launch/example_config.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;

namespace {

TextData text_of(std::size_t train_tokens) {
  TextData text;
  text.train =
      std::make_shared<const TokenDataset>(std::vector<std::uint8_t>(train_tokens, 'a'), 32);
  return text;
}

RankReport report_of(int rank, int stage) {
  RankReport report;
  report.rank = rank;
  report.coordinate.pipeline = stage;
  report.compute_seconds = 6;
  report.communication_seconds = 1;
  report.idle_seconds = 3;
  report.peak_bytes = 2 << 20;
  return report;
}

RunResult result_of(const ResolvedRun& run) {
  RunResult result;
  result.steps = 10;
  result.loss = 2.25;
  result.validation_loss = 2.5;
  result.validation_step = 10;
  result.seconds = 10;
  for (int rank = 0; rank < run.plan.mesh.ranks(); ++rank) {
    result.ranks.push_back(report_of(rank, coordinate_of(run.plan.mesh, rank).pipeline));
  }
  return result;
}

}  // namespace

TEST_CASE("the plan report shows stages, memory and the schedule of a step") {
  const ResolvedRun run = resolve(example({"parallel.partition=[1, 3]"}), 2);
  const std::string plan = plan_report(run, text_of(3201), 100);
  CAPTURE(plan);
  CHECK_THAT(plan, Catch::Contains("3,201 tokens in 100 samples; for validation none"));
  CHECK_THAT(plan, Catch::Contains("0.80 times through the text"));
  CHECK_THAT(plan, Catch::Contains("pipeline 2 x tensor 1 x data 1: 2 actors with 1 thread each"));
  CHECK_THAT(plan, Catch::Contains("embedding, block 0\n"));
  CHECK_THAT(plan, Catch::Contains("blocks 1-3, "));
  CHECK_THAT(plan, Catch::Contains("idle 20.0 %"));  // (p - 1) / (m + p - 1), p = 2, m = 4
  CHECK_THAT(plan, Catch::Contains("proven"));
}

TEST_CASE("the plan report has the memory of snapshots where checkpoints follow each other") {
  const auto report_with = [](const std::vector<std::string>& keys) {
    return plan_report(resolve(example(keys), 2), text_of(3201), 100);
  };
  const ResolvedRun run = resolve(example(), 2);
  // One rank saves all: 12 bytes a parameter.
  const std::string line = fmt::format("checkpoint: up to {} of host memory a rank\n",
                                       bytes_text(12 * run.plan.model.parameter_count()));
  CHECK_THAT(report_with({"parallel.pipeline=1", "checkpoint.every=10"}), Catch::Contains(line));
  CHECK_THAT(report_with({"parallel.pipeline=1", "checkpoint.every_minutes=1"}),
             Catch::Contains(line));
  CHECK_THAT(report_with({"checkpoint.every=10"}), Catch::Contains("checkpoint: up to"));
  CHECK_THAT(report_with({}), !Catch::Contains("checkpoint:"));
  CHECK_THAT(report_with({"checkpoint.every=10", "checkpoint.directory=\"\""}),
             !Catch::Contains("checkpoint:"));
}

TEST_CASE("the plan as JSON adds up") {
  const ResolvedRun run =
      resolve(example({"parallel.tensor=2", "parallel.data=2", "parallel.schedule=zb-h1"}), 2);
  const auto json = nlohmann::json::parse(plan_json(run));
  CHECK(json["ranks"] == 8);
  CHECK(json["microbatches"] == 2);
  CHECK(json["proven"] == true);
  std::int64_t parameters = 0;
  for (const auto& stage : json["stages"]) {
    std::int64_t bytes = 0;
    for (const auto& [kind, value] : stage["bytes"].items()) {
      bytes += kind == "total" ? 0 : value.get<std::int64_t>();
    }
    CHECK(bytes == stage["bytes"]["total"]);
    parameters += stage["parameters"].get<std::int64_t>();
  }
  // The tied embedding is on both stages.
  CHECK(parameters == json["model"]["parameters"].get<std::int64_t>() + 256 * 64);
  // One activation and one gradient per micro-batch and column, of 2 x 32 x 64 numbers.
  CHECK(json["sent_bytes"]["pipeline"] == 2 * 2 * 4 * (4 * 2 * 32 * 64));
  // Both halves of the embedding, added between two stages, on two data ranks.
  CHECK(json["sent_bytes"]["tied"] == 2 * 4 * 256 * 64 * 2);
  CHECK(json["sent_bytes"]["data"] > 0);
}

TEST_CASE("several ranks of a stage are a range") {
  const ResolvedRun run = resolve(example({"parallel.tensor=2", "parallel.data=2"}), 2);
  const std::string plan = plan_report(run, text_of(3201), 100);
  CAPTURE(plan);
  CHECK_THAT(plan, Catch::Contains("  0-3  "));
  CHECK_THAT(plan, Catch::Contains("  4-7  "));
}

TEST_CASE("the summary has losses, shares of time, files and suggested commands") {
  const TemporaryFolder folder;
  const RunDirectory directory(folder.path() / "run");
  const ResolvedRun run = resolve(example(), 2);
  const std::string text =
      run_summary(run, result_of(run), directory, "Trace     of it\n", "example.toml");
  CAPTURE(text);
  CHECK_THAT(text, Catch::Contains("Done after 10 of 10 steps, 10.0 s: 256 tokens/s"));
  CHECK_THAT(text, Catch::Contains("2.2500, validation loss 2.5000"));
  CHECK_THAT(text, Catch::Contains("60.0 %") && Catch::Contains("10.0 %") &&
                       Catch::Contains("30.0 %") && Catch::Contains("2.00 MiB"));
  CHECK_THAT(text, Catch::Contains(directory.model().string()));
  CHECK_THAT(text, Catch::Contains("metrics.jsonl\nTrace     of it\n"));
  CHECK_THAT(text, Catch::Contains("launch/train example.toml --set parallel.schedule=gpipe"));
}

TEST_CASE("every command that the summary suggests is a valid configuration") {
  const TemporaryFolder folder;
  const RunDirectory directory(folder.path() / "run");
  using Words = std::vector<std::string>;
  for (const Words& split : std::vector<Words>{
           {"parallel.pipeline=1"},
           {"parallel.pipeline=2"},
           {"parallel.pipeline=2", "parallel.schedule=gpipe"},
           {"parallel.pipeline=2", "parallel.schedule=zb-v", "parallel.chunks=2"},
           {"parallel.pipeline=2", "parallel.schedule=looped-bfs", "parallel.chunks=2"}}) {
    const ResolvedRun run = resolve(example(split), 2);
    const std::string text = run_summary(run, result_of(run), directory, "", "example.toml");
    CAPTURE(text);
    int commands = 0;
    const std::string begin = "--set ";
    for (auto at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
      const auto from = at + begin.size();
      Words changed = split;
      changed.push_back(text.substr(from, text.find('\n', at) - from));
      CHECK_NOTHROW(resolve(example(changed), 2));
      ++commands;
    }
    CHECK(commands >= 3);
  }
}

TEST_CASE("the summary of a stopped run says so") {
  const TemporaryFolder folder;
  const RunDirectory directory(folder.path() / "run");
  const ResolvedRun run = resolve(example(), 2);
  RunResult result = result_of(run);
  result.stopped_early = true;
  result.steps = 3;
  CHECK_THAT(run_summary(run, result, directory, "", "example.toml"),
             Catch::Contains("Stopped on request after 3 of 10 steps"));
}

TEST_CASE("the summary's rates are those of this start's steps") {
  const TemporaryFolder folder;
  const RunDirectory directory(folder.path() / "run");
  const ResolvedRun run = resolve(example(), 2);
  RunResult result = result_of(run);
  result.seconds = 4;
  const auto rates = [&](std::int64_t first, std::int64_t last) {
    result.first_step = first;
    result.steps = last;
    const std::string text = run_summary(run, result, directory, "", "example.toml");
    const std::string line = text.substr(1, text.find('\n', 1) - 1);
    return line.substr(std::min(line.size(), line.find(',')));
  };
  CHECK_THAT(rates(1, 5), Catch::Contains("tokens/s"));
  CHECK(rates(6, 10) == rates(1, 5));
  CHECK(rates(11, 10).empty());
}

TEST_CASE("the summary names the step of a validation loss that is older than the last step") {
  const TemporaryFolder folder;
  const RunDirectory directory(folder.path() / "run");
  const ResolvedRun run = resolve(example(), 2);
  RunResult result = result_of(run);
  CHECK_THAT(run_summary(run, result, directory, "", "example.toml"),
             Catch::Contains("validation loss 2.5000 (nats a token)"));
  result.validation_step = 8;
  CHECK_THAT(run_summary(run, result, directory, "", "example.toml"),
             Catch::Contains("validation loss 2.5000 after step 8 (nats a token)"));
}

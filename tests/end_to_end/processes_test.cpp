// Runs whose ranks are processes: the same bits as with threads, one fault of each kind, and no
// leftovers. The long run is reliability.cpp.
#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "tests/end_to_end/process.h"
#include "tests/end_to_end/process_faults.h"
#include "tests/end_to_end/run_processes.h"
#include "tests/end_to_end/small_config.h"

using namespace stagecraft;
using namespace stagecraft::test;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

class Workplace {
 public:
  Workplace() { write_small_run(path(), 3); }
  const fs::path& path() const { return folder_.path(); }

  /// Runs launch/train with `--set` for each of these values.
  Ended train(const Words& sets, const Words& where = {},
              const std::string& config = "run.toml") const {
    Words words = {STAGECRAFT_LAUNCH_TRAIN, config, "--program", STAGECRAFT_EXECUTABLE};
    words.insert(words.end(), where.begin(), where.end());
    for (const std::string& set : sets) {
      words.insert(words.end(), {"--set", set});
    }
    return Process(words, path()).wait();
  }

 private:
  TemporaryFolder folder_;
};

/// The last values of a metrics file, by name.
nlohmann::json last_values(const fs::path& metrics) {
  std::ifstream file(metrics);
  nlohmann::json last;
  for (std::string line; std::getline(file, line);) {
    last.update(nlohmann::json::parse(line));
  }
  return last;
}

/// Trains in both modes and compares everything that must be equal.
void check_twins(const Words& sets, const std::string& transport = "auto",
                 const std::string& config = "run.toml") {
  const Workplace workplace;
  INFO(config << ", sets " << Catch::StringMaker<Words>::convert(sets));
  for (const std::string mode : {"threads", "mpi"}) {
    Words all = sets;
    all.insert(all.end(), {"run.mode=" + mode, "run.directory=" + mode});
    if (mode == "mpi") {
      all.push_back("run.transport=" + transport);
    }
    const Ended ended = workplace.train(all, {}, config);
    CAPTURE(mode, ended.err);
    REQUIRE(ended.status == 0);
  }
  const auto bytes = [&](const char* mode) {
    return read_file(workplace.path() / mode / "model/model.safetensors");
  };
  CHECK((bytes("mpi") == bytes("threads")));
  const nlohmann::json threads = last_values(workplace.path() / "threads/metrics.jsonl");
  const nlohmann::json mpi = last_values(workplace.path() / "mpi/metrics.jsonl");
  CHECK(mpi["loss"] == threads["loss"]);
  CHECK(mpi.contains("validation_loss"));
  CHECK(mpi["validation_loss"] == threads["validation_loss"]);
}

Words mesh(int pipeline, int tensor, int data) {
  return {"parallel.pipeline=" + std::to_string(pipeline),
          "parallel.tensor=" + std::to_string(tensor), "parallel.data=" + std::to_string(data)};
}

void check_fault(FaultyRun run) {
  // A run has to end within a time (docs/reliability.md), which the long run holds it to. Here
  // others use the cores too: the limit only tells a run that ends from one that hangs.
  run.more_seconds = 60;
  const FaultOutcome outcome = run_with_fault(run);
  if (!outcome.not_tried.empty()) {
    WARN("skipped " << name_of(run.fault.kind) << ": " << outcome.not_tried);
    return;
  }
  INFO(describe(run, outcome));
  CHECK(outcome.wrong.empty());
}

FaultyRun fault(FaultKind kind, int rank, std::int64_t step, int call) {
  return {.fault = {.kind = kind, .rank = rank, .step = step, .call = call, .file = ""}};
}

/// All ranks are in the trace, and no transfer is received before it was sent, on any process.
void check_trace(const nlohmann::json& trace) {
  std::set<int> processes;
  std::map<std::string, double> sent;
  int crossings = 0;
  for (const auto& event : trace["traceEvents"]) {
    const std::string phase = event["ph"];
    if (phase == "X") {
      processes.insert(event["pid"].get<int>());
    } else if (phase == "s") {
      sent[event["id"].dump()] = event["ts"];
    }
  }
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] == "f") {
      ++crossings;
      CHECK(event["ts"].get<double>() >= sent.at(event["id"].dump()));
    }
  }
  CHECK(processes.size() == 8);  // 4 ranks, each predicted and measured
  CHECK(crossings > 0);
}

/// "TIME UTC LEVEL rank R stage S TEXT", line by line.
void check_log(const std::string& log, int rank) {
  const std::regex line(fmt::format(
      R"(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}} UTC (info|error) rank {} stage {} .+)", rank,
      rank / 2));
  std::istringstream lines(log);
  int count = 0;
  for (std::string text; std::getline(lines, text); ++count) {
    CAPTURE(text);
    CHECK(std::regex_match(text, line));
  }
  CHECK(count > 0);
}

}  // namespace

TEST_CASE("processes give the bits of threads: pipelines") {
  if (skips_processes()) {
    return;
  }
  for (const int pipeline : {1, 2, 4}) {
    for (const std::string schedule : {"gpipe", "1f1b"}) {
      Words sets = mesh(pipeline, 1, 1);
      sets.push_back("parallel.schedule=" + schedule);
      check_twins(sets);
    }
  }
  Words chunks = mesh(2, 1, 1);
  chunks.insert(chunks.end(), {"parallel.chunks=2", "parallel.schedule=interleaved"});
  check_twins(chunks);
}

TEST_CASE("processes give the bits of threads: separate weight gradients, chunks in a V") {
  if (skips_processes()) {
    return;
  }
  struct Schedule {
    const char* name;
    int pipeline, chunks;
  };
  for (const Schedule& each :
       {Schedule{"zb-h1", 4, 1}, {"zb-h2", 2, 1}, {"zb-v", 2, 2}, {"dualpipe-v", 2, 2}}) {
    Words sets = mesh(each.pipeline, 1, 1);
    sets.push_back(std::string("parallel.schedule=") + each.name);
    sets.push_back("parallel.chunks=" + std::to_string(each.chunks));
    check_twins(sets);
  }
}

TEST_CASE("processes give the bits of threads: tensor, data and mixtures") {
  if (skips_processes()) {
    return;
  }
  for (const Words& sets :
       {mesh(1, 2, 1), mesh(1, 1, 2), mesh(2, 2, 1), mesh(2, 1, 2), mesh(1, 2, 2), mesh(2, 2, 2)}) {
    check_twins(sets);
  }
  check_twins(mesh(2, 2, 1), "mpi");
}

TEST_CASE("processes give the bits of threads: the examples, two steps of each") {
  if (skips_processes()) {
    return;
  }
  // gpt2_124m is left out: it would take minutes.
  for (const std::string name : {"first_run", "hybrid", "own_schedule"}) {
    const fs::path launch = fs::path(STAGECRAFT_LAUNCH_TRAIN).parent_path();
    const fs::path config = launch.parent_path() / "examples" / name / (name + ".toml");
    check_twins({"train.steps=2", "train.warmup_steps=0", "train.eval_every=0",
                 "train.eval_batches=1", "device.backend=cpu"},
                "auto", config.string());
  }
}

TEST_CASE("a run's processes have one trace, on one clock, and logs of one format") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  Words sets = mesh(2, 2, 1);
  sets.insert(sets.end(), {"run.mode=mpi", "run.directory=run", "trace.ranks=all"});
  const Ended ended = workplace.train(sets);
  CAPTURE(ended.err);
  REQUIRE(ended.status == 0);
  check_trace(nlohmann::json::parse(read_file(workplace.path() / "run/trace.json")));
  for (int rank = 0; rank < 4; ++rank) {
    check_log(read_file(workplace.path() / "run/logs" / fmt::format("rank-{}.log", rank)), rank);
  }
}

TEST_CASE("of a run's processes one a stage is traced; a lost summary is joined from their files") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  Words sets = mesh(2, 2, 1);
  sets.insert(sets.end(), {"run.mode=mpi", "run.directory=run"});
  const Ended ended = workplace.train(sets);
  CAPTURE(ended.err);
  REQUIRE(ended.status == 0);
  const fs::path run = workplace.path() / "run";
  for (const int rank : {0, 1, 2, 3}) {
    CHECK(fs::exists(run / "traces" / fmt::format("rank-{}.jsonl", rank)) == (rank % 2 == 0));
  }
  const std::string summary = read_file(run / "trace_summary.json");
  fs::remove(run / "trace_summary.json");
  CHECK(Process({STAGECRAFT_EXECUTABLE, "explain", "run"}, workplace.path()).wait().status == 0);
  CHECK((read_file(run / "trace_summary.json") == summary));
}

TEST_CASE("a trace that takes longer to write than the watchdog waits fails no run") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  Words sets = mesh(2, 1, 1);
  sets.insert(sets.end(),
              {"run.mode=mpi", "run.directory=run", "run.watchdog_seconds=1.5", "device.threads=1",
               "model.layers=2", "model.hidden=8", "model.heads=2", "model.sequence=4",
               "train.steps=10", "train.global_batch=4000", "trace.steps=10"});
  const Ended ended = workplace.train(sets);
  CAPTURE(ended.err);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.out, Catch::Contains("model written to run/model"));
}

TEST_CASE("ten runs of two steps in a row leave nothing behind") {
  if (skips_processes()) {
    return;
  }
  for (int i = 0; i < 10; ++i) {
    FaultyRun run;
    run.sets = {"train.steps=2"};
    check_fault(run);
  }
}

TEST_CASE("a fault inside a rank ends the run in time, with a named cause") {
  if (skips_processes()) {
    return;
  }
  check_fault(fault(FaultKind::throws, 1, 2, 7));
  check_fault(fault(FaultKind::hangs, 2, 3, 4));
  check_fault(fault(FaultKind::killed, 3, 2, 11));
  check_fault(fault(FaultKind::killed, 0, 4, 3));
  check_fault(fault(FaultKind::frozen, 1, 2, 9));
  check_fault(fault(FaultKind::frozen, 0, 2, 0));
  check_fault(fault(FaultKind::missing, 2, 1, 0));
  check_fault(fault(FaultKind::missing, 0, 1, 0));
}

TEST_CASE("a fault between ranks ends the run in time, with a named cause") {
  if (skips_processes()) {
    return;
  }
  check_fault(fault(FaultKind::disconnected, 3, 3, 5));
  check_fault(fault(FaultKind::disconnected, 0, 2, 2));
  check_fault(fault(FaultKind::drops, 0, 2, 1));
  check_fault(fault(FaultKind::drops, 2, 2, 7));
  check_fault(fault(FaultKind::doubles, 2, 3, 2));
}

TEST_CASE("a fault outside the ranks ends the run in time") {
  if (skips_processes()) {
    return;
  }
  check_fault(fault(FaultKind::mpirun_killed, 1, 3, 6));
  check_fault(fault(FaultKind::launcher_killed, 0, 4, 0));
  check_fault(fault(FaultKind::disk_full, 0, 3, 0));
}

TEST_CASE("the other ranks wait for a rank that starts late") {
  if (skips_processes()) {
    return;
  }
  for (const int rank : {0, 3}) {
    FaultyRun run = fault(FaultKind::late, rank, 1, 0);
    run.sets = {"train.steps=2"};
    check_fault(run);
  }
}

TEST_CASE("a run that is suspended for longer than the watchdog's time and continued is the same") {
  if (skips_processes()) {
    return;
  }
  FaultyRun run = fault(FaultKind::suspended, 0, 50, 0);
  run.sets = {"train.steps=2000"};
  run.more_seconds = 60;
  const FaultOutcome suspended = run_with_fault(run);
  INFO(describe(run, suspended));
  CHECK(suspended.wrong.empty());
  run.fault.kind = FaultKind::none;
  const FaultOutcome alone = run_with_fault(run);
  REQUIRE(alone.wrong.empty());
  CHECK((suspended.model == alone.model && !alone.model.empty()));
}

TEST_CASE("a rank that is killed while the model is written leaves it complete or absent") {
  if (skips_processes()) {
    return;
  }
  for (const int rank : {0, 1, 2, 3}) {
    FaultyRun run = fault(FaultKind::killed_writing, rank, 1, 0);
    run.sets = {"train.steps=2", "model.vocab=50257", "train.eval_batches=1"};  // megabytes
    check_fault(run);
  }
}

TEST_CASE("a write of the model that fails in one process leaves nothing of it") {
  if (skips_processes()) {
    return;
  }
  for (const int rank : {0, 1, 2, 3}) {
    FaultyRun run = fault(FaultKind::write_fails, rank, 1, rank == 0 ? 1 : 5);
    run.sets = {"train.steps=2"};
    check_fault(run);
  }
}

TEST_CASE("foreign clients do not change a run, and cost no memory") {
  if (skips_processes()) {
    return;
  }
  FaultyRun run = fault(FaultKind::strangers, 3, 1, 0);
  run.sets = {"train.steps=100"};
  const FaultOutcome attacked = run_with_fault(run);
  INFO(describe(run, attacked));
  CHECK(attacked.wrong.empty());
  CHECK(attacked.strangers >= 12 * 3 * 6);
  run.fault.kind = FaultKind::none;
  const FaultOutcome alone = run_with_fault(run);
  REQUIRE(alone.wrong.empty());
  CHECK((attacked.model == alone.model && !alone.model.empty()));
  CHECK(attacked.most_resident - alone.most_resident < (std::int64_t{64} << 20));
  CHECK(alone.most_resident > 0);
}

TEST_CASE("the first signal to launch/train finishes the step, the second ends at once") {
  if (skips_processes()) {
    return;
  }
  check_fault(fault(FaultKind::interrupted, 0, 3, 0));
  check_fault(fault(FaultKind::terminated, 0, 3, 0));
  check_fault(fault(FaultKind::hung_up, 0, 3, 0));
  check_fault(fault(FaultKind::asked, 0, 3, 0));
  check_fault(fault(FaultKind::stopped_twice, 0, 0, 0));
}

TEST_CASE("a run goes on at a stopped terminal, and does not begin with too little memory") {
  if (skips_processes()) {
    return;
  }
  FaultyRun at_terminal = fault(FaultKind::terminal_stopped, 0, 3, 0);
  at_terminal.sets = {"train.steps=1000"};
  check_fault(at_terminal);
  check_fault(fault(FaultKind::no_memory, 0, 1, 0));
}

TEST_CASE(
    "a run goes on without streams, on a slow disk, and beside one that wants its directory") {
  if (skips_processes()) {
    return;
  }
  FaultyRun without_streams = fault(FaultKind::closed_streams, 0, 1, 0);
  without_streams.sets = {"train.steps=20"};
  check_fault(without_streams);
  FaultyRun slow = fault(FaultKind::writes_slowly, 1, 1, 0);
  slow.sets = {"train.steps=2"};
  check_fault(slow);
  FaultyRun with_second_run = fault(FaultKind::second_run, 0, 3, 0);
  with_second_run.sets = {"train.steps=2000"};
  check_fault(with_second_run);
}

TEST_CASE("runs of processes that start at once have a directory each") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  constexpr int kRuns = 3;
  std::vector<std::unique_ptr<Process>> runs;
  for (int i = 0; i < kRuns; ++i) {
    runs.push_back(std::make_unique<Process>(
        Words{STAGECRAFT_LAUNCH_TRAIN, "run.toml", "--program", STAGECRAFT_EXECUTABLE, "--set",
              "run.mode=mpi", "--set", "parallel.pipeline=2"},
        workplace.path()));
  }
  for (const auto& run : runs) {
    const Ended ended = run->wait();
    CAPTURE(ended.out, ended.err);
    CHECK(ended.status == 0);
  }
  CHECK(names_in_folder(workplace.path() / "runs") ==
        std::set<std::string>{"run", "run-2", "run-3"});
  for (const auto& entry : fs::directory_iterator(workplace.path() / "runs")) {
    CHECK(fs::exists(entry.path() / "model/model.safetensors"));
    CHECK_FALSE(fs::exists(entry.path() / "claim"));
  }
}

TEST_CASE("check --launch claims the run directory for its holder alone, and check makes none") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  const auto before = names_in_folder(workplace.path());
  Words words = {"check", "run.toml", "--set", "run.mode=mpi"};
  for (const char* more : {"--launch", "--resolved", "--json"}) {
    Words all = words;
    all.push_back(more);
    CHECK(run_stagecraft(all, workplace.path()).status == 0);
    CHECK(names_in_folder(workplace.path()) == before);
  }
  words.insert(words.end(), {"--launch", "--holder", std::to_string(::getpid())});
  const Ended first = run_stagecraft(words, workplace.path());
  CHECK_THAT(first.out, Catch::Contains("\ndirectory runs/run\nclaim "));
  CHECK(names_in_folder(workplace.path() / "runs/run") == std::set<std::string>{"claim"});
  const Ended second = run_stagecraft(words, workplace.path());
  CHECK_THAT(second.out, Catch::Contains("\ndirectory runs/run-2\nclaim "));
  words.insert(words.end(), {"--set", "run.directory=runs/run"});
  const Ended named = run_stagecraft(words, workplace.path());
  CHECK(named.status == 2);
  CHECK_THAT(named.err, Catch::Contains("is held by the run run.toml (process " +
                                        std::to_string(::getpid()) + " on "));
}

TEST_CASE("a stop is heard whichever process gets it") {
  if (skips_processes()) {
    return;
  }
  check_fault(fault(FaultKind::rank_terminated, 2, 3, 0));
  check_fault(fault(FaultKind::job_terminated, 0, 3, 0));
}

TEST_CASE("processes train on when nobody reads their output") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  const std::string command = fmt::format(
      "set -o pipefail; {} run.toml --program {} --set run.mode=mpi --set parallel.pipeline=2 "
      "--set run.directory=run --set train.steps=20 2>&1 | head -n 1",
      STAGECRAFT_LAUNCH_TRAIN, STAGECRAFT_EXECUTABLE);
  const Ended ended = Process({"/bin/bash", "-c", command}, workplace.path()).wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 0);
  CHECK(last_values(workplace.path() / "run/metrics.jsonl")["step"] == 20);
  CHECK(fs::exists(workplace.path() / "run/model/model.safetensors"));
}

TEST_CASE("a model that may not grow to its size fails a run of processes by name") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  // 8 MiB: less than the model, more than Open MPI's own files.
  const std::string command = fmt::format(
      "ulimit -f 8192; exec {} run.toml --program {} --set run.mode=mpi --set parallel.pipeline=2 "
      "--set run.directory=run --set model.vocab=50257 --set model.hidden=64 --set train.steps=2",
      STAGECRAFT_LAUNCH_TRAIN, STAGECRAFT_EXECUTABLE);
  const Ended ended = Process({"/bin/bash", "-c", command}, workplace.path()).wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 1);
  const std::string cause = "model.safetensors.unfinished] cannot reserve 13";
  CHECK(ended.err.substr(0, ended.err.find('\n')).find(cause) != std::string::npos);
  const auto result = nlohmann::json::parse(read_file(workplace.path() / "run/result.json"));
  CHECK(result["outcome"] == "failed");
  CHECK_THAT(result["cause"].get<std::string>(), Catch::Contains("File too large"));
  CHECK(fs::is_empty(workplace.path() / "run/model"));
}

TEST_CASE("a mistake of the user with processes gives one message and leaves nothing behind") {
  if (skips_processes()) {
    return;
  }
  const Workplace workplace;
  const auto before = names_in_folder(workplace.path());
  const auto check_refusal = [&](const Ended& ended, const std::string& words) {
    CAPTURE(ended.out, ended.err);
    CHECK(ended.status == 2);
    CHECK_THAT(ended.err, Catch::Contains(words));
    CHECK(names_in_folder(workplace.path()) == before);
  };
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  const Ended alone = Process({STAGECRAFT_EXECUTABLE, "train", "run.toml", "--set", "run.mode=mpi"},
                              workplace.path())
                          .wait();
  check_refusal(alone, "run launch/train with the same arguments");
  CHECK(lines(alone.err) == 1);
  const Ended occupied =
      workplace.train({"run.mode=mpi", "parallel.pipeline=2", "run.directory=."});
  check_refusal(occupied, "not an empty folder");
  CHECK(lines(occupied.err) == 1);
  const Ended unknown = workplace.train({"run.mode=mpi", "parallel.pipelin=2"});
  check_refusal(unknown, "parallel.pipeline");
  CHECK(lines(unknown.err) == 1);
  // One slot for two ranks. Where cores are short, mpirun gets --oversubscribe instead.
  if (std::thread::hardware_concurrency() > 1) {
    const Ended crowded = workplace.train(
        {"run.mode=mpi", "device.threads=1", "parallel.pipeline=2"}, {"--hosts", "localhost:1"});
    CHECK(crowded.status == 1);
    CHECK_THAT(crowded.err, Catch::Contains("before any rank had begun; its reasons:") &&
                                Catch::Contains("slots"));
    CHECK(names_in_folder(workplace.path()) == before);
  }
  // mpirun by hand, with too few processes: it adds its own messages, but ours appears once.
  const Ended few =
      Process({"/usr/bin/env", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
               "mpirun", "--quiet", "--oversubscribe", "-n", "2", STAGECRAFT_EXECUTABLE, "train",
               "run.toml", "--set", "run.mode=mpi", "--set", "parallel.pipeline=4"},
              workplace.path())
          .wait();
  check_refusal(few, "the plan has 4 ranks and mpirun started 2 processes");
  CHECK(few.err.find("the plan has 4 ranks") == few.err.rfind("the plan has 4 ranks"));
}

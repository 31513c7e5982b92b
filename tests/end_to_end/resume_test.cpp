// Runs that are killed and go on, as a person starts them.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <sstream>

#include "kernels/base/posix_file_system.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "tests/end_to_end/becomes_true.h"
#include "tests/end_to_end/process.h"
#include "tests/end_to_end/run_processes.h"
#include "tests/end_to_end/run_rows.h"

using namespace stagecraft;
namespace fs = std::filesystem;
using Catch::Contains;

namespace {

constexpr const char* kConfig = R"([model]
family = "gpt"
layers = 4
hidden = 32
heads = 4
sequence = 16
dropout = 0.1
[train]
steps = 500
global_batch = 4
micro_batch = 1
learning_rate = 0.01
min_learning_rate = 0.001
warmup_steps = 10
clip = 0.5
eval_every = 50
[data]
train = ["text.txt"]
validation_fraction = 0.25
[checkpoint]
every = 20
[trace]
file = ""
[device]
threads = 1
)";

struct Workplace {
  Workplace() {
    std::ofstream(path / "run.toml") << kConfig;
    std::ofstream text(path / "text.txt");
    for (int i = 0; i < 1500; ++i) {
      text << static_cast<char>('a' + (i * i + i / 7) % 26);
    }
  }

  Process start(const std::vector<std::string>& more) const {
    std::vector<std::string> words{STAGECRAFT_EXECUTABLE, "train", "run.toml"};
    words.insert(words.end(), more.begin(), more.end());
    return Process(words, path);
  }

  Ended train(const std::vector<std::string>& more) const { return start(more).wait(); }

  Process launch(const std::vector<std::string>& more) const {
    std::vector<std::string> words{std::string(STAGECRAFT_LAUNCH) + "/train", "run.toml",
                                   "--program", STAGECRAFT_EXECUTABLE};
    words.insert(words.end(), more.begin(), more.end());
    return Process(words, path);
  }

  /// As a batch script has it.
  std::string launch_line() const {
    return fmt::format("{}/train run.toml --set run.directory=run --program {}", STAGECRAFT_LAUNCH,
                       STAGECRAFT_EXECUTABLE);
  }
  void write_job(const std::string& lines) const {
    std::ofstream(path / "job.sh") << "#!/bin/bash\n" << lines;
  }
  /// What Slurm does: starts the script, with the number of starts before it.
  Process start_job(int restarts) const {
    return Process(
        {"/usr/bin/env", fmt::format("SLURM_RESTART_COUNT={}", restarts), "/bin/bash", "job.sh"},
        path);
  }

  bool has_checkpoint(const std::string& run) const { return newest_step(run) > 0; }
  /// Of its checkpoints; 0: there is none.
  std::int64_t newest_step(const std::string& run) const {
    PosixFileSystem files;
    const std::vector<std::int64_t> steps = checkpoint_steps(files, path / run / "checkpoints");
    return steps.empty() ? 0 : steps.back();
  }

  TemporaryFolder folder;
  fs::path path = folder.path();
};

/// The process in the run's claim.
int holder(const fs::path& run) {
  std::ifstream file(run / "claim");
  std::string key;
  std::string value;
  while (file >> key >> value) {
    if (key == "process") {
      return std::stoi(value);
    }
  }
  return 0;
}

void check_same(const fs::path& run, const fs::path& whole) {
  CHECK(read_file(run / "model/model.safetensors") == read_file(whole / "model/model.safetensors"));
  CHECK(test::rows_without_times(run) == test::rows_without_times(whole));
}

/// Kills the run that `process` runs, or has started, behind a checkpoint of a later step.
void kill_behind_checkpoint(const Workplace& at, const std::string& run, const Process& process,
                            std::int64_t step = 0) {
  REQUIRE(becomes_true([&] { return at.newest_step(run) > step || process.has_ended(); }));
  REQUIRE(holder(at.path / run) > 0);
  ::kill(holder(at.path / run), SIGKILL);
}

}  // namespace

TEST_CASE("a killed run goes on under another split with the bits of one without stops") {
  const Workplace at;
  REQUIRE(at.train({"--set", "run.directory=whole"}).status == 0);
  Process first = at.start({});
  kill_behind_checkpoint(at, "runs/run", first);
  CHECK(first.wait().status == 128 + SIGKILL);

  const Ended second = at.train({"--set", "train.steps=1", "--set", "train.warmup_steps=0"});
  CAPTURE(second.out, second.err);
  CHECK(second.status == 0);
  CHECK_THAT(second.out, Catch::StartsWith("runs/run has stopped, with a checkpoint of step ") &&
                             Contains("launch/train run.toml --set 'train.steps=1' --set "
                                      "'train.warmup_steps=0' --resume runs/run\n"));
  CHECK(fs::exists(at.path / "runs/run-2"));

  const Ended other =
      at.train({"--resume", "runs/run", "--set", "train.seed=2", "--set", "model.dropout=0"});
  CHECK(other.status == 2);
  CHECK_THAT(other.err, Contains("model.dropout was 0.1 and is 0.0, train.seed was 1 and is 2") &&
                            Contains("--allow train.seed"));

  const Ended rest = at.train({"--resume", "runs/run", "--set", "parallel.pipeline=2"});
  CAPTURE(rest.out, rest.err);
  CHECK(rest.status == 0);
  CHECK_THAT(rest.out, Catch::StartsWith("runs/run goes on from its checkpoint of step "));
  CHECK_THAT(rest.out, !Contains("may differ"));
  check_same(at.path / "runs/run", at.path / "whole");
  CHECK(fs::exists(at.path / "runs/run/earlier/1/progress"));
  CHECK_THAT(read_file(at.path / "runs/run/result.json"), Contains(R"("earlier":"killed")"));

  const Ended again = at.train({"--set", "run.directory=runs/run"});
  CHECK(again.status == 2);
  CHECK_THAT(again.err, Contains("runs/run holds a finished run of 500 steps"));
}

TEST_CASE("a finished run goes on when train.steps is raised, on the curve that it began with") {
  const Workplace at;
  const auto part = [&](const std::string& directory, int steps) {
    const Ended ended =
        at.train({"--set", "run.directory=" + directory, "--set", "train.decay_steps=60", "--set",
                  "train.eval_every=0", "--set", "train.steps=" + std::to_string(steps)});
    CAPTURE(ended.out, ended.err);
    CHECK(ended.status == 0);
  };
  part("whole", 80);
  part("parts", 50);
  const Ended rest =
      at.train({"--resume", "parts", "--set", "train.steps=80", "--set", "train.eval_every=0"});
  CAPTURE(rest.out, rest.err);
  CHECK(rest.status == 0);
  CHECK_THAT(rest.out, Catch::StartsWith("parts goes on from its checkpoint of step 50\n") &&
                           Contains("weights and moments of step 50"));
  CHECK(read_file(at.path / "parts/model/model.safetensors") ==
        read_file(at.path / "whole/model/model.safetensors"));
}

TEST_CASE("launch/train starts a killed run again, of threads and of processes") {
  const Workplace at;
  REQUIRE(at.train({"--set", "run.directory=whole"}).status == 0);
  std::vector<std::string> modes{"threads"};
  if (test::is_in_path("mpirun")) {
    modes.emplace_back("mpi");
  }
  for (const std::string& mode : modes) {
    CAPTURE(mode);
    Process process = at.launch({"--restarts", "1", "--set", "run.mode=" + mode, "--set",
                                 "run.directory=" + mode, "--set", "parallel.pipeline=2"});
    kill_behind_checkpoint(at, mode, process);
    const Ended ended = process.wait();
    CAPTURE(ended.out, ended.err);
    CHECK(ended.status == 0);
    CHECK_THAT(ended.err,
               Contains("started again from its newest checkpoint; 0 restarts are left"));
    check_same(at.path / mode, at.path / "whole");
  }
}

TEST_CASE("a run whose legs are of threads and of processes has the bits of one without stops") {
  if (!test::is_in_path("mpirun")) {
    WARN("skipped, no MPI");
    return;
  }
  const Workplace at;
  REQUIRE(at.train({"--set", "run.directory=whole"}).status == 0);
  for (const std::vector<std::string>& modes :
       {std::vector<std::string>{"threads", "mpi", "threads"}, {"mpi", "threads", "mpi"}}) {
    const std::string run = modes.front() + "_first";
    for (std::size_t leg = 0; leg < modes.size(); ++leg) {
      CAPTURE(run, leg);
      const std::int64_t step = at.newest_step(run);
      Process process = at.launch({"--set", "run.mode=" + modes[leg], "--set",
                                   "run.directory=" + run, "--set", "parallel.pipeline=2"});
      if (leg + 1 < modes.size()) {
        kill_behind_checkpoint(at, run, process, step);
      }
      const Ended ended = process.wait();
      CAPTURE(ended.out, ended.err);
      CHECK((ended.status == 0) == (leg + 1 == modes.size()));
      const std::string line = fmt::format("{} goes on from its checkpoint of step ", run);
      CHECK((ended.out.find(line) == 0) == (leg > 0));
      CHECK_THAT(ended.out, !Contains("may differ"));
    }
    check_same(at.path / run, at.path / "whole");
  }
}

TEST_CASE("a batch job gets USR1 before its time is up, is killed, and is requeued until it ends") {
  const Workplace at;
  REQUIRE(at.train({"--set", "run.directory=whole"}).status == 0);
  at.write_job("exec " + at.launch_line());
  for (int restarts = 0; restarts < 2; ++restarts) {
    CAPTURE(restarts);
    const std::int64_t step = at.newest_step("run");
    Process job = at.start_job(restarts);
    REQUIRE(becomes_true([&] { return at.newest_step("run") > step || job.has_ended(); }));
    const bool warned = restarts == 0;
    ::kill(job.pid(), warned ? SIGUSR1 : SIGKILL);
    CHECK(job.wait().status == (warned ? 75 : 128 + SIGKILL));
  }
  const Ended last = at.start_job(2).wait();
  CAPTURE(last.out, last.err);
  CHECK(last.status == 0);
  CHECK_THAT(last.out, Catch::StartsWith("run goes on from its checkpoint of step "));
  check_same(at.path / "run", at.path / "whole");
}

TEST_CASE("a batch script that waits for launch/train passes USR1 on and requeues its job") {
  const Workplace at;
  at.write_job("scontrol() { echo \"$*\" >requeued; }\ntrap 'kill -USR1 $train' USR1\n" +
               at.launch_line() +
               " & train=$!\nwait $train; status=$?\n"
               "((status <= 128)) || { wait $train; status=$?; }\n"
               "((status != 75)) || scontrol requeue 7\n");
  Process job = at.start_job(0);
  REQUIRE(becomes_true([&] { return at.has_checkpoint("run") || job.has_ended(); }));
  ::kill(job.pid(), SIGUSR1);
  const Ended ended = job.wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 0);
  CHECK(read_file(at.path / "requeued") == "requeue 7\n");
}

TEST_CASE("SIGUSR2 to all ranks makes one checkpoint") {
  if (!test::is_in_path("mpirun")) {
    WARN("skipped, no MPI");
    return;
  }
  const Workplace at;
  const std::string mark = "STAGECRAFT_TEST_MARK=" + at.path.string();
  ::setenv("STAGECRAFT_TEST_MARK", at.path.c_str(), 1);
  Process process = at.launch({"--set", "run.mode=mpi", "--set", "parallel.pipeline=2", "--set",
                               "run.directory=run", "--set", "checkpoint.every=0", "--set",
                               "train.steps=1000000"});
  ::unsetenv("STAGECRAFT_TEST_MARK");
  const auto rows = [&] {
    std::ifstream file(at.path / "run/metrics.jsonl");
    return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
  };
  REQUIRE(becomes_true([&] { return rows() > 0 || process.has_ended(); }));
  for (const int each : test::processes_with(mark)) {
    std::string name;
    std::ifstream(fmt::format("/proc/{}/comm", each)) >> name;
    if (name == "stagecraft") {
      ::kill(each, SIGUSR2);
    }
  }
  CHECK(becomes_true([&] { return at.has_checkpoint("run"); }));
  const std::int64_t first = at.newest_step("run");
  CHECK(becomes_true([&] { return rows() > first + 100; }));
  PosixFileSystem files;
  CHECK(checkpoint_steps(files, at.path / "run/checkpoints").size() == 1);
  ::kill(process.pid(), SIGTERM);
  CHECK(process.wait().status == 75);
}

TEST_CASE("what cannot go on is not started again") {
  const Workplace at;
  const Ended bad = at.launch({"--restarts", "3", "--set", "train.warmup_steps=501"}).wait();
  CHECK(bad.status == 2);
  CHECK_THAT(bad.err, !Contains("started again"));
  const Ended infinite =
      at.launch({"--restarts", "5", "--set", "train.learning_rate=1e30", "--set", "train.clip=0"})
          .wait();
  CAPTURE(infinite.out, infinite.err);
  CHECK(infinite.status == 1);
  CHECK_THAT(infinite.err, Contains("4 restarts are left") && !Contains("3 restarts are left") &&
                               Contains("not finite in the same step again"));
}

// The long run: random faults at random moments of runs of 4 and 8 processes, then runs in a row
// without a fault. Prints the table of docs/reliability.md.
//   reliability [FAULTS] [SEED] [RUNS]
// Or kills runs at calls for the files of their checkpoints, and lets them go on:
//   reliability checkpoints [POINTS] [SEED]
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string_view>

#include "tests/end_to_end/crash_points.h"
#include "tests/end_to_end/process_faults.h"

using namespace stagecraft;
using namespace stagecraft::test;

namespace {

struct Tally {
  int runs = 0;
  int right = 0;
  double slowest_seconds = 0;
};

class LongRun {
 public:
  explicit LongRun(unsigned seed) : random_(seed) {}

  /// Cycles through the kinds, so that a hundred rounds have several of each. All else is random.
  void befall(int round) {
    FaultyRun run;
    run.mesh = kMeshes[at_most(kMeshes.size() - 1)];
    run.fault.kind = kKinds[static_cast<std::size_t>(round) % kKinds.size()];
    run.fault.rank = run.fault.kind == FaultKind::killed
                         ? next_victim(run.mesh.ranks())
                         : static_cast<int>(at_most(run.mesh.ranks() - 1U));
    run.fault.step = 1 + static_cast<std::int64_t>(at_most(29));
    run.fault.call = static_cast<int>(at_most(39));
    fit_length(run);
    count(std::string(name_of(run.fault.kind)), run);
  }

  void leave_alone() {
    FaultyRun run;
    run.mesh = kMeshes[at_most(2)];
    run.sets = {"train.steps=2"};
    count("none, two steps", run);
  }

  void print() const {
    fmt::print("| fault | runs | ended as they should | slowest end, s |\n|---|---|---|---|\n");
    for (const auto& [name, tally] : tallies_) {
      fmt::print("| {} | {} | {} | {:.1f} |\n", name, tally.runs, tally.right,
                 tally.slowest_seconds);
    }
    fmt::print("\nkilled by SIGKILL, of 4: ranks {}; of 8: ranks {}\n",
               fmt::join(victims_.at(4), " "), fmt::join(victims_.at(8), " "));
  }
  bool all_right() const {
    return std::all_of(tallies_.begin(), tallies_.end(),
                       [](const auto& entry) { return entry.second.right == entry.second.runs; });
  }

 private:
  static constexpr std::array<MeshShape, 5> kMeshes = {
      {{2, 2, 1}, {4, 1, 1}, {2, 1, 2}, {2, 2, 2}, {4, 2, 1}}};
  static constexpr std::array kKinds = {FaultKind::killed,
                                        FaultKind::throws,
                                        FaultKind::hangs,
                                        FaultKind::frozen,
                                        FaultKind::mpirun_killed,
                                        FaultKind::killed,
                                        FaultKind::drops,
                                        FaultKind::doubles,
                                        FaultKind::disconnected,
                                        FaultKind::missing,
                                        FaultKind::late,
                                        FaultKind::launcher_killed,
                                        FaultKind::killed,
                                        FaultKind::interrupted,
                                        FaultKind::terminated,
                                        FaultKind::stopped_twice,
                                        FaultKind::disk_full,
                                        FaultKind::strangers,
                                        FaultKind::hung_up,
                                        FaultKind::asked,
                                        FaultKind::job_terminated,
                                        FaultKind::write_fails,
                                        FaultKind::suspended,
                                        FaultKind::rank_terminated,
                                        FaultKind::writes_slowly,
                                        FaultKind::closed_streams,
                                        FaultKind::second_run,
                                        FaultKind::killed_writing,
                                        FaultKind::terminal_stopped,
                                        FaultKind::no_memory};

  /// A run has steps without end, unless it is to end by itself.
  void fit_length(FaultyRun& run) {
    switch (run.fault.kind) {
      case FaultKind::write_fails:  // the first writes of rank 0 are the driver's
        run.fault.call = run.fault.rank == 0 ? 1 : static_cast<int>(at_most(5));
        [[fallthrough]];
      case FaultKind::late:
      case FaultKind::strangers:
      case FaultKind::writes_slowly:
      case FaultKind::killed_writing:
        run.sets = {"train.steps=2"};
        break;
      case FaultKind::closed_streams:
        run.fault.step = 1;
        run.sets = {"train.steps=50"};
        break;
      case FaultKind::suspended:
      case FaultKind::terminal_stopped:
      case FaultKind::second_run:  // which is refused meanwhile
        run.sets = {"train.steps=3000"};
        break;
      default:
        break;
    }
  }

  std::size_t at_most(std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random_);
  }

  /// A rank that was not killed yet, as long as there is one.
  int next_victim(int ranks) {
    std::set<int>& killed = victims_[ranks];
    int rank = static_cast<int>(at_most(static_cast<std::size_t>(ranks) - 1));
    while (static_cast<int>(killed.size()) < ranks && killed.contains(rank)) {
      rank = (rank + 1) % ranks;
    }
    killed.insert(rank);
    return rank;
  }

  void count(const std::string& name, const FaultyRun& run) {
    const FaultOutcome outcome = run_with_fault(run);
    if (!outcome.not_tried.empty()) {
      fmt::print(stderr, "{} was not tried: {}\n", name, outcome.not_tried);
      return;
    }
    Tally& tally = tallies_[name];
    ++tally.runs;
    tally.right += outcome.wrong.empty() ? 1 : 0;
    tally.slowest_seconds = std::max(tally.slowest_seconds, outcome.seconds);
    if (!outcome.wrong.empty()) {
      fmt::print(stderr, "{}\n", describe(run, outcome));
    }
  }

  std::mt19937 random_;
  std::map<std::string, Tally> tallies_;
  std::map<int, std::set<int>> victims_ = {{4, {}}, {8, {}}};
};

int number(int argc, char** argv, int position, int otherwise) {
  return argc > position ? std::atoi(argv[position]) : otherwise;
}

/// A layout's points are spread over its ranks, and are random otherwise. Returns whether all runs
/// went on as they should.
bool crash_at_points(const CrashLayout& layout, int points, std::mt19937& random) {
  int right = 0;
  int calls = 0;
  int crashed = 0;
  const int ranks = layout.processes ? layout.ranks : 1;
  for (int rank = 0; rank < ranks; ++rank) {
    const CrashRuns runs(layout, rank);
    calls += runs.calls();
    for (int point = rank; point < points; point += ranks) {
      const int call = std::uniform_int_distribution<int>(0, runs.calls() - 1)(random);
      const CrashRuns::Outcome outcome = runs.crash_at(call);
      crashed += outcome.crashed ? 1 : 0;
      right += outcome.wrong.empty() ? 1 : 0;
      if (!outcome.wrong.empty()) {
        fmt::print(stderr, "{}, rank {}, call {}: {}\n", layout.name, rank, call, outcome.wrong);
      }
    }
  }
  fmt::print("| {} | {} | {} | {} | {} |\n", layout.name, calls, points, crashed, right);
  return right == points;
}

int crash_at_points(int points, unsigned seed) {
  std::mt19937 random(seed);
  bool all_right = true;
  fmt::print(
      "| ranks | calls | runs | killed | ended with the same bits |\n|---|---|---|---|---|\n");
  const int each = points / static_cast<int>(crash_layouts().size());
  for (const CrashLayout& layout : crash_layouts()) {
    all_right = crash_at_points(layout, each, random) && all_right;
  }
  return all_right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string_view("checkpoints")) {
    return crash_at_points(number(argc, argv, 2, 500),
                           static_cast<unsigned>(number(argc, argv, 3, 1)));
  }
  const int faults = number(argc, argv, 1, 100);
  const int seed = number(argc, argv, 2, 1);
  const int runs = number(argc, argv, 3, 100);
  LongRun long_run(static_cast<unsigned>(seed));
  for (int round = 0; round < faults; ++round) {
    long_run.befall(round);
  }
  for (int run = 0; run < runs; ++run) {
    long_run.leave_alone();
  }
  long_run.print();
  return long_run.all_right() ? 0 : 1;
}

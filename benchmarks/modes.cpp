// Processes beside threads, the same plan in the same run; every actor has one thread.
//   mpirun -np P [words of tests/CMakeLists.txt] bench_modes pipeline|data|engine [STEPS]
// pipeline, data: GPT-2 124M, 8 micro-batches of 1 x 256 tokens over P ranks. engine: a pipeline of
// P stages whose operations do nothing.
#include <sys/wait.h>

#include <cstdlib>
#include <functional>
#include <string_view>

#include "benchmarks/idle_run.h"
#include "benchmarks/process_run.h"

namespace {

using namespace stagecraft;

/// Steps differ by what others do to the machine; where their time goes tells more.
double print_mode(const char* name, const bench::Measured& measured) {
  fmt::print("{:<10} {:.4f} s a step\n", name, measured.step_seconds);
  const auto steps = static_cast<double>(measured.result.steps);
  for (const RankReport& rank : measured.result.ranks) {
    fmt::print("  a rank's mean step: compute {:.4f} s, communication {:.4f}, idle {:.4f}\n",
               rank.compute_seconds / steps, rank.communication_seconds / steps,
               rank.idle_seconds / steps);
  }
  return measured.step_seconds;
}

/// Threads run in a process of their own: rank 0 is to begin with its memory as fresh as the
/// others'.
double in_child(const std::function<double()>& measured) {
  int ends[2]{};
  require(::pipe(ends) == 0, "bench_modes", "no pipe");
  std::fflush(nullptr);  // or the child would print it again
  if (const pid_t child = ::fork(); child != 0) {
    double value = 0;
    ::close(ends[1]);
    const bool told = ::read(ends[0], &value, sizeof(value)) == sizeof(value);
    ::waitpid(child, nullptr, 0);
    require(told, "bench_modes", "the run as threads failed");
    return value;
  }
  const double value = measured();
  const bool told = ::write(ends[1], &value, sizeof(value)) == sizeof(value);
  bench::end_rank(told ? 0 : 1);
}

void compare_training(const ParallelConfig& parallel, std::int64_t steps, bool speaks) {
  constexpr double kMostTimes = 1.03;
  const ModelConfig model = bench::gpt2_124m();
  const BatchConfig batch{.global_batch = 8, .micro_batch = 1};
  const double threads = speaks ? in_child([&] {
    return print_mode("threads", bench::measure(model, parallel, batch, 1, steps));
  })
                                : 0;
  const double processes = print_mode(
      "processes", bench::measure(model, parallel, batch, 1, steps, bench::run_as_processes));
  fmt::print("processes / threads {:.3f} (limit {:.2f})\n", processes / threads, kMostTimes);
}

void compare_engines(int stages, std::int64_t steps, bool speaks) {
  const TrainingPlan plan = bench::idle_plan(stages);
  if (speaks) {
    in_child([&] {
      bench::print_idle_run("threads", plan, steps, run_training);
      return 0.0;
    });
  }
  bench::print_idle_run("processes", plan, steps, bench::run_as_processes);
}

}  // namespace

int main(int argc, char** argv) {
  const auto me = launched();
  const std::string_view what = argc > 1 ? argv[1] : "";
  require(me && (what == "pipeline" || what == "data" || what == "engine"), "bench_modes",
          "is started by mpirun with a word: pipeline, data or engine");
  const std::int64_t steps = argc > 2 ? std::atoll(argv[2]) : 5;
  const bool speaks = me->rank == 0;
  if (what == "engine") {
    compare_engines(me->size, steps, speaks);
  } else {
    const ParallelConfig parallel =
        what == "data" ? ParallelConfig{.data = me->size} : ParallelConfig{.pipeline = me->size};
    compare_training(parallel, steps, speaks);
  }
  bench::end_rank(0);
}

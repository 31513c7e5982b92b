// Processes beside threads, the same plan in the same run; every actor has one thread.
//   mpirun -np P [words of tests/CMakeLists.txt] bench_modes pipeline|data|engine [STEPS]
// pipeline, data: GPT-2 124M, 8 micro-batches of 1 x 256 tokens over P ranks. engine: a pipeline of
// P stages whose operations do nothing.
#include <cstdlib>
#include <string_view>

#include "benchmarks/idle_run.h"
#include "benchmarks/process_run.h"

namespace {

using namespace stagecraft;

void compare_training(const ParallelConfig& parallel, std::int64_t steps, bool speaks) {
  constexpr double kMostTimes = 1.03;
  const ModelConfig model = bench::gpt2_124m();
  const BatchConfig batch{.global_batch = 8, .micro_batch = 1};
  const double threads = speaks ? bench::measure(model, parallel, batch, 1, steps).step_seconds : 0;
  const double processes =
      bench::measure(model, parallel, batch, 1, steps, bench::run_as_processes).step_seconds;
  fmt::print("threads {:.4f} s a step, processes {:.4f}, ratio {:.3f} (limit {:.2f})\n", threads,
             processes, processes / threads, kMostTimes);
}

void compare_engines(int stages, std::int64_t steps, bool speaks) {
  const TrainingPlan plan = bench::idle_plan(stages);
  if (speaks) {
    bench::print_idle_run("threads", plan, steps, run_training);
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

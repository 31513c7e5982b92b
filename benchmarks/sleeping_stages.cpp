// Measures the time that the engine adds to a schedule, with stages whose instructions only sleep:
// any number of them overlap on any number of cores.
//   sleeping_stages [STAGES [SCHEDULE]]                          actors as threads
//   mpirun -np STAGES [...] sleeping_stages STAGES SCHEDULE      actors as processes
// Prints the duration of a step, from its begin on the first rank to the end of the last rank's
// optimizer; the durations that `simulate` predicts with the costs that `calibrate` takes from the
// same steps, and with nominal costs; and the schedule's formula (docs/schedules.md). Without
// arguments: 4, 8 and 16 stages, every schedule.
#include <fmt/format.h>
#include <sys/prctl.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "benchmarks/idle_run.h"
#include "benchmarks/process_run.h"
#include "benchmarks/traced_run.h"
#include "launch/report/run_analysis.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "stages/explain/calibration.h"
#include "stages/schedules/schedules.h"

namespace {

using namespace stagecraft;

constexpr double kUnitMs = 20;  // F, I and W of a chunk; B takes two

/// The duration of an instruction in milliseconds.
double nominal_ms(Op op) { return op == Op::backward ? 2 * kUnitMs : is_compute(op) ? kUnitMs : 0; }

class SleepingWork : public bench::IdleWork {
 public:
  using IdleWork::IdleWork;
  void run(const Instruction& instruction) override {
    std::this_thread::sleep_for(
        std::chrono::duration<double, std::milli>(nominal_ms(instruction.op)));
  }
};

/// Idle time of the schedule if F = I = W for a chunk, in units of F (docs/schedules.md).
double idle_units(std::string_view schedule, int stages) {
  const double ramp = stages - 1;
  if (schedule == "zb-h1" || schedule == "zb-h2" || schedule == "zb-v" ||
      schedule == "dualpipe-v") {
    return ramp;
  }
  return 3 * ramp;
}

int chunks_of(std::string_view schedule) {
  const bool one = schedule == "gpipe" || schedule == "1f1b" || schedule.starts_with("zb-h");
  return one ? 1 : 2;
}

TrainingPlan plan_of(const std::string& schedule, int stages) {
  const int chunks = chunks_of(schedule);
  ModelConfig model;
  model.layers = stages * chunks;
  model.hidden = 8;
  model.heads = 1;
  model.sequence = 8;
  model.vocab = 256;
  return make_plan(gpt(model, 1), {.pipeline = stages, .chunks = chunks, .schedule = schedule},
                   {.global_batch = 4 * stages, .micro_batch = 1});
}

void print_head() {
  fmt::print("{:<10} {:>3} {:<12} {:>9} {:>9} {:>7} {:>9} {:>7} {:>9} {:>9} {:>9}\n", "actors", "p",
             "schedule", "step, ms", "simulated", "ratio", "nominal", "ratio", "formula", "F, ms",
             "sent, ms");
}

void print_row(const char* actors, const TrainingPlan& plan, double step_ms,
               const CostTable& costs) {
  const CostTable nominal{.chunks = {{kUnitMs, kUnitMs, kUnitMs}}};
  const double simulated = simulate(plan.program, costs).makespan;
  const double ideal = simulate(plan.program, nominal).makespan;
  const int chunks = plan.parallel.chunks;
  const double formula = kUnitMs * (3.0 * plan.microbatches * chunks +
                                    idle_units(plan.parallel.schedule, plan.parallel.pipeline));
  fmt::print(
      "{:<10} {:>3} {:<12} {:>9.1f} {:>9.1f} {:>7.4f} {:>9.1f} {:>7.4f} {:>9.1f} {:>9.3f} "
      "{:>9.3f}{}\n",
      actors, plan.parallel.pipeline, plan.parallel.schedule, step_ms, simulated,
      step_ms / simulated, ideal, step_ms / ideal, formula, costs.chunks[0].forward, costs.transfer,
      step_ms < formula ? "  BELOW THE FORMULA" : "");
  std::fflush(stdout);
}

void measure(const char* actors, const std::string& schedule, int stages,
             const bench::Runner& runner) {
  constexpr std::int64_t kSteps = 3;
  const TrainingPlan plan = plan_of(schedule, stages);
  RunConfig config;
  config.optimizer.steps = kSteps;
  bench::trace(config, kSteps);
  config.wrap_work = [](int, std::unique_ptr<StageWork> real) -> std::unique_ptr<StageWork> {
    return std::make_unique<SleepingWork>(std::move(real));
  };
  const RunResult result = runner(plan, config, bench::random_text(8), {});
  require(result.failure.empty(), "benchmark", "{}", result.failure);
  const std::vector<StepTimeline> steps = bench::traced(plan).steps;
  require(steps.size() == kSteps, "benchmark", "only {} of {} steps have a complete trace",
          steps.size(), kSteps);
  double total_ms = 0;
  for (const StepTimeline& step : steps) {
    total_ms += step.duration;
  }
  print_row(actors, plan, total_ms / static_cast<double>(steps.size()),
            calibrate(plan.program, plan.mesh, steps));
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // wake without delay; threads and actors inherit it
  const int stages = argc > 1 ? std::atoi(argv[1]) : 0;
  const auto me = mpi_environment();
  if (me) {
    require(argc > 2 && stages == me->size, "sleeping_stages",
            "mpirun started {} processes: give as many stages, and a schedule", me->size);
    if (me->rank == 0) {
      print_head();
    }
    measure("processes", argv[2], stages, bench::run_as_processes);
    bench::end_rank(0);
  }
  print_head();
  for (const int p : stages > 0 ? std::vector<int>{stages} : std::vector<int>{4, 8, 16}) {
    for (const std::string& schedule :
         argc > 2 ? std::vector<std::string>{argv[2]} : schedule_names()) {
      measure("threads", schedule, p, run_training);
    }
  }
}

// Compares the engine's overhead with processes and with threads: one plan, a pipeline whose
// operations do nothing, in one run. compare_modes.py compares whole training runs.
//   mpirun -np STAGES [options as in tests/CMakeLists.txt] bench_modes [STEPS]
#include <sys/wait.h>

#include <cstdlib>
#include <functional>

#include "benchmarks/idle_run.h"
#include "benchmarks/process_run.h"

namespace {

using namespace stagecraft;

/// Runs `measured`, the run with threads, in a child process, so that rank 0's memory is as fresh
/// as that of the other ranks for the run with processes.
void in_child(const std::function<void()>& measured) {
  std::fflush(nullptr);  // else the child prints the buffer again
  const pid_t child = ::fork();
  if (child == 0) {
    measured();
    bench::end_rank(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  require(status == 0, "bench_modes", "the run with threads failed");
}

}  // namespace

int main(int argc, char** argv) {
  const auto me = mpi_environment();
  require(me.has_value(), "bench_modes", "start this program with mpirun");
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 500;
  const TrainingPlan plan = bench::idle_plan(me->size);
  if (me->rank == 0) {
    in_child([&] { bench::print_idle_run("threads", plan, steps, run_training); });
  }
  bench::print_idle_run("processes", plan, steps, bench::run_as_processes);
  bench::end_rank(0);
}

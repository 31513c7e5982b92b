// Measures the engine's overhead: microseconds per instruction of programs whose operations do
// nothing.
//   engine [STEPS]
#include <fmt/core.h>

#include <cstdlib>

#include "benchmarks/idle_run.h"

int main(int argc, char** argv) {
  using namespace stagecraft;
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 200;
  for (const int stages : {2, 4, 8}) {
    bench::print_idle_run("threads", bench::idle_plan(stages), steps, run_training);
  }
}

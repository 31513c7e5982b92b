// Builds and verifies 1F1B programs, one of usual size and a large one, and prints CPU time and
// memory with their limits: verify_time
#include <fmt/core.h>
#include <sys/resource.h>
#include <time.h>

#include <cstddef>

#include "benchmarks/measure.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/verify.h"

namespace stagecraft::bench {
namespace {

struct Size {
  int stages;
  int microbatches;
  double limit_s;
  int rounds;
};

/// CPU time of this process, which has one thread; other load on the machine does not count.
double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Peak memory of this process so far.
double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

std::size_t instructions(const Program& program) {
  std::size_t count = 0;
  for (const StageProgram& line : program.stages) {
    for (const TransferGroup& group : line) {
      count += group.size();
    }
  }
  return count;
}

bool measure(const Size& size) {
  std::vector<double> all;
  std::vector<double> builds;
  std::vector<double> passes;
  std::vector<double> proofs;
  std::size_t count = 0;
  bool proven = true;
  for (int round = 0; round < size.rounds; ++round) {
    const double begin = cpu_seconds();
    Program compute =
        build_schedule("1f1b", {.stages = size.stages, .microbatches = size.microbatches});
    builds.push_back(cpu_seconds() - begin);
    const Program program = with_reductions(with_transfers(std::move(compute)), {});
    passes.push_back(cpu_seconds() - begin - builds.back());
    proven = verify(program, {}).proven && proven;
    all.push_back(cpu_seconds() - begin);
    proofs.push_back(all.back() - builds.back() - passes.back());
    count = instructions(program);
  }
  const double seconds = median(all);
  fmt::print(
      "{} stages x {} micro-batches, {} instructions: {} s (limit {} s): build {} s, passes {} s, "
      "verify {} s; peak {:.0f} MiB (limit 2048); {}\n",
      size.stages, size.microbatches, count, fmt::format("{:.4g}", seconds), size.limit_s,
      fmt::format("{:.4g}", median(builds)), fmt::format("{:.4g}", median(passes)),
      fmt::format("{:.4g}", median(proofs)), peak_mib(), proven ? "proven" : "NOT PROVEN");
  return proven && seconds <= size.limit_s && peak_mib() <= 2048;
}

}  // namespace
}  // namespace stagecraft::bench

int main() {
  const bool usual = stagecraft::bench::measure({16, 64, 0.005, 21});
  const bool large = stagecraft::bench::measure({1024, 4096, 10, 1});
  return usual && large ? 0 : 1;
}

// Compares two actors of one thread with one actor of two threads: GPT-2 124M, 8 micro-batches of
// 1 x 256 tokens. The time that the schedule allows is (m - 1) max(a, b) + a + b for a pipeline of
// two stages with costs a and b a micro-batch, and the time of half of the micro-batches for data
// parallelism.
//   two_actors [STEPS]
#include <fmt/core.h>

#include <cstdlib>

#include "benchmarks/bench_run.h"
#include "models/families/model_config.h"

namespace {

using namespace stagecraft;

constexpr std::int64_t kMicrobatches = 8;

double compute_per_step(const bench::Measured& measured, std::size_t rank) {
  return measured.result.ranks.at(rank).compute_seconds /
         static_cast<double>(measured.result.steps);
}

/// The mean over all steps, as for the costs.
double seconds_per_step(const bench::Measured& measured) {
  return measured.result.seconds / static_cast<double>(measured.result.steps);
}

void print(const char* name, const bench::Measured& measured, double allowed, double one_actor) {
  const double seconds = seconds_per_step(measured);
  fmt::print(
      "{:<24} {:.4f} s a step, {:.4f} allowed by the schedule, ratio {:.3f} (limit 0.95), "
      "{:.3f} of one actor's throughput\n",
      name, seconds, allowed, allowed / seconds, one_actor / seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 5;
  const ModelConfig model = bench::gpt2_124m();
  const BatchConfig batch{.global_batch = kMicrobatches, .micro_batch = 1};
  const bench::Measured one = bench::measure(model, {}, batch, 2, steps);
  fmt::print("{:<24} {:.4f} s a step\n", "one actor, two threads", seconds_per_step(one));
  const bench::Measured pipeline = bench::measure(model, {.pipeline = 2}, batch, 1, steps);
  const double a = compute_per_step(pipeline, 0) / kMicrobatches;
  const double b = compute_per_step(pipeline, 1) / kMicrobatches;
  print("pipeline 2", pipeline, (kMicrobatches - 1) * std::max(a, b) + a + b,
        seconds_per_step(one));
  const bench::Measured data = bench::measure(model, {.data = 2}, batch, 1, steps);
  print("data 2", data, std::max(compute_per_step(data, 0), compute_per_step(data, 1)),
        seconds_per_step(one));
}

// The results of a run that no split may change.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/end_to_end/small_run.h"
#include "tests/stages/schedules/every_schedule.h"

namespace stagecraft::test {

struct Outcome {
  std::string model;  // the bytes of model.safetensors
  std::int64_t first_step = 0;
  std::vector<double> losses;  // from that step on
  std::optional<double> validation_loss;
};

/// Trains and returns the results.
inline Outcome outcome_of(const SmallRun& run) {
  KeepingObserver observer;
  std::string model = trained_bytes(run, observer);
  return {std::move(model), observer.steps.front().step, observer.losses(),
          observer.validation_loss()};
}

/// Checks that both are equal to the last bit.
inline void check_same(const Outcome& outcome, const Outcome& reference) {
  const bool same_model = outcome.model == reference.model;  // too long to print
  CHECK(same_model);
  CHECK(outcome.first_step == reference.first_step);
  CHECK(outcome.losses == reference.losses);
  CHECK(outcome.validation_loss == reference.validation_loss);
}

/// Checks that every schedule of up to two chunks per stage, over 2 and 4 stages, gives the results
/// of one stage.
inline void check_every_schedule(SmallRun run) {
  run.model.layers = 8;
  const Outcome reference = outcome_of(run);
  for (const int pipeline : {2, 4}) {
    for (const NamedProgram& each : every_schedule(pipeline, 8)) {
      if (each.shape.chunks > 2) {
        continue;  // 8 blocks cannot be cut into 12 chunks
      }
      INFO("pipeline " << pipeline << ", " << each.name << ", chunks " << each.shape.chunks);
      run.parallel.pipeline = pipeline;
      run.parallel.chunks = each.shape.chunks;
      run.parallel.schedule = each.name;
      check_same(outcome_of(run), reference);
    }
  }
}

}  // namespace stagecraft::test

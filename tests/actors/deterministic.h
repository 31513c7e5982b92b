// Actors without time and threads: CAF's deterministic scheduler, which runs only when it is told.
#pragma once

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "models/families/gpt.h"
#include "stages/plan/plan.h"

namespace stagecraft::test {

struct TestingConfig : caf::actor_system_config {
  TestingConfig() {
    set("scheduler.policy", caf::atom("testing"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

inline caf::scheduler::test_coordinator& scheduler_of(caf::actor_system& system) {
  return dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
}

/// A tiny model over two stages, one sample a micro-batch.
inline TrainingPlan two_stages(int microbatches = 2) {
  ModelConfig model;
  model.layers = 2;
  model.hidden = 8;
  model.heads = 2;
  model.sequence = 4;
  model.vocab = 256;
  return make_plan(gpt(model, 1), {.pipeline = 2},
                   {.global_batch = microbatches, .micro_batch = 1});
}

}  // namespace stagecraft::test

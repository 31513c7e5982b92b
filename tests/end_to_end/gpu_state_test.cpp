// The state of a rank on a GPU: snapshots beside updates, and hashes. Skipped where there is no
// GPU.
#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "models/families/gpt.h"
#include "stages/execute/model_stage_work.h"
#include "tensor_parallel/comm/solo/solo_communicator.h"
#include "tests/conformance/devices.h"
#include "tests/models/parameters/memory_state.h"

namespace stagecraft {
namespace {

using test::MemoryState;

/// Large enough that an update overtakes a copy that it does not wait for.
TrainingPlan plan_of(const ParallelConfig& parallel) {
  ModelConfig model;
  model.layers = 2;
  model.hidden = 256;
  model.heads = 8;
  model.sequence = 16;
  model.vocab = 4099;  // padded
  return make_plan(gpt(model, parallel.tensor), parallel,
                   {.global_batch = 4, .micro_batch = 1, .precision = Precision::bf16});
}

std::unique_ptr<StageWork> work_on(Device device, const TrainingPlan& plan, int rank) {
  MeshCommunicators alone{make_solo_communicator(), make_solo_communicator(),
                          make_solo_communicator()};
  WorkConfig config;
  config.snapshots = true;
  return std::make_unique<ModelStageWork>(plan, rank, make_stream(device, {}), std::move(alone),
                                          TextData{}, config);
}

void load(StageWork& work, const StateReader& state) {
  for (const StateKind kind : kStateKinds) {
    work.load(kind, state);
  }
}

void save(StageWork& work, StateWriter& state) {
  for (const StateKind kind : kStateKinds) {
    work.save(kind, state);
  }
}

/// Adds up the hashes of what is written, on the host.
struct HashingWriter : StateWriter {
  void write(const StatePiece& piece, std::span<const float> values) override {
    sums[{piece.parameter.name, piece.kind}] += state_hash_of(piece, values);
  }
  std::map<std::pair<std::string, StateKind>, std::uint64_t> sums;
};

TEST_CASE("a snapshot on a GPU keeps the state while updates go on, and the next is later") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    INFO(placement.name);
    for (const ParallelConfig& mesh : {ParallelConfig{}, ParallelConfig{.tensor = 2, .data = 2}}) {
      const TrainingPlan plan = plan_of(mesh);
      for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
        const auto work = work_on(placement.at(0), plan, rank);
        load(*work, MemoryState(plan.model.parameters()));
        for (std::int64_t round = 0; round < 3; ++round) {
          MemoryState before;
          save(*work, before);
          const std::unique_ptr<StateSnapshot> snapshot = work->snapshot();
          REQUIRE(snapshot != nullptr);
          for (std::int64_t step = 1; step <= 3; ++step) {
            work->update({.step = 3 * round + step, .learning_rate = 0.1});
          }
          MemoryState copied;
          snapshot->write(copied);
          CHECK((copied.wholes() == before.wholes()));
          MemoryState after;
          save(*work, after);
          CHECK_FALSE((after.wholes() == before.wholes()));
        }
      }
    }
  }
}

TEST_CASE("a GPU hashes what the host hashes") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    INFO(placement.name);
    for (const ParallelConfig& mesh : {ParallelConfig{}, ParallelConfig{.tensor = 2, .data = 2}}) {
      const TrainingPlan plan = plan_of(mesh);
      const std::vector<ParameterSpec> parameters = plan.model.parameters();
      for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
        const auto work = work_on(placement.at(0), plan, rank);
        load(*work, MemoryState(parameters));
        work->update({.step = 1, .learning_rate = 0.1});
        work->start_hashing();
        HashingWriter host;
        save(*work, host);
        const std::vector<StateHash> hashes = work->hashes();
        CHECK(hashes.size() == host.sums.size());
        for (const StateHash& hash : hashes) {
          const std::string& name = parameters[static_cast<std::size_t>(hash.parameter)].name;
          CAPTURE(rank, name, static_cast<int>(hash.kind));
          CHECK(hash.hash == host.sums.at({name, hash.kind}));
        }
      }
    }
  }
}

}  // namespace
}  // namespace stagecraft

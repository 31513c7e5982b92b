// The contract of StageWork::load and save, over the work of training in several splits and over
// the work of tests.
#include <catch2/catch.hpp>
#include <set>

#include "kernels/backends/make_stream.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "stages/execute/model_stage_work.h"
#include "tensor_parallel/comm/solo/solo_communicator.h"
#include "tests/models/parameters/memory_state.h"
#include "tests/stages/execute/pipeline_loop.h"

namespace stagecraft {
namespace {

using test::MemoryState;

ModelSpec model_of(int tensor_shards) {
  ModelConfig config;
  config.layers = 4;
  config.hidden = 8;
  config.heads = 4;
  config.sequence = 4;
  config.vocab = 27;  // padded
  return gpt(config, tensor_shards);
}

/// The works of all ranks of a run.
struct Works {
  std::string name;
  std::unique_ptr<TrainingPlan> plan = {};  // null: a work of tests alone
  std::vector<std::unique_ptr<StageWork>> ranks = {};

  void load(const StateReader& reader) const {
    for (const auto& work : ranks) {
      for (const StateKind kind : kStateKinds) {
        work->load(kind, reader);
      }
    }
  }
};

Works works_of(const std::string& name, const ParallelConfig& parallel,
               Precision precision = Precision::float32) {
  Works works{.name = name};
  works.plan = std::make_unique<TrainingPlan>(
      make_plan(model_of(parallel.tensor), parallel,
                {.global_batch = 4, .micro_batch = 1, .precision = precision}));
  for (int rank = 0; rank < works.plan->mesh.ranks(); ++rank) {
    MeshCommunicators alone{make_solo_communicator(), make_solo_communicator(),
                            make_solo_communicator()};
    works.ranks.push_back(std::make_unique<ModelStageWork>(
        *works.plan, rank, make_stream({}, {}), std::move(alone), TextData{}, WorkConfig{}));
  }
  return works;
}

Works held_by_a_fake() {
  Works works{.name = "a work that only notes"};
  auto work = std::make_unique<test::NotingWork>();
  work->state = test::HeldState(model_of(1).parameters());
  works.ranks.push_back(std::move(work));
  return works;
}

std::vector<Works> all_works() {
  std::vector<Works> all;
  all.push_back(works_of("one rank", {}));
  all.push_back(works_of("pipeline 2", {.pipeline = 2}));
  all.push_back(works_of("tensor 2", {.tensor = 2}));
  all.push_back(works_of("pipeline 2 x tensor 2", {.pipeline = 2, .tensor = 2}));
  all.push_back(works_of("data 2 x tensor 4", {.tensor = 4, .data = 2}));
  all.push_back(works_of("2 chunks a stage",
                         {.pipeline = 2, .data = 2, .chunks = 2, .schedule = "interleaved"}));
  all.push_back(works_of("pipeline 2 in bfloat16", {.pipeline = 2}, Precision::bf16));
  all.push_back(held_by_a_fake());
  return all;
}

void save(const Works& works, MemoryState& into) {
  for (const auto& work : works.ranks) {
    for (const StateKind kind : kStateKinds) {
      work->save(kind, into);
    }
  }
}

/// Gives out zeros, and notes which elements were asked for.
struct NotingReader : StateReader {
  void read(const StatePiece& piece, std::span<float> values) const override {
    std::fill(values.begin(), values.end(), 0.0F);
    for (const ElementRun& run : runs_of(piece.box, piece.parameter.shape)) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        read_.emplace(piece.parameter.name, run.begin + i);
      }
    }
  }
  mutable std::set<std::pair<std::string, std::int64_t>> read_;
};

TEST_CASE(
    "state that was saved from one split and loaded into another is equal, each element once") {
  const MemoryState source(model_of(1).parameters());
  const std::vector<Works> all = all_works();
  for (const Works& from : all) {
    from.load(source);
    MemoryState saved;
    save(from, saved);
    CAPTURE(from.name);
    REQUIRE((saved.wholes() == source.wholes()));  // values, and that each was written once
    for (const Works& to : all) {
      CAPTURE(to.name);
      to.load(NotingReader());  // forgets what it had
      to.load(saved);
      MemoryState again;
      save(to, again);
      CHECK((again.wholes() == source.wholes()));
    }
  }
}

TEST_CASE("a work begins with moments of zero, and loads one kind without changing another") {
  for (const Works& works : all_works()) {
    CAPTURE(works.name);
    const MemoryState source(model_of(1).parameters());
    for (const auto& work : works.ranks) {
      work->load(StateKind::weight, source);
      work->load(StateKind::second_moment, source);
    }
    MemoryState saved;
    save(works, saved);
    for (const ParameterSpec& parameter : model_of(1).parameters()) {
      const auto values = [&](const MemoryState& state, StateKind kind) {
        return state.wholes().at({kind, parameter.name}).values;
      };
      for (const StateKind kind : {StateKind::weight, StateKind::second_moment}) {
        CHECK((values(saved, kind) == values(source, kind)));
      }
      CHECK((values(saved, StateKind::first_moment) ==
             std::vector<float>(static_cast<std::size_t>(elements_of(parameter.shape)))));
    }
  }
}

TEST_CASE("every data rank loads all that it holds, not only what it owns") {
  const Works works = works_of("", {.tensor = 2, .data = 2});
  std::set<std::pair<std::string, std::int64_t>> every;
  for (const ParameterSpec& parameter : model_of(1).parameters()) {
    for (std::int64_t i = 0; i < elements_of(parameter.shape); ++i) {
      every.emplace(parameter.name, i);
    }
  }
  for (int data = 0; data < 2; ++data) {
    NotingReader reader;
    for (int tensor = 0; tensor < 2; ++tensor) {
      const int rank = rank_at(works.plan->mesh, {.pipeline = 0, .tensor = tensor, .data = data});
      works.ranks.at(static_cast<std::size_t>(rank))->load(StateKind::weight, reader);
    }
    CHECK((reader.read_ == every));
  }
}

}  // namespace
}  // namespace stagecraft

// What StageWork promises of its state, over the work of training in several splits and over the
// work of tests.
#include <bit>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <tuple>

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
  config.vocab = 8209;  // padded, and large enough that data ranks share the table
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

/// Notes the pieces that it gets, in order.
struct NotingWriter : StateWriter {
  void write(const StatePiece& piece, std::span<const float> values) override {
    pieces.emplace_back(piece.kind, piece.parameter.name, piece.box);
    elements += static_cast<std::int64_t>(values.size());
  }
  std::vector<std::tuple<StateKind, std::string, Box>> pieces;
  std::int64_t elements = 0;
};

TEST_CASE("pieces() lists what save() and a snapshot hand over, in their order") {
  for (const Works& works : all_works()) {
    CAPTURE(works.name);
    for (std::size_t rank = 0; rank < works.ranks.size(); ++rank) {
      StageWork& work = *works.ranks[rank];
      NotingWriter listed;
      for (const StatePiece& piece : work.pieces()) {
        listed.write(piece, {});
        listed.elements += elements_of(piece.box.shape());
      }
      NotingWriter saved;
      for (const StateKind kind : kStateKinds) {
        work.save(kind, saved);
      }
      NotingWriter copied;
      work.snapshot()->write(copied);
      CHECK((saved.pieces == listed.pieces));
      CHECK((copied.pieces == listed.pieces));
      CHECK(saved.elements == listed.elements);
      CHECK(copied.elements == listed.elements);
      if (works.plan != nullptr) {
        CHECK(snapshot_bytes(*works.plan, static_cast<int>(rank)) >= 4 * listed.elements);
      }
    }
  }
}

TEST_CASE("a snapshot keeps the state of its moment, and the next one takes the later state") {
  const MemoryState source(model_of(1).parameters());
  for (const Works& works : all_works()) {
    CAPTURE(works.name);
    const auto snapshots = [&] {
      std::vector<std::unique_ptr<StateSnapshot>> all;
      for (const auto& work : works.ranks) {
        all.push_back(work->snapshot());
      }
      return all;
    };
    const auto written = [](const std::vector<std::unique_ptr<StateSnapshot>>& all) {
      MemoryState state;
      for (const auto& snapshot : all) {
        snapshot->write(state);
      }
      return state.wholes();
    };
    works.load(source);
    std::vector<std::unique_ptr<StateSnapshot>> first = snapshots();
    works.load(NotingReader());  // zeros
    CHECK((written(first) == source.wholes()));
    first.clear();
    MemoryState zeros;
    save(works, zeros);
    CHECK((written(snapshots()) == zeros.wholes()));
  }
}

/// The hashes that all ranks have of every parameter and kind, added up.
std::map<std::pair<std::int32_t, StateKind>, std::uint64_t> hashes_of(const Works& works) {
  std::map<std::pair<std::int32_t, StateKind>, std::uint64_t> sums;
  for (const auto& work : works.ranks) {
    work->start_hashing();
  }
  for (const auto& work : works.ranks) {
    for (const StateHash& hash : work->hashes()) {
      sums[{hash.parameter, hash.kind}] += hash.hash;
    }
  }
  return sums;
}

TEST_CASE("the hashes of a state are those of whole tensors, whatever the split") {
  const std::vector<ParameterSpec> parameters = model_of(1).parameters();
  const MemoryState source(parameters);
  std::map<std::pair<std::int32_t, StateKind>, std::uint64_t> expected;
  for (const StateKind kind : kStateKinds) {
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      expected[{static_cast<std::int32_t>(p), kind}] =
          state_hash_of({parameters[p], kind, whole_box(parameters[p].shape)},
                        source.wholes().at({kind, parameters[p].name}).values);
    }
  }
  for (const Works& works : all_works()) {
    CAPTURE(works.name);
    works.load(source);
    CHECK((hashes_of(works) == expected));
  }
}

/// One bit of one element of a state.
struct StateBit {
  std::size_t parameter = 0;
  StateKind kind = StateKind::weight;
  std::int64_t element = 0;
  int bit = 0;
};

/// Gives out a state with one bit flipped.
class FlippingReader : public StateReader {
 public:
  FlippingReader(const MemoryState& state, std::string parameter, const StateBit& flipped)
      : state_(state), parameter_(std::move(parameter)), flipped_(flipped) {}
  void read(const StatePiece& piece, std::span<float> values) const override {
    state_.read(piece, values);
    if (piece.kind != flipped_.kind || piece.parameter.name != parameter_) {
      return;
    }
    std::int64_t before = 0;
    for (const ElementRun& run : runs_of(piece.box, piece.parameter.shape)) {
      const std::int64_t at = flipped_.element - run.begin;
      if (0 <= at && at < run.count) {
        float& value = values[static_cast<std::size_t>(before + at)];
        value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ (1U << flipped_.bit));
      }
      before += run.count;
    }
  }

 private:
  const MemoryState& state_;
  std::string parameter_;
  StateBit flipped_;
};

TEST_CASE("a flipped bit shows in the hash of its tensor and kind, and in no other") {
  const std::vector<ParameterSpec> parameters = model_of(1).parameters();
  const MemoryState source(parameters);
  std::mt19937 random(5);
  for (const Works& works : all_works()) {
    works.load(source);
    const auto hashes = hashes_of(works);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const auto elements = static_cast<std::uint64_t>(elements_of(parameters[p].shape));
      const StateBit flipped{p, kStateKinds[random() % 3],
                             static_cast<std::int64_t>(random() % elements),
                             static_cast<int>(random() % 32)};
      CAPTURE(works.name, parameters[p].name, flipped.element, flipped.bit);
      works.load(FlippingReader(source, parameters[p].name, flipped));
      std::vector<std::pair<std::int32_t, StateKind>> changed;
      for (const auto& [tensor, hash] : hashes_of(works)) {
        if (hash != hashes.at(tensor)) {
          changed.push_back(tensor);
        }
      }
      CHECK((changed == std::vector{std::pair{static_cast<std::int32_t>(p), flipped.kind}}));
    }
  }
}

TEST_CASE("every data rank loads all that it holds, not only what it saves") {
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

// Parity with PyTorch: ten AdamW steps from a hub-made model agree with PyTorch's, on one actor and
// on a mesh. tests/fixtures/make_gpt2_parity.py made the reference.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "actors/protocol/run_report.h"
#include "kernels/base/mapped_file.h"
#include "models/checkpoint/safetensors.h"
#include "tests/end_to_end/small_run.h"

namespace stagecraft {
namespace {

const std::filesystem::path kFixture = "tests/fixtures/gpt2_tiny";

/// The tensors of a safetensors file as floats.
std::map<std::string, std::vector<float>> tensors_of(const std::filesystem::path& file) {
  const MappedFile mapped(file, MappedFile::Access::read);
  const SafetensorsLayout layout = read_safetensors_layout(file, mapped.bytes());
  std::map<std::string, std::vector<float>> tensors;
  for (const auto& [name, entry] : layout.entries) {
    std::vector<float> values(static_cast<std::size_t>(entry.bytes) / 4);
    std::memcpy(values.data(), mapped.bytes().data() + entry.begin,
                static_cast<std::size_t>(entry.bytes));
    const std::string prefix = "transformer.";
    tensors[name.starts_with(prefix) ? name.substr(prefix.size()) : name] = std::move(values);
  }
  return tensors;
}

/// |a - b| / |b|, without the key's bias: its gradient is rounding error alone.
double relative_difference(const std::string& name, const std::vector<float>& a,
                           const std::vector<float>& b) {
  const bool qkv_bias = name.ends_with("c_attn.bias");
  double difference = 0;
  double norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (qkv_bias && i >= b.size() / 3 && i < b.size() / 3 * 2) {
      continue;
    }
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

struct FixtureRun {
  test::SmallRun run;
  TextData data;
};

FixtureRun fixture_run(const ParallelConfig& parallel) {
  FixtureRun fixture;
  test::SmallRun& run = fixture.run;
  run.model.layers = 3;
  run.model.hidden = 48;
  run.model.heads = 6;
  run.model.sequence = 32;
  run.model.init_from = kFixture.string();
  run.parallel = parallel;
  run.batch = {.global_batch = 8, .micro_batch = 2};
  run.run.order = SampleOrder::sequential;
  run.run.optimizer = {.steps = 10,
                       .warmup_steps = 2,
                       .learning_rate = 1e-3,
                       .min_learning_rate = 1e-4,
                       .weight_decay = 0.1,
                       .clip = 1.0};
  const std::string text = read_file(kFixture / "text.txt");
  fixture.data.train = std::make_shared<TokenDataset>(
      std::vector<std::uint8_t>(text.begin(), text.end()), run.model.sequence);
  return fixture;
}

void check_against_pytorch(const ParallelConfig& parallel) {
  const auto expected = nlohmann::json::parse(read_file(kFixture / "parity.json"));
  FixtureRun fixture = fixture_run(parallel);
  const TemporaryFolder folder;
  fixture.run.run.model_folder = folder.path() / "model";
  test::KeepingObserver observer;
  const RunResult result =
      run_training(fixture.run.plan(), fixture.run.run, fixture.data, {observer});
  REQUIRE(result.failure.empty());
  REQUIRE(observer.steps.size() == 10);
  for (std::size_t step = 0; step < 10; ++step) {
    CHECK(observer.steps[step].loss ==
          Approx(expected.at("losses").at(step).get<double>()).epsilon(1e-4));
    CHECK(observer.steps[step].gradient_norm ==
          Approx(expected.at("grad_norms").at(step).get<double>()).epsilon(1e-3));
  }
  const auto ours = tensors_of(fixture.run.run.model_folder / "model.safetensors");
  const auto theirs = tensors_of(kFixture / "after.safetensors");
  CHECK(ours.size() == theirs.size());
  for (const auto& [name, values] : theirs) {
    INFO(name);
    REQUIRE(ours.contains(name));
    REQUIRE(ours.at(name).size() == values.size());
    CHECK(relative_difference(name, ours.at(name), values) < 1e-4);
  }
}

TEST_CASE("ten AdamW steps agree with PyTorch on one actor") { check_against_pytorch({}); }

TEST_CASE("ten AdamW steps agree with PyTorch on a mesh") {
  check_against_pytorch({.pipeline = 3, .tensor = 2, .data = 2});
}

TEST_CASE("a hub-made model is read and written unchanged, whatever the split") {
  const auto before = tensors_of(kFixture / "model.safetensors");
  for (const ParallelConfig& parallel : {ParallelConfig{},
                                         {.pipeline = 3},
                                         {.tensor = 3},
                                         {.pipeline = 2, .tensor = 2, .data = 2}}) {
    FixtureRun fixture = fixture_run(parallel);
    const TemporaryFolder folder;
    fixture.run.run.model_folder = folder.path() / "model";
    fixture.run.run.optimizer.learning_rate = 0;  // one step that changes nothing
    fixture.run.run.optimizer.min_learning_rate = 0;
    fixture.run.run.optimizer.steps = 1;
    fixture.run.run.optimizer.warmup_steps = 0;
    test::KeepingObserver observer;
    const RunResult result =
        run_training(fixture.run.plan(), fixture.run.run, fixture.data, {observer});
    REQUIRE(result.failure.empty());
    const auto after = tensors_of(fixture.run.run.model_folder / "model.safetensors");
    for (const auto& [name, values] : after) {
      INFO(name);
      CHECK(before.at(name) == values);
    }
    CHECK(after.size() == 2 + 3 * 12 + 2);
  }
}

}  // namespace
}  // namespace stagecraft

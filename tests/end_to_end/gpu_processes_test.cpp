// Runs whose ranks are processes with GPUs: the CPU's losses, the bits of threads on the same GPUs,
// and faults that end the run in time with a named cause. Skipped where there is no GPU.
#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/backends/host_devices.h"
#include "tests/conformance/devices.h"
#include "tests/end_to_end/process.h"
#include "tests/end_to_end/process_faults.h"
#include "tests/end_to_end/small_config.h"

using namespace stagecraft;
using namespace stagecraft::test;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

int gpu_count() {
  static const int count = [] {
    if (skips_processes()) {
      return 0;
    }
    const auto places = stagecraft::testing::placements();  // says so where there is none
    return places.empty() ? 0 : count_devices(DeviceKind::cuda).count;
  }();
  return count;
}

struct Losses {
  std::vector<double> training;
  double validation = 0;
};

class Workplace {
 public:
  Workplace() { write_small_run(path(), 20); }
  const fs::path& path() const { return folder_.path(); }

  void write_text(std::size_t bytes) const {
    const auto text = made_up_text(bytes);
    std::ofstream(path() / "text.txt") << std::string(text.begin(), text.end());
  }

  Ended train(const Words& words) const {
    Words all = {STAGECRAFT_LAUNCH_TRAIN, "run.toml", "--program", STAGECRAFT_EXECUTABLE};
    all.insert(all.end(), words.begin(), words.end());
    return Process(all, path()).wait();
  }

  Losses losses(const std::string& run) const {
    Losses losses;
    std::ifstream file(path() / run / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const auto row = nlohmann::json::parse(line);
      if (row.contains("validation_loss")) {
        losses.validation = row["validation_loss"].get<double>();
      } else {
        losses.training.push_back(row["loss"].get<double>());
      }
    }
    return losses;
  }

  std::string model(const std::string& run) const {
    return read_file(path() / run / "model/model.safetensors");
  }

 private:
  TemporaryFolder folder_;
};

Words with_mesh(int pipeline, int tensor, int data, const Words& more) {
  Words words = {"--set", fmt::format("parallel.pipeline={}", pipeline),
                 "--set", fmt::format("parallel.tensor={}", tensor),
                 "--set", fmt::format("parallel.data={}", data)};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Words run_words(const std::string& name, const std::string& mode, const std::string& backend) {
  return {"--set", "run.directory=" + name,    "--set", "run.mode=" + mode,
          "--set", "device.backend=" + backend};
}

struct Precision {
  std::string name;
  double tolerance;  // of its losses relative to the CPU's in float32
};

void check_mesh(int pipeline, int tensor, int data, const Precision& precision) {
  CAPTURE(pipeline, tensor, data, precision.name);
  const Workplace workplace;
  Words threads = run_words("threads", "threads", "cuda");
  Words processes = run_words("processes", "mpi", "cuda");
  for (Words* words : {&threads, &processes}) {
    words->insert(words->end(), {"--set", fmt::format("train.precision={}", precision.name)});
  }
  processes.emplace_back("--share-gpu");
  for (const Words& words : {run_words("cpu", "threads", "cpu"), threads, processes}) {
    const Ended ended = workplace.train(with_mesh(pipeline, tensor, data, words));
    CAPTURE(words, ended.out, ended.err);
    REQUIRE(ended.status == 0);
  }
  const Losses cpu = workplace.losses("cpu");
  const Losses gpus = workplace.losses("processes");
  REQUIRE(cpu.training.size() == 20);
  REQUIRE(gpus.training.size() == 20);
  for (std::size_t step = 0; step < cpu.training.size(); ++step) {
    CHECK(gpus.training[step] == Approx(cpu.training[step]).epsilon(precision.tolerance));
  }
  CHECK(gpus.validation == Approx(cpu.validation).epsilon(precision.tolerance));
  CHECK(gpus.training == workplace.losses("threads").training);
  CHECK((workplace.model("processes") == workplace.model("threads")));
}

void check_mesh(int pipeline, int tensor, int data) {
  check_mesh(pipeline, tensor, data, {"float32", 1e-4});
  check_mesh(pipeline, tensor, data, {"bf16", 1e-2});
}

void check_fault(FaultKind kind, int rank, std::int64_t step, int call) {
  const FaultyRun run{.fault = {.kind = kind, .rank = rank, .step = step, .call = call, .file = ""},
                      .on_gpus = true};
  const FaultOutcome outcome = run_with_fault(run);
  INFO(describe(run, outcome));
  CHECK(outcome.wrong.empty());
}

}  // namespace

TEST_CASE("processes on GPUs have the CPU's losses and the bits of threads on GPUs: a pipeline") {
  if (gpu_count() > 0) {
    check_mesh(2, 1, 1);
  }
}

TEST_CASE("processes on GPUs have the CPU's losses and the bits of threads on GPUs: tensor") {
  if (gpu_count() > 0) {
    check_mesh(1, 2, 1);
  }
}

TEST_CASE("processes on GPUs have the CPU's losses and the bits of threads on GPUs: data") {
  if (gpu_count() > 0) {
    check_mesh(1, 1, 2);
  }
}

TEST_CASE("processes on GPUs have the CPU's losses and the bits of threads on GPUs: a mixture") {
  if (gpu_count() > 0) {
    check_mesh(2, 2, 1);
  }
}

/// The sizes of gpu_cudnn_test.cpp, which checks that cuDNN and chosen products are taken.
TEST_CASE("cuDNN's attention with dropout: processes leave the model file of threads") {
  if (gpu_count() == 0) {
    return;
  }
  const Workplace workplace;
  workplace.write_text(100'000);
  for (const char* mode : {"threads", "mpi"}) {
    Words words = run_words(mode, mode, "cuda");
    for (const char* setting : {"model.hidden=256", "model.sequence=512", "train.precision=bf16",
                                "train.steps=3", "train.global_batch=64", "train.micro_batch=16"}) {
      words.insert(words.end(), {"--set", setting});
    }
    if (std::string(mode) == "mpi") {
      words.emplace_back("--share-gpu");
    }
    const Ended ended = workplace.train(with_mesh(2, 1, 1, words));
    CAPTURE(words, ended.out, ended.err);
    REQUIRE(ended.status == 0);
  }
  CHECK((workplace.model("mpi") == workplace.model("threads")));
}

TEST_CASE("more processes than GPUs are an error with the remedy") {
  if (gpu_count() == 0 || gpu_count() > 7) {
    return;
  }
  const Workplace workplace;
  const Ended ended =
      workplace.train(with_mesh(1, 1, gpu_count() < 2 ? 2 : 8, run_words("few", "mpi", "cuda")));
  CHECK(ended.status == 2);
  CHECK_THAT(ended.err, Catch::Contains("--share-gpu") && Catch::Contains("\"threads\""));
}

TEST_CASE("a fault in a process with a GPU ends the run in time, with a named cause") {
  if (gpu_count() == 0) {
    return;
  }
  check_fault(FaultKind::throws, 1, 2, 7);
  check_fault(FaultKind::killed, 3, 2, 11);
  check_fault(FaultKind::killed, 0, 4, 3);
  check_fault(FaultKind::hangs, 2, 3, 4);
}

#include "launch/report/compare_runs.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <utility>

#include "kernels/base/error.h"
#include "launch/artifacts/recorded_rows.h"
#include "launch/artifacts/run_directory.h"
#include "launch/setup/named_checkpoints.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/checkpoint/find_checkpoint.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

/// What one of the runs has left.
struct Records {
  fs::path checkpoint_directory;
  std::map<std::int64_t, StepValues> metrics;
  std::map<std::int64_t, std::vector<TensorHashes>> hashes;
  std::vector<std::int64_t> checkpoints;
};

using Pair = std::array<Records, 2>;

std::vector<TensorHashes> hashes_of(const CheckpointManifest& manifest) {
  std::vector<TensorHashes> all;
  for (const CheckpointTensor& tensor : manifest.tensors) {
    TensorHashes hashes{.name = tensor.name, .hashes = {}};
    for (const StateKind kind : kStateKinds) {
      hashes.hashes.at(static_cast<std::size_t>(kind)) = hash_text(tensor.at(kind).hash);
    }
    all.push_back(std::move(hashes));
  }
  return all;
}

Records records_of(FileSystem& files, const fs::path& run) {
  require(files.exists(run), run.string(), "does not exist");
  Records records{
      .checkpoint_directory = checkpoint_directory(files, named_checkpoints(files, run)),
      .metrics = recorded_metrics(metrics_file(run)),
      .hashes = recorded_hashes(state_hashes_file(run)),
      .checkpoints = {}};
  records.checkpoints = checkpoint_steps(files, records.checkpoint_directory);
  require(!records.metrics.empty() || !records.checkpoints.empty(), run.string(),
          "has neither metrics.jsonl with rows nor checkpoints");
  return records;
}

template <typename T>
std::vector<std::int64_t> common_steps(const std::map<std::int64_t, T>& a,
                                       const std::map<std::int64_t, T>& b) {
  std::vector<std::int64_t> steps;
  for (const auto& [step, ignored] : a) {
    if (b.contains(step)) {
      steps.push_back(step);
    }
  }
  return steps;
}

std::vector<std::int64_t> common_checkpoints(const Pair& runs) {
  std::vector<std::int64_t> steps;
  std::ranges::set_intersection(runs[0].checkpoints, runs[1].checkpoints,
                                std::back_inserter(steps));
  return steps;
}

/// The manifests of common checkpoints add to the hashes.
void add_hashes(FileSystem& files, Records& run, const std::vector<std::int64_t>& checkpoints) {
  for (const std::int64_t step : checkpoints) {
    run.hashes[step] =
        hashes_of(read_manifest(files, checkpoint_folder(run.checkpoint_directory, step)));
  }
}

std::optional<ValueDifference> first_value(const Pair& runs) {
  for (const std::int64_t step : common_steps(runs[0].metrics, runs[1].metrics)) {
    const StepValues& other = runs[1].metrics.at(step);
    for (const auto& [key, value] : runs[0].metrics.at(step)) {
      const auto found = other.find(key);
      if (found != other.end() && found->second != value) {
        return ValueDifference{step, key, {value, found->second}};
      }
    }
  }
  return {};
}

/// Compares tensors by position; runs of different models differ in the first that has another
/// name.
std::optional<TensorDifference> difference_of(std::int64_t step, const std::vector<TensorHashes>& a,
                                              const std::vector<TensorHashes>& b) {
  TensorDifference found;
  found.step = step;
  found.tensors = std::max(a.size(), b.size());
  for (std::size_t i = 0; i < found.tensors; ++i) {
    if (i < a.size() && i < b.size() && a[i] == b[i]) {
      continue;
    }
    if (found.differ++ > 0) {
      continue;
    }
    found.name = i < a.size() ? a[i].name : b[i].name;
    if (i < a.size() && i < b.size()) {
      const auto [first, second] = std::ranges::mismatch(a[i].hashes, b[i].hashes);
      found.kind = static_cast<StateKind>(
          std::min<std::ptrdiff_t>(first - a[i].hashes.begin(), std::ssize(kStateKinds) - 1));
    }
  }
  return found.differ > 0 ? std::optional(found) : std::nullopt;
}

std::optional<TensorDifference> first_tensor(const Pair& runs,
                                             const std::vector<std::int64_t>& steps) {
  for (const std::int64_t step : steps) {
    if (auto found = difference_of(step, runs[0].hashes.at(step), runs[1].hashes.at(step))) {
      return found;
    }
  }
  return {};
}

std::vector<float> values_of(FileSystem& files, const Records& run,
                             const TensorDifference& difference, Shape& shape) {
  const CheckpointReader reader(files,
                                checkpoint_folder(run.checkpoint_directory, difference.step));
  const auto& tensors = reader.manifest().tensors;
  const auto tensor = std::ranges::find(tensors, difference.name, &CheckpointTensor::name);
  require(tensor != tensors.end(), run.checkpoint_directory.string(), "has no tensor {} in step {}",
          difference.name, difference.step);
  shape = tensor->shape;
  ParameterSpec parameter;
  parameter.name = difference.name;
  parameter.shape = shape;
  std::vector<float> values(static_cast<std::size_t>(elements_of(shape)));
  reader.read({parameter, difference.kind, whole_box(shape)}, values);
  return values;
}

Shape index_of(std::int64_t element, const Shape& shape) {
  Shape index(shape.size());
  for (std::size_t dim = shape.size(); dim-- > 0;) {
    index[dim] = element % shape[dim];
    element /= shape[dim];
  }
  return index;
}

std::optional<ElementDifference> first_element(FileSystem& files, const Pair& runs,
                                               const TensorDifference& difference) {
  std::array<Shape, 2> shapes;
  const std::vector<float> a = values_of(files, runs[0], difference, shapes[0]);
  const std::vector<float> b = values_of(files, runs[1], difference, shapes[1]);
  for (std::size_t i = 0; shapes[0] == shapes[1] && i < a.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i])) {
      return ElementDifference{index_of(static_cast<std::int64_t>(i), shapes[0]), {a[i], b[i]}};
    }
  }
  return {};
}

}  // namespace

RunComparison compare_runs(FileSystem& files, const std::array<fs::path, 2>& paths) {
  Pair runs = {records_of(files, paths[0]), records_of(files, paths[1])};
  RunComparison result;
  result.checkpoints = common_checkpoints(runs);
  for (Records& run : runs) {
    add_hashes(files, run, result.checkpoints);
  }
  result.hashed = common_steps(runs[0].hashes, runs[1].hashes);
  const std::vector<std::int64_t> steps = common_steps(runs[0].metrics, runs[1].metrics);
  require(!steps.empty() || !result.hashed.empty(), paths[1].string(),
          "has no step in common with {}", paths[0].string());
  result.last_step =
      std::max(steps.empty() ? 0 : steps.back(), result.hashed.empty() ? 0 : result.hashed.back());
  result.value = first_value(runs);
  result.tensor = first_tensor(runs, result.hashed);
  if (result.tensor && std::ranges::count(result.checkpoints, result.tensor->step) > 0) {
    result.element = first_element(files, runs, *result.tensor);
  }
  return result;
}

}  // namespace stagecraft

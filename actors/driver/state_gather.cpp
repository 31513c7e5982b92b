#include "actors/driver/state_gather.h"

#include <fmt/core.h>

#include <iterator>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/span.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_writer.h"

namespace stagecraft {
namespace {

constexpr std::size_t kKinds = std::size(kStateKinds);

Box box_of(const WirePiece& piece) {
  return {{piece.begin.begin(), piece.begin.end()}, {piece.end.begin(), piece.end.end()}};
}

}  // namespace

StateGather::StateGather(KeepState order, CheckpointManifest step, const ModelSpec& model,
                         int ranks, bool has_row)
    : order_(std::move(order)),
      step_(std::move(step)),
      has_row_(has_row),
      parameters_(model.parameters()),
      sums_(parameters_.size()),
      hashed_(ranks),
      saved_(ranks),
      files_(static_cast<std::size_t>(ranks)),
      ordered_ns_(now_ns()) {}

bool StateGather::awaits(const StateHashed& message) const {
  return message.step == step() && !hashed_.has(message.rank);
}

bool StateGather::awaits(const StateSaved& message) const {
  return message.step == step() && saves() && !saved_.has(message.rank);
}

bool StateGather::add(const StateHashed& message) {
  const bool all = hashed_.add(message.rank, "StateHashed");
  sums_.add(message.hashes);
  return all;
}

void StateGather::add(const StateSaved& message) {
  saved_.add(message.rank, "StateSaved");
  if (!message.error.empty() && error_.empty()) {
    error_ = fmt::format("rank {}: {}", message.rank, message.error);
  }
  files_[static_cast<std::size_t>(message.rank)] = message;
  saved_ns_ = now_ns();
}

void StateGather::settle_evaluation(const std::optional<double>& loss, std::int64_t step,
                                    bool due) {
  evaluation_settled_ = true;
  step_.validation_loss = loss;
  step_.validation_step = step;
  step_.evaluation_due = due;
}

bool StateGather::is_complete() const {
  return hashed_.complete() && (!saves() || (saved_.complete() && evaluation_settled_));
}

StateHashReport StateGather::hashes() const {
  StateHashReport report{.step = step(), .tensors = sums_.tensors()};
  for (const StateHash& hash : report.tensors) {
    report.sum += hash.hash;
  }
  return report;
}

CheckpointReport StateGather::checkpoint() const {
  constexpr double kSeconds = 1e-9;
  CheckpointReport report{unfinished(), step_,
                          static_cast<double>(saved_ns_ - ordered_ns_) * kSeconds};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    report.manifest.tensors.push_back(tensor_of(i));
  }
  for (const StateSaved& file : files_) {
    if (!file.pieces.empty()) {
      add_file(file, report.manifest);
    }
    if (file.without_copy) {
      report.ranks_without_copy.push_back(file.rank);
    }
  }
  return report;
}

std::filesystem::path StateGather::unfinished() const {
  return unfinished_checkpoint(order_.directory, order_.step);
}

/// Without its pieces.
CheckpointTensor StateGather::tensor_of(std::size_t parameter) const {
  CheckpointTensor tensor{parameters_[parameter].name, parameters_[parameter].shape, {}};
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    tensor.states.at(kind).hash = sums_.tensors()[parameter * kKinds + kind].hash;
  }
  return tensor;
}

void StateGather::add_file(const StateSaved& message, CheckpointManifest& manifest) const {
  const int file = static_cast<int>(manifest.files.size());
  manifest.files.push_back({checkpoint_file_name(message.rank), message.bytes});
  for (const WirePiece& piece : message.pieces) {
    CheckpointTensor& tensor = manifest.tensors.at(static_cast<std::size_t>(piece.parameter));
    tensor.states.at(static_cast<std::size_t>(piece.kind))
        .pieces.push_back({file, box_of(piece), piece.checksum});
  }
}

}  // namespace stagecraft

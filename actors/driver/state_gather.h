// What all ranks say of the state behind one step: its hashes, and what they have written of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/driver/answers.h"
#include "actors/driver/hash_sums.h"
#include "actors/protocol/messages.h"
#include "actors/protocol/run_report.h"
#include "models/families/model_spec.h"

namespace stagecraft {

/// The answers to one KeepState, and what the driver knows of the step.
class StateGather {
 public:
  /// `step` has what the driver keeps of the step. `has_row`: the hashes are an event of the run.
  StateGather(KeepState order, CheckpointManifest step, const ModelSpec& model, int ranks,
              bool has_row);

  std::int64_t step() const { return order_.step; }
  bool saves() const { return !order_.directory.empty(); }
  bool has_row() const { return has_row_; }

  /// Whether the message is the rank's first answer to this order.
  bool awaits(const StateHashed& message) const;
  bool awaits(const StateSaved& message) const;

  /// Throws Error for an unknown rank or a second answer. True: all ranks have hashed.
  bool add(const StateHashed& message);
  void add(const StateSaved& message);
  /// No evaluation follows the step any more. `due`: one was left out or cut short.
  void settle_evaluation(const std::optional<double>& loss, std::int64_t step, bool due);

  /// Everything has come that the order asks for.
  bool is_complete() const;
  /// The error of a rank that could not write, with the rank; "" if there is none.
  const std::string& error() const { return error_; }

  StateHashReport hashes() const;
  CheckpointReport checkpoint() const;
  CheckpointFailure failure() const { return {unfinished(), order_.step, error_}; }

 private:
  std::filesystem::path unfinished() const;
  CheckpointTensor tensor_of(std::size_t parameter) const;
  void add_file(const StateSaved& message, CheckpointManifest& manifest) const;

  KeepState order_;
  CheckpointManifest step_;
  bool has_row_;
  bool evaluation_settled_ = false;
  std::vector<ParameterSpec> parameters_;
  HashSums sums_;
  Answers hashed_;
  Answers saved_;
  std::vector<StateSaved> files_;  // by rank
  std::string error_;
  std::int64_t ordered_ns_;
  std::int64_t saved_ns_ = 0;  // when the last rank had written
};

}  // namespace stagecraft

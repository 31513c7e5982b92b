// The state of a work that computes nothing: it holds and saves whole parameters on the host.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/parameters/parameter_state.h"
#include "models/parameters/state_hash.h"
#include "stages/execute/state_snapshot.h"

namespace stagecraft::test {

class HeldState {
 public:
  /// Of each kind and parameter.
  using Values = std::map<std::pair<StateKind, std::string>, std::vector<float>>;

  bool has_memory = true;

  HeldState() = default;
  explicit HeldState(std::vector<ParameterSpec> parameters)
      : parameters_(std::make_shared<const std::vector<ParameterSpec>>(std::move(parameters))) {
    for (const StateKind kind : kStateKinds) {
      for (const ParameterSpec& parameter : *parameters_) {
        pieces_.push_back({parameter, kind, whole_box(parameter.shape)});
        values_[{kind, parameter.name}].resize(
            static_cast<std::size_t>(elements_of(parameter.shape)));
      }
    }
  }

  const std::vector<StatePiece>& pieces() const { return pieces_; }
  void load(StateKind kind, const StateReader& reader) {
    for (const StatePiece& piece : pieces_) {
      if (piece.kind == kind) {
        reader.read(piece, values_.at({kind, piece.parameter.name}));
      }
    }
  }
  void save(StateKind kind, StateWriter& writer) const {
    for (const StatePiece& piece : pieces_) {
      if (piece.kind == kind) {
        writer.write(piece, values_.at({kind, piece.parameter.name}));
      }
    }
  }
  /// None where the host has no memory for it.
  std::unique_ptr<StateSnapshot> snapshot() const {
    return has_memory ? std::make_unique<Snapshot>(pieces_, values_) : nullptr;
  }
  void start_hashing() {
    hashes_.clear();
    for (const StatePiece& piece : pieces_) {
      const auto parameter = static_cast<std::int32_t>(&piece.parameter - parameters_->data());
      hashes_.push_back({parameter, piece.kind,
                         state_hash_of(piece, values_.at({piece.kind, piece.parameter.name}))});
    }
  }
  std::vector<StateHash> hashes() const { return hashes_; }

 private:
  struct Snapshot : StateSnapshot {
    Snapshot(const std::vector<StatePiece>& of, Values held)
        : pieces(of), values(std::move(held)) {}
    void write(StateWriter& writer) override {
      for (const StatePiece& piece : pieces) {
        writer.write(piece, values.at({piece.kind, piece.parameter.name}));
      }
    }
    const std::vector<StatePiece>& pieces;
    Values values;
  };

  std::shared_ptr<const std::vector<ParameterSpec>> parameters_;  // where the pieces refer to
  std::vector<StatePiece> pieces_;
  Values values_;
  std::vector<StateHash> hashes_;
};

}  // namespace stagecraft::test

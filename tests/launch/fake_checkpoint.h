// A checkpoint that has a manifest and no values.
#pragma once

#include <span>
#include <utility>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_source.h"

namespace stagecraft::test {

class FakeCheckpoint : public CheckpointSource {
 public:
  explicit FakeCheckpoint(CheckpointManifest manifest) : manifest_(std::move(manifest)) {}
  const CheckpointManifest& manifest() const override { return manifest_; }
  void read(const StatePiece& /*piece*/, std::span<float> /*values*/) const override {
    throw Error("FakeCheckpoint", "has no values");
  }

 private:
  CheckpointManifest manifest_;
};

}  // namespace stagecraft::test

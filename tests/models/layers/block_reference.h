// A transformer block in float64, by its formulas.
#pragma once

#include <map>
#include <string>

#include "tests/conformance/ops/reference.h"
#include "tests/models/layers/block_kinds.h"

namespace stagecraft::test {

using testing::Values;

/// Values by parameter name; what is absent counts as zero.
using ParameterValues = std::map<std::string, Values>;

/// The sizes are those of `config`; activations are [samples * config.sequence, config.hidden].
class BlockReference {
 public:
  BlockReference(BlockKind kind, const ModelConfig& config)
      : kind_(std::move(kind)), config_(config) {}

  Values forward(const ParameterValues& parameters, const Values& x) const;

 private:
  Values norm(const ParameterValues& parameters, const std::string& name, const Values& x) const;
  Values attention(const Values& qkv) const;
  Values residual(const Values& x, const Values& n, Values branch) const;

  BlockKind kind_;
  ModelConfig config_;
};

}  // namespace stagecraft::test

// The samples of a micro-batch, or of a whole batch, and their text.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/data/token_dataset.h"

namespace stagecraft {

/// The T inputs and T targets of each sample, one sample behind the other.
struct SampleTexts {
  std::int64_t sequence = 0;  // T of the samples
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;
};

/// Samples of one text. Behind those that the text has, some may be absent: an evaluation ends
/// within its last batch.
struct Samples {
  std::shared_ptr<const TokenDataset> text;  // null: all are absent
  std::int64_t sequence = 0;                 // T; of a longer sample of the text, its first T rows
  std::int64_t size = 0;                     // with those that are absent
  std::vector<std::int64_t> indices = {};    // in the text, of those that it has

  /// The inputs of an absent sample are 0, and its targets are ignored.
  SampleTexts read() const;
};

}  // namespace stagecraft

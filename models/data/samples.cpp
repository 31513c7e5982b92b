#include "models/data/samples.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/ops/cross_entropy.h"

namespace stagecraft {

SampleTexts Samples::read() const {
  require(text == nullptr || sequence <= text->sequence(), "Samples::read",
          "{} rows were requested, but a sample has {}", sequence,
          text == nullptr ? 0 : text->sequence());
  const auto rows = static_cast<std::size_t>(size * sequence);
  const auto length = static_cast<std::size_t>(sequence);
  SampleTexts texts{sequence, std::vector<std::int32_t>(rows, 0),
                    std::vector<std::int32_t>(rows, kIgnoredTarget)};
  std::vector<std::int32_t> inputs(text == nullptr ? 0
                                                   : static_cast<std::size_t>(text->sequence()));
  std::vector<std::int32_t> targets(inputs.size());
  for (std::size_t s = 0; s < indices.size(); ++s) {
    text->read(indices[s], inputs, targets);
    std::copy_n(inputs.begin(), length, &texts.inputs[s * length]);
    std::copy_n(targets.begin(), length, &texts.targets[s * length]);
  }
  return texts;
}

}  // namespace stagecraft

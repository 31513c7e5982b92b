// Tokens of text files, and their division into samples.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace stagecraft {

enum class SampleOrder : std::uint8_t { shuffled, sequential };

/// The [data] table.
struct DataConfig {
  std::vector<std::string> train;       // files or directories
  std::vector<std::string> validation;  // the same; empty: the last part of the training text
  double validation_fraction = 0.1;     // [0, 1); used when `validation` is empty
  std::string tokenizer = "bytes";
  SampleOrder order = SampleOrder::shuffled;
};

/// The tokens of one text, divided into floor((n - 1) / T) samples: sample k is the T + 1 tokens
/// from token k * T. Immutable; all actors of a process share it.
class TokenDataset {
 public:
  TokenDataset(std::vector<std::uint8_t> tokens, std::int64_t sequence);
  std::int64_t tokens() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::int64_t samples() const { return samples_; }
  std::int64_t sequence() const { return sequence_; }
  /// Of the whole text (models/parameters/checksum.h).
  std::uint64_t checksum() const;
  /// Writes the T inputs and T targets of sample k.
  void read(std::int64_t sample, std::span<std::int32_t> inputs,
            std::span<std::int32_t> targets) const;

 private:
  std::vector<std::uint8_t> tokens_;
  std::int64_t sequence_;
  std::int64_t samples_ = 0;
};

/// The sample at position `index`, which counts from 0 through all steps: step s (from 0) takes the
/// positions s * B .. s * B + B - 1. sequential: index modulo samples. shuffled: one permutation
/// for each epoch, a function of seed and epoch.
std::int64_t sample_at(SampleOrder order, std::uint64_t seed, std::int64_t samples,
                       std::int64_t index);

struct TextData {
  std::shared_ptr<const TokenDataset> train;
  std::shared_ptr<const TokenDataset> validation;  // null: none
};

/// The size of the tokenizer's vocabulary. Throws ConfigError("data.tokenizer") for an unknown
/// name.
std::int64_t tokenizer_vocab(const DataConfig& config);

/// Reads the files, concatenates them and splits off the validation part: the last
/// round-down(n * fraction) tokens. A directory stands for its regular files in the order of their
/// names, without links. Throws ConfigError for the key "data.train" or "data.validation" with the
/// file, if text is missing, unreadable, empty, or too short for one sample of each part in use.
TextData load_text(const DataConfig& config, std::int64_t sequence);

}  // namespace stagecraft

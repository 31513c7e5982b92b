// Tokens of text files, and which of them make up a sample.
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
  std::vector<std::string> validation;  // likewise; empty: the last part of the training text
  double validation_fraction = 0.1;     // [0, 1); used when `validation` is empty
  std::string tokenizer = "bytes";
  SampleOrder order = SampleOrder::shuffled;
};

/// One text as tokens, cut into samples: sample k is the T + 1 tokens from k * T; there are
/// floor((n - 1) / T) of them. Immutable, shared by all actors of a process.
class TokenDataset {
 public:
  TokenDataset(std::vector<std::uint8_t> tokens, std::int64_t sequence);
  std::int64_t tokens() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::int64_t samples() const { return samples_; }
  std::int64_t sequence() const { return sequence_; }
  /// Writes the T inputs and T targets of sample k.
  void read(std::int64_t sample, std::span<std::int32_t> inputs,
            std::span<std::int32_t> targets) const;

 private:
  std::vector<std::uint8_t> tokens_;
  std::int64_t sequence_;
  std::int64_t samples_ = 0;
};

/// Which sample stands at position `index` (from 0, counted through all steps: step s from 0 takes
/// s * B .. s * B + B - 1). Sequential: index modulo samples. Shuffled: a permutation per epoch
/// that is a function of seed and epoch.
std::int64_t sample_at(SampleOrder order, std::uint64_t seed, std::int64_t samples,
                       std::int64_t index);

struct TextData {
  std::shared_ptr<const TokenDataset> train;
  std::shared_ptr<const TokenDataset> validation;  // null: none
};

/// How many tokens the tokenizer knows. Throws ConfigError("data.tokenizer") for a name that is not
/// known.
std::int64_t tokenizer_vocab(const DataConfig& config);

/// Reads, joins (nothing between) and splits the text: the validation part is the last
/// round-down(n * fraction) tokens. A directory means its regular files by name, links left out.
/// Throws ConfigError with the key "data.train" or "data.validation" and the file for text that is
/// missing, unreadable, empty or too short for one sample of each part that is used.
TextData load_text(const DataConfig& config, std::int64_t sequence);

}  // namespace stagecraft

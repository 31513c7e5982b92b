#include "models/data/token_dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/random.h"
#include "models/parameters/checksum.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

/// The byte tokenizer: every byte of the text is one token.
constexpr std::string_view kByteTokenizer = "bytes";
constexpr std::int64_t kByteVocab = 256;

using Tokens = std::vector<std::uint8_t>;

/// The regular files of a folder in the order of their names, without links.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.symlink_status().type() == fs::file_type::regular) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  require(!files.empty(), folder.string(), "the directory has no regular file");
  return files;
}

void append(const fs::path& file, Tokens& tokens) {
  const std::string text = read_file(file);
  tokens.insert(tokens.end(), text.begin(), text.end());
}

/// "a.txt" or "a.txt and 2 more".
std::string source_of(const std::vector<std::string>& names) {
  return names.size() == 1 ? names.front()
                           : fmt::format("{} and {} more", names.front(), names.size() - 1);
}

/// The concatenated text of all files and directories in `names`.
Tokens read_text(const std::string& key, const std::vector<std::string>& names) {
  Tokens tokens;
  try {
    for (const fs::path name : names) {
      if (!fs::is_directory(name)) {
        append(name, tokens);
        continue;
      }
      for (const fs::path& file : files_of(name)) {
        append(file, tokens);
      }
    }
  } catch (const Error& error) {
    throw ConfigError(key, error.what());
  } catch (const fs::filesystem_error& error) {
    throw ConfigError(key, fmt::format("[{}] {}", error.path1().string(), error.code().message()));
  }
  if (tokens.empty()) {
    throw ConfigError(key, fmt::format("{} is empty", source_of(names)));
  }
  return tokens;
}

std::shared_ptr<const TokenDataset> dataset_of(const std::string& key, std::string_view source,
                                               Tokens tokens, std::int64_t sequence) {
  auto dataset = std::make_shared<const TokenDataset>(std::move(tokens), sequence);
  if (dataset->samples() == 0) {
    throw ConfigError(key, fmt::format("{} has {} tokens, too few for one sample, which needs {} "
                                       "(model.sequence + 1)",
                                       source, dataset->tokens(), sequence + 1));
  }
  return dataset;
}

/// Removes and returns the last round-down(n * fraction) tokens.
Tokens cut_validation(Tokens& tokens, double fraction) {
  const auto count =
      static_cast<std::ptrdiff_t>(std::floor(static_cast<double>(tokens.size()) * fraction));
  Tokens validation(tokens.end() - count, tokens.end());
  tokens.erase(tokens.end() - count, tokens.end());
  return validation;
}

void check(const DataConfig& config) {
  tokenizer_vocab(config);
  if (config.train.empty()) {
    throw ConfigError("data.train", "the list is empty: give at least one file or directory");
  }
  if (!(config.validation_fraction >= 0 && config.validation_fraction < 1)) {
    throw ConfigError("data.validation_fraction",
                      fmt::format("{} is not in [0, 1)", config.validation_fraction));
  }
}

}  // namespace

TokenDataset::TokenDataset(std::vector<std::uint8_t> tokens, std::int64_t sequence)
    : tokens_(std::move(tokens)), sequence_(sequence) {
  require(sequence >= 1, "TokenDataset", "a sample of {} tokens is too short", sequence);
  samples_ = tokens_.empty() ? 0 : (this->tokens() - 1) / sequence;
}

std::uint64_t TokenDataset::checksum() const {
  return stagecraft::checksum(std::as_bytes(std::span(tokens_)));
}

void TokenDataset::read(std::int64_t sample, std::span<std::int32_t> inputs,
                        std::span<std::int32_t> targets) const {
  const auto length = static_cast<std::size_t>(sequence_);
  require(0 <= sample && sample < samples_, "TokenDataset::read",
          "sample {} is outside of 0 .. {} - 1", sample, samples_);
  require(inputs.size() == length && targets.size() == length, "TokenDataset::read",
          "{} inputs and {} targets were requested, but a sample has {}", inputs.size(),
          targets.size(), length);
  const std::uint8_t* first = tokens_.data() + sample * sequence_;
  std::copy_n(first, length, inputs.begin());
  std::copy_n(first + 1, length, targets.begin());
}

std::int64_t sample_at(SampleOrder order, std::uint64_t seed, std::int64_t samples,
                       std::int64_t index) {
  require(samples >= 1 && index >= 0, "sample_at", "position {} does not exist for {} samples",
          index, samples);
  const std::int64_t epoch = index / samples;
  const std::int64_t position = index % samples;
  if (order == SampleOrder::sequential) {
    return position;
  }
  const std::uint64_t key = random_key(seed, fmt::format("sample order of epoch {}", epoch));
  return static_cast<std::int64_t>(
      permuted(key, static_cast<std::uint64_t>(samples), static_cast<std::uint64_t>(position)));
}

std::int64_t tokenizer_vocab(const DataConfig& config) {
  if (config.tokenizer != kByteTokenizer) {
    throw ConfigError("data.tokenizer",
                      fmt::format(R"(unknown tokenizer "{}"; the only one is "{}")",
                                  config.tokenizer, kByteTokenizer));
  }
  return kByteVocab;
}

TextData load_text(const DataConfig& config, std::int64_t sequence) {
  check(config);
  const std::string source = source_of(config.train);
  Tokens train = read_text("data.train", config.train);
  Tokens last;
  const bool cut = config.validation.empty() && config.validation_fraction > 0;
  if (cut) {
    last = cut_validation(train, config.validation_fraction);
  }
  TextData data;
  data.train = dataset_of("data.train", cut ? source + " without its validation part" : source,
                          std::move(train), sequence);
  if (cut) {
    const std::string part = fmt::format("the last {} of {} (data.validation_fraction)",
                                         config.validation_fraction, source);
    data.validation = dataset_of("data.train", part, std::move(last), sequence);
  } else if (!config.validation.empty()) {
    data.validation = dataset_of("data.validation", source_of(config.validation),
                                 read_text("data.validation", config.validation), sequence);
  }
  return data;
}

}  // namespace stagecraft

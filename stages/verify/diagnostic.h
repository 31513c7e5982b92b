// The diagnostics of verify, as its parts write them.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "stages/verify/instruction_site.h"

namespace stagecraft {

/// What is wrong, with the remedy, and the instructions that the text names.
struct Diagnostic {
  std::string text;
  std::vector<InstructionSite> sites;
};

/// The first diagnostic found, or nothing.
using Check = std::optional<Diagnostic>;

/// Writes diagnostics. An InstructionSite argument is formatted as "0SA1 (stage 0, position 3)".
class DiagnosticWriter {
 public:
  explicit DiagnosticWriter(const SiteFormatter& where) : where_(where) {}

  template <typename... Args>
  Diagnostic operator()(std::string_view text, const Args&... args) const {
    Diagnostic diagnostic;
    const std::tuple words{word(args, diagnostic)...};  // braces: evaluated from left to right
    diagnostic.text = std::apply(
        [&](const auto&... each) { return fmt::format(fmt::runtime(text), each...); }, words);
    return diagnostic;
  }

 private:
  template <typename T>
  auto word(const T& value, Diagnostic& diagnostic) const {
    if constexpr (std::is_same_v<T, InstructionSite>) {
      diagnostic.sites.push_back(value);
      return fmt::format("{} ({})", to_string(value.instruction), where_(value));
    } else if constexpr (std::is_same_v<T, Instruction>) {
      return to_string(value);
    } else {
      return value;
    }
  }

  const SiteFormatter& where_;
};

}  // namespace stagecraft

// What verify objects to, as its parts write it.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "stages/verify/instruction_site.h"

namespace stagecraft {

/// A sentence with its remedy, and the steps that it names.
struct Diagnostic {
  std::string text;
  std::vector<InstructionSite> steps;
};

/// Nothing, or the first objection found.
using Check = std::optional<Diagnostic>;

/// Writes objections; a step among the arguments becomes "0SA1 (stage 0, position 3)".
class DiagnosticWriter {
 public:
  explicit DiagnosticWriter(const SiteFormatter& where) : where_(where) {}

  template <typename... Args>
  Diagnostic operator()(std::string_view text, const Args&... args) const {
    Diagnostic diagnostic;
    const std::tuple words{word(args, diagnostic)...};  // braces: from left to right
    diagnostic.text = std::apply(
        [&](const auto&... each) { return fmt::format(fmt::runtime(text), each...); }, words);
    return diagnostic;
  }

 private:
  template <typename T>
  auto word(const T& value, Diagnostic& diagnostic) const {
    if constexpr (std::is_same_v<T, InstructionSite>) {
      diagnostic.steps.push_back(value);
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

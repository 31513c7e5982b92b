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
struct Objection {
  std::string text;
  std::vector<Step> steps;
};

/// Nothing, or the first objection found.
using Check = std::optional<Objection>;

/// Writes objections; a step among the arguments becomes "0SA1 (stage 0, position 3)".
class Objector {
 public:
  explicit Objector(const PlaceWords& where) : where_(where) {}

  template <typename... Args>
  Objection operator()(std::string_view text, const Args&... args) const {
    Objection objection;
    const std::tuple words{word(args, objection)...};  // braces: from left to right
    objection.text = std::apply(
        [&](const auto&... each) { return fmt::format(fmt::runtime(text), each...); }, words);
    return objection;
  }

 private:
  template <typename T>
  auto word(const T& value, Objection& objection) const {
    if constexpr (std::is_same_v<T, Step>) {
      objection.steps.push_back(value);
      return fmt::format("{} ({})", to_string(value.instruction), where_(value));
    } else if constexpr (std::is_same_v<T, Instruction>) {
      return to_string(value);
    } else {
      return value;
    }
  }

  const PlaceWords& where_;
};

}  // namespace stagecraft

// Lets fmt format a type by its to_string(). A check is then given the value itself, and the text
// is made only when the check throws.
#pragma once

#include <fmt/core.h>

namespace stagecraft {

/// `template <> struct fmt::formatter<T> : stagecraft::ToStringFormatter<T> {};` beside T makes
/// "{}" of a T its to_string(), which is found in T's namespace.
template <typename T>
struct ToStringFormatter {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(const T& value, fmt::format_context& context) const {
    return fmt::format_to(context.out(), "{}", to_string(value));
  }
};

}  // namespace stagecraft

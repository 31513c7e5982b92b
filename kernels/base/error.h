// Errors. Text is "[place] sentence with the numbers"; a user's mistake is a ConfigError, to which
// launch/ adds file, line and column.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace stagecraft {

/// A broken contract or a failed operation. what() is "[place] text".
class Error : public std::runtime_error {
 public:
  Error(std::string_view where, std::string_view text)
      : std::runtime_error(fmt::format("[{}] {}", where, text)), text_at_(where.size() + 3) {}
  /// what() without the place.
  std::string_view text() const { return std::string_view(what()).substr(text_at_); }

 private:
  std::size_t text_at_;
};

/// A value that the user gave and that cannot be used. `key` is "section.key"; several keys, where
/// a rule joins them, are separated by one space.
class ConfigError : public std::runtime_error {
 public:
  ConfigError(std::string keys, std::string text)
      : std::runtime_error(fmt::format("{}: {}", keys, text)),
        keys_(std::move(keys)),
        text_(std::move(text)) {}
  const std::string& keys() const { return keys_; }
  const std::string& text() const { return text_; }

 private:
  std::string keys_;
  std::string text_;
};

/// A wait that ended because somebody called abort(culprit). Never the first cause of a failure.
class AbortedError : public std::runtime_error {
 public:
  explicit AbortedError(std::string culprit)
      : std::runtime_error("aborted: " + culprit), culprit_(std::move(culprit)) {}
  const std::string& culprit() const { return culprit_; }

 private:
  std::string culprit_;
};

/// Formats and throws for require(): one function out of line, whatever the arguments.
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_error(std::string_view where,
                                                               fmt::string_view text,
                                                               fmt::format_args args) {
  throw Error(where, fmt::vformat(text, args));
}

/// Throws Error{place, formatted text} unless `holds`. A check that holds costs its test: pass
/// values (formatter.h) rather than strings made of them, since arguments are evaluated either way.
template <typename... Args>
[[gnu::always_inline]] inline void require(bool holds, std::string_view where,
                                           fmt::format_string<Args...> text, const Args&... args) {
  if (!holds) [[unlikely]] {
    throw_error(where, text, fmt::make_format_args(args...));
  }
}

}  // namespace stagecraft

// Options that are lists of named numbers: "NAME=NUMBER" or "NAME=[NUMBER, NUMBER]", joined by
// commas, as TOML writes inline tables.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stagecraft {

struct NumberList {
  std::string name;
  std::vector<double> values;  // at least one, none negative

  /// The number for all. Throws Error where there are several.
  double one() const;
  /// One number for each of `count` things: the number for all, or the list. Throws Error where the
  /// list has another length; `things` names them in plural, e.g. "chunks".
  std::vector<double> each(int count, std::string_view things) const;
};

/// The entries of `text`, ordered by name; of an empty text none. Throws Error naming the entry and
/// the remedy for bad syntax, for a name that stands twice or is not among `names`, and for what is
/// no finite number of at least 0.
std::vector<NumberList> parse_number_lists(std::string_view text,
                                           std::span<const std::string_view> names);

}  // namespace stagecraft

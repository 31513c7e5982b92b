// The valid word that a misspelt one was probably meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace stagecraft {

/// Fewest insertions, deletions, replacements and swaps of neighbours that turn one into the other
/// (Damerau-Levenshtein distance with restricted transpositions).
int edit_distance(std::string_view a, std::string_view b);

/// The first of the nearest; empty when there are no words.
std::string nearest(std::string_view word, std::span<const std::string> words);

/// The nearest of names "section.key": one with the same key in another section comes first.
std::string nearest_key(std::string_view name, std::span<const std::string> names);

}  // namespace stagecraft

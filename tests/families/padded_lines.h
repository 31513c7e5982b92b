// A family of the tests: lines of a text, padded to the length of a sample, and two losses. It
// lives beside the product: no file of the program knows it.
#pragma once

#include "models/families/family.h"

namespace stagecraft::test {

/// A sample is the text from its first byte to the end of that line, and padding behind it.
/// A micro-batch is as long as its longest line, rounded up to eight. Losses:
/// "next_byte" over the rows that have a next byte in the line, and "line_kind", the first byte
/// modulo 4, over the samples.
extern const ModelFamily kPaddedLines;

inline constexpr const char* kNextByte = "next_byte";
inline constexpr const char* kLineKind = "line_kind";

/// Rows of the sample that belong to its line.
std::int64_t line_length(const std::int32_t* inputs, std::int64_t sequence);

}  // namespace stagecraft::test

// Programs read from a text, with the location of each instruction in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"
#include "stages/program/program.h"

namespace stagecraft {

/// A position in a text. Both numbers count from 1; columns count bytes.
struct TextPosition {
  int line = 1;
  int column = 1;
};

/// Thrown for a text that is not a program. what() is "[line L, column C] text".
class TextError : public Error {
 public:
  TextError(TextPosition location, std::string_view text);
  TextPosition location() const { return location_; }

 private:
  TextPosition location_;
};

struct WrittenProgram {
  Program program;
  std::vector<std::vector<TextPosition>>
      locations;  // of each stage's instructions, with groups flattened

  /// Where the instruction first occurs on the line of `stage`; nothing if it does not.
  std::optional<TextPosition> location_of(int stage, const Instruction& instruction) const;
  /// Gives every chunk the stage whose line has its F. Throws TextError at `sizes`, the position of
  /// the header, if the lines have fewer chunks or micro-batches than it says.
  void place_chunks(TextPosition sizes);
};

}  // namespace stagecraft

// Programs as people and other tools write them, and where in the text each instruction stands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"
#include "stages/program/program.h"

namespace stagecraft {

/// Of a text; both count from 1, columns in bytes.
struct TextPosition {
  int line = 1;
  int column = 1;
};

/// A text that is no program. what() is "[line L, column C] text".
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
      locations;  // of each stage's instructions, groups flattened

  /// Where stage `stage` has the instruction first; nothing where the text does not have it.
  std::optional<TextPosition> coordinate_of(int stage, const Instruction& instruction) const;
  /// Gives every chunk the stage whose line has its F. `sizes` is where the text says how many
  /// chunks and micro-batches there are: throws TextError there when the lines fall short of them.
  void place_chunks(TextPosition sizes);
};

}  // namespace stagecraft

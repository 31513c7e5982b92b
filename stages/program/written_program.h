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
struct TextPlace {
  int line = 1;
  int column = 1;
};

/// A text that is no program. what() is "[line L, column C] text".
class TextError : public Error {
 public:
  TextError(TextPlace place, std::string_view text);
  TextPlace place() const { return place_; }

 private:
  TextPlace place_;
};

struct WrittenProgram {
  Program program;
  std::vector<std::vector<TextPlace>> places;  // of each stage's instructions, groups flattened

  /// Where stage `stage` has the instruction first; nothing where the text does not have it.
  std::optional<TextPlace> place_of(int stage, const Instruction& instruction) const;
  /// Gives every chunk the stage whose line has its F. `sizes` is where the text says how many
  /// chunks and micro-batches there are: throws TextError there when the lines fall short of them.
  void place_chunks(TextPlace sizes);
};

}  // namespace stagecraft

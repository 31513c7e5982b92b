// Reads a program in either form of docs/file_formats/program.md.
#pragma once

#include <string_view>

#include "stages/program/written_program.h"

namespace stagecraft {

/// Takes the text for CSV when it begins with a cell: a digit, a comma or a parenthesis. Throws
/// TextError with the remedy.
WrittenProgram parse_written(std::string_view text);

}  // namespace stagecraft

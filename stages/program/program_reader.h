// Reads a program in either format of docs/file_formats/program.md.
#pragma once

#include <string_view>

#include "stages/program/written_program.h"

namespace stagecraft {

/// Parses the text as CSV if it begins with a cell: a digit, a comma or a parenthesis. Throws
/// TextError; its text names the remedy.
WrittenProgram parse_written(std::string_view text);

}  // namespace stagecraft

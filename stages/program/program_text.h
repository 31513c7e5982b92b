// The text format of programs (docs/file_formats/program.md).
#pragma once

#include <string>
#include <string_view>

#include "stages/program/program.h"
#include "stages/program/written_program.h"

namespace stagecraft {

/// A header, then one line per stage; groups are in parentheses:
///   program stages 2 chunks 2 microbatches 2
///   0: 0F0 0SA0 0F1 (0SA1 0RG0) 0B0 0RG1 0B1
std::string to_string(const Program& program);
/// Parses the output of to_string. A chunk belongs to the stage whose line has its F. Ignores empty
/// lines and text after '#'. Throws Error "[line L, column C] ..." that names the remedy.
/// program_reader.h also reads CSV.
Program parse_program(std::string_view text);

/// The same, with the location of every instruction. Throws TextError; its text names the remedy.
WrittenProgram parse_text_form(std::string_view text);

}  // namespace stagecraft

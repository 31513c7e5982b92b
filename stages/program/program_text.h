// The text form of programs (docs/file_formats/program.md).
#pragma once

#include <string>
#include <string_view>

#include "stages/program/program.h"
#include "stages/program/written_program.h"

namespace stagecraft {

/// One line a stage behind a header; groups in parentheses:
///   program stages 2 chunks 2 microbatches 2
///   0: 0F0 0SA0 0F1 (0SA1 0RG0) 0B0 0RG1 0B1
std::string to_string(const Program& program);
/// The inverse; chunks belong to the stages whose line has their F. Empty lines and what follows
/// '#' are passed over. Throws Error "[line L, column C] ..." with the remedy. written_program.h
/// reads other forms and files too.
Program parse_program(std::string_view text);

/// The same with the location of every instruction. Throws TextError with the remedy.
WrittenProgram parse_text_form(std::string_view text);

}  // namespace stagecraft

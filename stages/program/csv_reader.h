// Programs as CSV, one row per stage and one cell per instruction, as torch.distributed.pipelining
// writes and reads them (class _Action of its schedules.py; torch 2.13 to 2.15). See
// docs/file_formats/program.md.
#pragma once

#include <string_view>

#include "stages/program/written_program.h"

namespace stagecraft {

/// Throws TextError; its text names the remedy.
WrittenProgram parse_csv_form(std::string_view text);

}  // namespace stagecraft

// Programs as files: the text form and CSV (docs/file_formats/program.md).
#pragma once

#include <filesystem>

#include "stages/written_program.h"

namespace stagecraft {

/// Text or CSV by its content. Throws BadInput "FILE:LINE:COLUMN: ..." with the remedy for wrong
/// text, and Error for a file that cannot be read.
WrittenProgram read_schedule_file(const std::filesystem::path& file);

}  // namespace stagecraft

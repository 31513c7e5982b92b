// Programs in files: the text form and CSV (docs/file_formats/program.md).
#pragma once

#include <filesystem>
#include <string_view>

#include "launch/config/config_file.h"
#include "stages/program/written_program.h"
#include "stages/verify/instruction_site.h"

namespace stagecraft {

/// The file that parallel.schedule names; empty where it names a built-in schedule. A path in the
/// configuration is relative to the configuration's folder, a path of --set to the current folder.
std::filesystem::path schedule_file(const ConfigFile& config);

/// Reads a program. The content tells text from CSV. Throws BadInput "FILE:LINE:COLUMN: ..." with
/// the remedy for wrong text, and Error for a file that cannot be read.
WrittenProgram read_schedule_file(const std::filesystem::path& file);

/// Formats an instruction of the file as "FILE:LINE:COLUMN", and an instruction that was added to
/// the program as its position in the stage.
SiteFormatter locations_in(const std::filesystem::path& file, const WrittenProgram& written);

}  // namespace stagecraft

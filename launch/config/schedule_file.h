// Programs as files: the text form and CSV (docs/file_formats/program.md).
#pragma once

#include <filesystem>
#include <string_view>

#include "launch/config/config_file.h"
#include "stages/program/written_program.h"
#include "stages/verify/instruction_site.h"

namespace stagecraft {

/// The file that [parallel] schedule names; empty where it names a schedule. What stands in the
/// configuration is relative to its folder, what --set says to the current one.
std::filesystem::path schedule_file(const ConfigFile& config);

/// Text or CSV by its content. Throws BadInput "FILE:LINE:COLUMN: ..." with the remedy for wrong
/// text, and Error for a file that cannot be read.
WrittenProgram read_schedule_file(const std::filesystem::path& file);

/// "FILE:LINE:COLUMN" of what the file has; of what was added to it the place on the stage's line.
SiteFormatter locations_in(const std::filesystem::path& file, const WrittenProgram& written);

}  // namespace stagecraft

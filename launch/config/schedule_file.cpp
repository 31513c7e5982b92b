#include "launch/config/schedule_file.h"

#include "launch/config/settings.h"

#include <fmt/format.h>

#include "kernels/base/file.h"
#include "stages/program/program_reader.h"

namespace stagecraft {

namespace fs = std::filesystem;

fs::path schedule_file(const ConfigFile& config) {
  const std::string& schedule = config.settings.parallel.schedule;
  if (!schedule.starts_with(kScheduleFile)) {
    return {};
  }
  const fs::path path = schedule.substr(kScheduleFile.size());
  const bool in_file = config.locations.find("parallel.schedule")->second.in_file;
  return in_file ? fs::path(config.name).parent_path() / path : path;
}

WrittenProgram read_schedule_file(const fs::path& file) {
  try {
    return parse_written(read_file(file));
  } catch (const TextError& error) {
    throw BadInput(fmt::format("{}:{}:{}: {}", file.string(), error.location().line,
                               error.location().column, error.text()));
  }
}

SiteFormatter locations_in(const fs::path& file, const WrittenProgram& written) {
  return [=](const InstructionSite& step) {
    const auto location = written.location_of(step.stage, step.instruction);
    return location ? fmt::format("{}:{}:{}", file.string(), location->line, location->column)
                    : site_text(step);
  };
}

}  // namespace stagecraft

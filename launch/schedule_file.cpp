#include "launch/schedule_file.h"

#include <fmt/format.h>

#include "kernels/base/file.h"
#include "launch/config_file.h"

namespace stagecraft {

WrittenProgram read_schedule_file(const std::filesystem::path& file) {
  try {
    return parse_written(read_file(file));
  } catch (const TextError& error) {
    throw BadInput(fmt::format("{}:{}:{}: {}", file.string(), error.place().line,
                               error.place().column, error.text()));
  }
}

}  // namespace stagecraft

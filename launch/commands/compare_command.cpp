#include "launch/commands/compare_command.h"

#include <array>

#include "kernels/base/error.h"
#include "kernels/base/posix_file_system.h"
#include "launch/artifacts/output.h"
#include "launch/config/config_file.h"
#include "launch/report/compare_runs.h"
#include "launch/report/comparison_text.h"

namespace stagecraft {

int compare(const std::filesystem::path& first, const std::filesystem::path& second) {
  PosixFileSystem files;
  const std::array<std::filesystem::path, 2> runs = {first, second};
  try {
    const RunComparison comparison = compare_runs(files, runs);
    print_output(comparison_text(comparison, runs));
    return comparison.equal() ? 0 : 1;
  } catch (const Error& error) {
    throw BadInput(error.what());
  }
}

}  // namespace stagecraft

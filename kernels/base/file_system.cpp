#include "kernels/base/file_system.h"

#include <cerrno>
#include <system_error>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::string_view remedy_of(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return "; free space there, or write to another disk";
    case EIO:
      return "; the system's log says what is wrong with the disk; write to another one";
    case EROFS:
      return "; write to another disk";
    case EACCES:
    case EPERM:
      return "; give this user access to it, or choose another path";
    default:
      return "";
  }
}

}  // namespace

void throw_file_error(const std::filesystem::path& path, std::string_view action, int code) {
  throw Error(path.string(), fmt::format("{}: {}{}", action, std::generic_category().message(code),
                                         remedy_of(code)));
}

}  // namespace stagecraft

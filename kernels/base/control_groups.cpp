#include "kernels/base/control_groups.h"

#include <fstream>
#include <sstream>
#include <string>

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

bool is_listed(std::string_view controller, const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == controller) {
      return true;
    }
  }
  return false;
}

void append_groups(const fs::path& top, const std::string& group, std::vector<fs::path>& groups) {
  fs::path at = top;
  groups.push_back(at);
  for (const fs::path& name : fs::path(group).relative_path()) {
    groups.push_back(at /= name);
  }
}

}  // namespace

/// A line of /proc/self/cgroup is "NUMBER:CONTROLLERS:PATH"; version 2 has no controllers.
std::vector<fs::path> control_groups(std::string_view controller, const fs::path& root) {
  const fs::path mounted = root / "sys/fs/cgroup";
  std::vector<fs::path> groups;
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string number, controllers, path; std::getline(lines, number, ':') &&
                                              std::getline(lines, controllers, ':') &&
                                              std::getline(lines, path);) {
    if (controllers.empty()) {
      append_groups(mounted, path, groups);
    } else if (is_listed(controller, controllers)) {
      append_groups(mounted / controllers, path, groups);
    }
  }
  return groups;
}

}  // namespace stagecraft

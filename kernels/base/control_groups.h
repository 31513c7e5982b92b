// The control groups that limit what the caller may use of a host.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace stagecraft {

/// The folders of the groups that the caller is in for `controller` ("cpu"), from the top down,
/// of version 1 and version 2. A container may not see the lower ones: they do not exist then.
/// `root` is where /proc and /sys lie.
std::vector<std::filesystem::path> control_groups(std::string_view controller,
                                                  const std::filesystem::path& root);

}  // namespace stagecraft

// The processes of a run on this machine, found by a mark in their environment, and leftovers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace stagecraft::test {

/// Living processes whose environment contains exactly this "NAME=VALUE".
std::vector<int> processes_with(const std::string& variable);

/// The peak memory of a process, in bytes; 0 when it is gone.
std::int64_t most_resident_bytes(int process);

/// SIGKILL to all of them.
void kill_processes_with(const std::string& variable);

/// Whether a folder of PATH has this program.
bool is_in_path(const std::string& program);

/// What lies in a folder; nothing where there is none.
std::set<std::string> names_in_folder(const std::filesystem::path& folder);

/// A small file system in memory, mounted over a folder until destruction.
class SmallDisk {
 public:
  explicit SmallDisk(std::filesystem::path folder);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// False where this user may not mount.
  bool mounted() const { return mounted_; }
  /// Writes until the disk is full.
  void fill() const;

 private:
  std::filesystem::path folder_;
  bool mounted_ = false;
};

}  // namespace stagecraft::test

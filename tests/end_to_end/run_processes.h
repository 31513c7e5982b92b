// What a run of processes is and leaves on this machine: found by a mark in their environment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace stagecraft::test {

/// Processes, and not yet dead, whose environment has exactly this "NAME=VALUE".
std::vector<int> processes_with(const std::string& variable);

/// The most memory that a process ever had at once, in bytes; 0 when it is gone.
std::int64_t most_resident_bytes(int process);

/// SIGKILL to all of them.
void kill_processes_with(const std::string& variable);

/// What lies in a folder; nothing where there is none.
std::set<std::string> names_in_folder(const std::filesystem::path& folder);

/// A small file system in memory, mounted over a folder until the end.
class SmallDisk {
 public:
  explicit SmallDisk(std::filesystem::path folder);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// Not everybody may mount.
  bool mounted() const { return mounted_; }
  /// Writes until it takes no byte more.
  void fill() const;

 private:
  std::filesystem::path folder_;
  bool mounted_ = false;
};

}  // namespace stagecraft::test

#include "tests/end_to_end/run_processes.h"

#include <sys/mount.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

namespace stagecraft::test {
namespace fs = std::filesystem;
namespace {

bool has_variable(int process, const std::string& variable) {
  std::ifstream file("/proc/" + std::to_string(process) + "/environ", std::ios::binary);
  std::string entry;
  while (std::getline(file, entry, '\0')) {
    if (entry == variable) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<int> processes_with(const std::string& variable) {
  std::vector<int> found;
  std::error_code gone;
  for (fs::directory_iterator entry("/proc", gone), end; entry != end; entry.increment(gone)) {
    const std::string name = entry->path().filename();
    int process = 0;
    const auto [last, fault] = std::from_chars(name.data(), name.data() + name.size(), process);
    const bool number = fault == std::errc() && last == name.data() + name.size();
    if (number && has_variable(process, variable)) {
      found.push_back(process);
    }
  }
  return found;
}

std::int64_t most_resident_bytes(int process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/status");
  for (std::string word; file >> word;) {
    std::int64_t kib = 0;
    if (word == "VmHWM:" && file >> kib) {
      return kib << 10;
    }
  }
  return 0;
}

void kill_processes_with(const std::string& variable) {
  for (const int process : processes_with(variable)) {
    ::kill(process, SIGKILL);
  }
}

bool is_in_path(const std::string& program) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

std::set<std::string> names_in_folder(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code absent;
  for (fs::directory_iterator entry(folder, absent), end; entry != end; entry.increment(absent)) {
    names.insert(entry->path().filename());
  }
  return names;
}

SmallDisk::SmallDisk(fs::path folder) : folder_(std::move(folder)) {
  fs::create_directories(folder_);
  mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=4m") == 0;
}

SmallDisk::~SmallDisk() {
  if (mounted_) {
    ::umount2(folder_.c_str(), MNT_DETACH);
  }
}

void SmallDisk::fill() const {
  std::ofstream file(folder_ / "filler", std::ios::binary);
  const std::string block(512, 'x');
  while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
}

}  // namespace stagecraft::test

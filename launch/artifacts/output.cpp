#include "launch/artifacts/output.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "launch/config/config_file.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

void put(std::FILE* file, const fs::path& name, std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0) {
    throw_file_error(name, "cannot write", errno);
  }
}

bool is_standard_output(const fs::path& path) {
  struct stat file {};
  struct stat output {};
  return path == kStandardOutput ||
         (::stat(path.c_str(), &file) == 0 && ::fstat(STDOUT_FILENO, &output) == 0 &&
          file.st_dev == output.st_dev && file.st_ino == output.st_ino);
}

/// Where the path's symbolic links end.
fs::path link_target(fs::path path) {
  std::error_code failed;
  for (int links = 0; fs::is_symlink(path, failed); ++links) {
    constexpr int kMaxLinks = 40;  // Linux follows no more
    if (links == kMaxLinks) {
      throw_file_error(path, "cannot open", ELOOP);
    }
    path = path.parent_path() / fs::read_symlink(path, failed);
  }
  return path;
}

/// Whether the file cannot be replaced by name: it is no regular file, or, as some in
/// /proc/self/fd, has no name.
bool is_written_in_place(const fs::path& path, const fs::path& target) {
  std::error_code failed;
  return fs::exists(path, failed) &&
         !(fs::is_regular_file(path, failed) && fs::equivalent(path, target, failed));
}

/// Waits for a pipe's reader, as a shell does.
void write_in_place(const fs::path& path, std::string_view contents) {
  const std::unique_ptr<std::FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "we"),
                                                                &std::fclose);
  if (!file) {
    throw_file_error(path, "cannot open", errno);
  }
  put(file.get(), path, contents);
}

/// The new file has the earlier one's permissions.
void replace(const fs::path& path, std::string_view contents) {
  PosixFileSystem files;
  const fs::path temporary = fmt::format("{}.{}.tmp", path.string(), ::getpid());
  fill_file(files, temporary, contents);
  try {
    if (fs::exists(path)) {
      fs::permissions(temporary, fs::status(path).permissions());
    }
    publish_file(files, temporary, path);
  } catch (...) {
    remove_quietly(files, temporary);
    throw;
  }
}

}  // namespace

void print_output(std::string_view text) { put(stdout, "standard output", text); }

void write_output(const fs::path& path, std::string_view contents) {
  if (is_standard_output(path)) {
    return print_output(contents);
  }
  const fs::path target = link_target(path);
  if (is_written_in_place(path, target)) {
    write_in_place(path, contents);
  } else {
    replace(target, contents);
  }
}

std::string output_fault(const fs::path& path) {
  if (is_standard_output(path)) {
    return "";
  }
  std::error_code failed;
  if (fs::exists(path, failed)) {
    if (fs::is_directory(path, failed)) {
      return "it is a folder";
    }
    if (::access(path.c_str(), W_OK) != 0) {
      return "it is not writable";
    }
  }
  const fs::path target = link_target(path);
  const fs::path folder = directory_of(target);
  return is_written_in_place(path, target)     ? ""
         : !fs::is_directory(folder, failed)   ? "its folder does not exist"
         : ::access(folder.c_str(), W_OK) != 0 ? "its folder cannot be written"
                                               : "";
}

void check_output_option(std::string_view option, const fs::path& path) {
  const std::string fault = path.empty() ? "" : output_fault(path);
  if (!fault.empty()) {
    throw BadInput(fmt::format("{} {} cannot be written: {}; choose another path", option,
                               path.string(), fault));
  }
}

}  // namespace stagecraft

#include "kernels/base/file.h"

#include <exception>

#include "kernels/base/file_writer.h"
#include "kernels/base/posix_file_system.h"

namespace stagecraft {

using Path = std::filesystem::path;

std::string read_file(const Path& path) { return PosixFileSystem().read(path); }

void fill_file(FileSystem& files, const Path& path, std::string_view contents) {
  try {
    FileWriter file(path, files.create(path, static_cast<std::int64_t>(contents.size())));
    file.write(0, std::as_bytes(std::span(contents)));
    file.sync();
  } catch (...) {
    remove_quietly(files, path);
    throw;
  }
}

void write_file(FileSystem& files, const Path& path, std::string_view contents) {
  const Path temporary = path.string() + ".tmp";
  fill_file(files, temporary, contents);
  try {
    publish_file(files, temporary, path);
  } catch (...) {
    remove_quietly(files, temporary);
    throw;
  }
}

void write_file(const Path& path, std::string_view contents) {
  PosixFileSystem files;
  write_file(files, path, contents);
}

void publish_file(FileSystem& files, const Path& temporary, const Path& path) {
  files.rename(temporary, path);
  files.sync_directory(directory_of(path));
}

void make_directories(FileSystem& files, const Path& path) {
  if (path.empty() || files.exists(path)) {
    return;
  }
  make_directories(files, path.parent_path());
  files.make_directory(path);
  files.sync_directory(directory_of(path));
}

void remove_quietly(FileSystem& files, const Path& path) noexcept {
  try {
    files.remove(path);
  } catch (const std::exception&) {
    return;
  }
}

Path directory_of(const Path& path) {
  return path.has_parent_path() ? path.parent_path() : Path(".");
}

}  // namespace stagecraft

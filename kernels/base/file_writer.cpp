#include "kernels/base/file_writer.h"

#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {

FileWriter::FileWriter(std::filesystem::path path, std::unique_ptr<FileHandle> file)
    : path_(std::move(path)), file_(std::move(file)) {}

void FileWriter::begin_call() {
  require(!broken_, path_.string(), "writing it failed before; write the whole file again");
  broken_ = true;
}

void FileWriter::write(std::int64_t offset, std::span<const std::byte> bytes) {
  begin_call();
  while (!bytes.empty()) {
    const std::size_t count = file_->write_some(offset, bytes);
    bytes = bytes.subspan(count);
    offset += static_cast<std::int64_t>(count);
  }
  broken_ = false;
}

void FileWriter::sync() {
  begin_call();
  file_->sync();
  broken_ = false;
}

}  // namespace stagecraft

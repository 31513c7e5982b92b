#include "kernels/base/file_reader.h"

#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {

FileReader::FileReader(std::filesystem::path path, std::unique_ptr<ReadHandle> file)
    : path_(std::move(path)), file_(std::move(file)) {}

void FileReader::read(std::int64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const std::size_t count = file_->read_some(offset, bytes);
    require(count > 0, path_.string(), "ends at byte {}, before byte {}", offset,
            offset + static_cast<std::int64_t>(bytes.size()));
    bytes = bytes.subspan(count);
    offset += static_cast<std::int64_t>(count);
  }
}

}  // namespace stagecraft

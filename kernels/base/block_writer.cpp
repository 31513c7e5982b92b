#include "kernels/base/block_writer.h"

#include <algorithm>
#include <utility>

#include "kernels/base/span.h"

namespace stagecraft {
namespace {

/// A flush of this size takes less than a second, also on a slow disk.
constexpr std::int64_t kSmallBlock = std::int64_t{256} << 10;

/// How many bytes to write before the next flush, after one that took `seconds`: a flush should
/// last some tenths of a second.
std::int64_t next_block(std::int64_t block, double seconds, std::int64_t largest) {
  constexpr double kShort = 0.1;
  constexpr double kLong = 0.4;
  if (seconds > kLong) {
    block = std::max(kSmallBlock, block / 2);
  } else if (seconds < kShort) {
    block *= 2;
  }
  return std::min(block, largest);
}

}  // namespace

BlockWriter::BlockWriter(FileWriter file, BlockWriteOptions options)
    : file_(std::move(file)),
      options_(std::move(options)),
      block_(std::min(kSmallBlock, options_.flush_bytes)) {}

void BlockWriter::write(std::int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::int64_t count = std::min(
        {static_cast<std::int64_t>(bytes.size()), block_ - unflushed_, options_.write_bytes});
    options_.on_progress();
    file_.write(offset, bytes.first(static_cast<std::size_t>(count)));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += count;
    unflushed_ += count;
    if (unflushed_ == block_) {
      sync();
    }
  }
}

void BlockWriter::sync() {
  options_.on_progress();
  const std::int64_t begin_ns = now_ns();
  file_.sync();
  const double seconds = static_cast<double>(now_ns() - begin_ns) * 1e-9;
  block_ = next_block(block_, seconds, options_.flush_bytes);
  unflushed_ = 0;
}

}  // namespace stagecraft

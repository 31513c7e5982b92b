#include "models/checkpoint/checkpoint_file_reader.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "models/checkpoint/safetensors_json.h"
#include "models/parameters/checksum.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLengthBytes = 8;  // before the header's JSON
constexpr std::int64_t kLongestHeader = 100'000'000;
constexpr std::size_t kBlock = std::size_t{8} << 20;

std::int64_t data_bytes(const std::vector<NamedShape>& pieces) {
  std::int64_t bytes = 0;
  for (const NamedShape& piece : pieces) {
    bytes += elements_of(piece.shape) * size_of(DType::float32);
  }
  return bytes;
}

/// The pieces in the order in which the header says that they lie in the file.
std::vector<NamedShape> in_file_order(const std::string& file, const std::string& header,
                                      std::vector<NamedShape> pieces) {
  const SafetensorsLayout found =
      parse_safetensors_json(file, std::string_view(header).substr(kLengthBytes));
  for (const NamedShape& piece : pieces) {
    require(found.entries.contains(piece.name), file, "tensor {} is missing", piece.name);
  }
  require(found.entries.size() == pieces.size(), file,
          "has {} tensors, but {} belong to the checkpoint", found.entries.size(), pieces.size());
  std::ranges::sort(pieces, {}, [&](const NamedShape& piece) {
    const SafetensorsEntry& entry = found.entries.at(piece.name);
    return std::pair(entry.begin, entry.bytes);
  });
  return pieces;
}

}  // namespace

CheckpointFileReader::CheckpointFileReader(FileSystem& files, const fs::path& folder,
                                           const CheckpointFile& file,
                                           const std::vector<NamedShape>& pieces)
    : path_((folder / file.name).string()),
      file_(path_, files.open_for_reading(path_)),
      bytes_(file.bytes) {
  const std::string header = read_header(pieces);
  SafetensorsHeader expected = make_safetensors_header(in_file_order(path_, header, pieces));
  const auto [found, wanted] = std::ranges::mismatch(header, expected.bytes);
  require(found == header.end() && wanted == expected.bytes.end(), path_,
          "the header is damaged or of another checkpoint: it differs at byte {}",
          found - header.begin());
  layout_ = std::move(expected.layout);
}

std::string CheckpointFileReader::read_header(const std::vector<NamedShape>& pieces) const {
  require(file_.size() == bytes_, path_, "the file has {} bytes, but the checkpoint needs {}",
          file_.size(), bytes_);
  const std::int64_t length = bytes_ - data_bytes(pieces);
  require(length >= static_cast<std::int64_t>(kLengthBytes) && length <= kLongestHeader, path_,
          "{} bytes would be left for the header beside those of its {} tensors", length,
          pieces.size());
  std::string header(static_cast<std::size_t>(length), '\0');
  file_.read(0, std::as_writable_bytes(std::span(header)));
  return header;
}

void CheckpointFileReader::read(const std::string& piece, std::uint64_t checksum,
                                std::span<std::byte> bytes,
                                const std::function<void()>& on_progress) const {
  const SafetensorsEntry& entry = layout_.entries.at(piece);
  for (std::size_t at = 0; at < bytes.size(); at += kBlock) {
    on_progress();
    file_.read(entry.begin + static_cast<std::int64_t>(at),
               bytes.subspan(at, std::min(kBlock, bytes.size() - at)));
  }
  const std::uint64_t found = stagecraft::checksum(bytes);
  require(found == checksum, path_,
          "tensor {} is damaged or of another checkpoint: its checksum is {}, not {}", piece,
          hash_text(found), hash_text(checksum));
}

}  // namespace stagecraft

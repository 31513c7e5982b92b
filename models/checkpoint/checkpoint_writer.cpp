#include "models/checkpoint/checkpoint_writer.h"

#include <utility>

#include "kernels/base/block_writer.h"
#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_layout.h"
#include "models/parameters/checksum.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

/// Large, so that a fast disk waits seldom for the next byte.
constexpr std::int64_t kFlushBytes = std::int64_t{512} << 20;

std::vector<WrittenPiece> expected(const std::vector<StatePiece>& pieces) {
  std::vector<WrittenPiece> all;
  all.reserve(pieces.size());
  for (const StatePiece& piece : pieces) {
    all.push_back({piece.parameter.name, piece.kind, piece.box});
  }
  return all;
}

}  // namespace

struct CheckpointWriter::State {
  State(FileSystem& system, fs::path file_path, const std::vector<StatePiece>& all,
        CheckpointWriteOptions options)
      : files(system),
        path(std::move(file_path)),
        pieces(expected(all)),
        header(checkpoint_header(all)),
        end(static_cast<std::int64_t>(header.bytes.size())),
        file(FileWriter(path, files.create(path, header.layout.file_bytes)),
             {.on_progress = std::move(options.on_progress), .flush_bytes = kFlushBytes}) {}

  /// The piece that comes next, if it is this one.
  WrittenPiece& next(const StatePiece& piece) {
    const std::string name = piece_name(piece.parameter.name, piece.kind, piece.box);
    require(written < pieces.size(), path.string(), "holds {} pieces; {} comes after the last",
            pieces.size(), name);
    WrittenPiece& wanted = pieces[written];
    const std::string wanted_name = piece_name(wanted.parameter, wanted.kind, wanted.box);
    require(wanted_name == name, path.string(), "{} comes next, not {}", wanted_name, name);
    return wanted;
  }

  void write(const StatePiece& piece, std::span<const std::byte> bytes) {
    next(piece).checksum = checksum(bytes);
    file.write(end, bytes);
    end += static_cast<std::int64_t>(bytes.size());
    ++written;
  }

  FileSystem& files;
  fs::path path;
  std::vector<WrittenPiece> pieces;
  SafetensorsHeader header;
  std::size_t written = 0;  // pieces
  std::int64_t end;         // of what is written
  BlockWriter file;
};

CheckpointWriter::CheckpointWriter(FileSystem& files, const fs::path& unfinished, int rank,
                                   const std::vector<StatePiece>& pieces,
                                   CheckpointWriteOptions options)
    : state_(std::make_unique<State>(files, unfinished / checkpoint_file_name(rank),
                                     file_pieces(pieces), std::move(options))) {
  state_->file.write(0, std::as_bytes(std::span(state_->header.bytes)));
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::write(const StatePiece& piece, std::span<const float> values) {
  const std::int64_t elements = elements_of(piece.box.shape());
  require(static_cast<std::int64_t>(values.size()) == elements, state_->path.string(),
          "{} elements for {}, which has {}", values.size(),
          piece_name(piece.parameter.name, piece.kind, piece.box), elements);
  for (const StatePiece& part : file_pieces({piece})) {
    const auto count = static_cast<std::size_t>(elements_of(part.box.shape()));
    state_->write(part, std::as_bytes(values.first(count)));
    values = values.subspan(count);
  }
}

std::vector<WrittenPiece> CheckpointWriter::finish() {
  require(state_->written == state_->pieces.size(), state_->path.string(),
          "{} of its {} pieces were written", state_->written, state_->pieces.size());
  state_->file.sync();
  state_->files.sync_directory(state_->path.parent_path());
  return std::move(state_->pieces);
}

std::string checkpoint_file_name(int rank) { return fmt::format("rank-{}.safetensors", rank); }

std::int64_t checkpoint_file_bytes(const std::vector<StatePiece>& pieces) {
  return checkpoint_header(file_pieces(pieces)).layout.file_bytes;
}

}  // namespace stagecraft

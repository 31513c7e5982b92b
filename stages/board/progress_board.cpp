#include "stages/board/progress_board.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <new>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "kernels/base/span.h"

namespace stagecraft {
namespace {

constexpr std::array<char, 8> kMagic = {'S', 'T', 'G', 'B', 'O', 'A', 'R', 'D'};
constexpr std::uint32_t kVersion = 2;
enum CauseState : std::uint32_t { none = 0, being_written = 1, written = 2 };

/// The longest prefix of at most `limit` bytes that cuts no UTF-8 character.
std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) {
    return text;
  }
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) {
    --limit;
  }
  return text.substr(0, limit);
}

}  // namespace

/// All numbers are little-endian; offsets in bytes.
///
///     0     magic "STGBOARD"         8     version u32           12    ranks i32
///     16    pipeline i32             20    tensor i32            24    data i32
///     28    chunks i32               32    created_wall_ns i64   40    created_steady_ns i64
///     48    watchdog_seconds f64     56    launcher_process i32  60    stop_requested u32
///     64    cause: state u32         68    culprit_rank i32      72    text_bytes u32
///     76    save_requested u32       80    cause_wall_ns i64     88    zero
///     128   text, 1024 bytes, UTF-8
///     1152  rows of 128 bytes (ProgressSlot): by rank, then the driver's
///     1152 + 128 (ranks + 1)  stage of each chunk, i32
struct ProgressBoard::Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::int32_t ranks;
  std::int32_t pipeline;
  std::int32_t tensor;
  std::int32_t data;
  std::int32_t chunks;
  std::int64_t created_wall_ns;
  std::int64_t created_steady_ns;
  double watchdog_seconds;
  std::int32_t launcher_process;
  std::atomic<std::uint32_t> stop_requested;
  std::atomic<std::uint32_t> cause_state;
  std::int32_t culprit_rank;
  std::uint32_t text_bytes;
  std::atomic<std::uint32_t> save_requested;
  std::int64_t cause_wall_ns;
  std::array<std::byte, 40> room;
  std::array<char, kCauseBytes> text;
};

static_assert(std::endian::native == std::endian::little);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

std::size_t ProgressBoard::bytes_of(const BoardInfo& info) {
  static_assert(sizeof(Header) == 1152 && sizeof(Header) % alignof(ProgressSlot) == 0);
  static_assert(sizeof(Line) == alignof(ProgressSlot));
  return sizeof(Header) + sizeof(ProgressSlot) * static_cast<std::size_t>(info.mesh.ranks() + 1) +
         sizeof(std::int32_t) * info.stage_of_chunk.size();
}

ProgressBoard::ProgressBoard(const BoardInfo& info) : size_(bytes_of(info)), info_(info) {
  memory_ = std::make_unique<Line[]>((size_ + sizeof(Line) - 1) / sizeof(Line));
  data_ = memory_[0].bytes;
  write_info();
}

ProgressBoard::ProgressBoard(MappedFile file) : file_(std::move(file)) {
  data_ = file_->bytes().data();
  size_ = file_->bytes().size();
}

ProgressBoard ProgressBoard::create(const BoardInfo& info, const std::filesystem::path& path) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  ProgressBoard board(MappedFile::create(temporary, static_cast<std::int64_t>(bytes_of(info))));
  board.info_ = info;
  board.write_info();
  PosixFileSystem files;
  files.open(temporary)->sync();
  publish_file(files, temporary, path);
  return board;
}

ProgressBoard ProgressBoard::open(const std::filesystem::path& path, MappedFile::Access access) {
  ProgressBoard board(MappedFile(path, access));
  board.writable_ = access == MappedFile::Access::write;
  board.read_info(path);
  return board;
}

void ProgressBoard::write_info() {
  auto* header = new (data_) Header();
  header->magic = kMagic;
  header->version = kVersion;
  header->ranks = ranks();
  header->pipeline = info_.mesh.pipeline;
  header->tensor = info_.mesh.tensor;
  header->data = info_.mesh.data;
  header->chunks = static_cast<std::int32_t>(info_.stage_of_chunk.size());
  header->created_wall_ns = wall_clock_ns();
  header->created_steady_ns = now_ns();
  header->watchdog_seconds = info_.watchdog_seconds;
  header->launcher_process = info_.launcher_process;
  for (int index = 0; index <= ranks(); ++index) {
    new (&row(index)) ProgressSlot();
  }
  std::copy(info_.stage_of_chunk.begin(), info_.stage_of_chunk.end(), chunk_table());
}

void ProgressBoard::read_info(const std::filesystem::path& path) {
  const std::string where = path.string();
  require(size_ >= sizeof(Header), where,
          "is not a progress board: it has {} bytes, and the header alone has {}", size_,
          sizeof(Header));
  const Header& h = header();
  require(h.magic == kMagic, where, "is not a progress board: it does not begin with STGBOARD");
  require(h.version == kVersion, where,
          "is a progress board of version {}, but this program reads version {}", h.version,
          kVersion);
  constexpr std::int32_t kMax = 1 << 20;  // so that no product below overflows
  for (const std::int32_t size : {h.pipeline, h.tensor, h.data, h.ranks, h.chunks}) {
    require(size >= 1 && size <= kMax, where, "holds a mesh size of {}", size);
  }
  require(std::int64_t{h.pipeline} * h.tensor <= kMax &&
              std::int64_t{h.pipeline} * h.tensor * h.data == h.ranks,
          where, "holds {} ranks for a mesh of {} x {} x {}", h.ranks, h.pipeline, h.tensor,
          h.data);
  info_.mesh = {h.pipeline, h.tensor, h.data};
  info_.watchdog_seconds = h.watchdog_seconds;
  info_.launcher_process = h.launcher_process;
  info_.stage_of_chunk.resize(static_cast<std::size_t>(h.chunks));
  require(size_ == bytes_of(info_), where, "has {} bytes, but {} ranks and {} chunks need {}",
          size_, h.ranks, h.chunks, bytes_of(info_));
  std::copy_n(chunk_table(), h.chunks, info_.stage_of_chunk.begin());
  for (std::size_t chunk = 0; chunk < info_.stage_of_chunk.size(); ++chunk) {
    const int stage = info_.stage_of_chunk[chunk];
    require(stage >= 0 && stage < h.pipeline, where, "gives chunk {} to stage {}", chunk, stage);
  }
}

ProgressBoard::Header& ProgressBoard::header() const { return *reinterpret_cast<Header*>(data_); }

ProgressSlot& ProgressBoard::row(int index) const {
  return reinterpret_cast<ProgressSlot*>(data_ + sizeof(Header))[index];
}

std::int32_t* ProgressBoard::chunk_table() const {
  return reinterpret_cast<std::int32_t*>(&row(ranks() + 1));
}

std::int64_t ProgressBoard::created_wall_ns() const { return header().created_wall_ns; }
std::int64_t ProgressBoard::created_steady_ns() const { return header().created_steady_ns; }

ProgressSlot& ProgressBoard::slot(int rank) {
  require(writable_, "ProgressBoard::slot", "the board was opened read-only");
  return const_cast<ProgressSlot&>(std::as_const(*this).slot(rank));
}

const ProgressSlot& ProgressBoard::slot(int rank) const {
  require(rank >= 0 && rank < ranks(), "ProgressBoard", "there is no rank {} among {}", rank,
          ranks());
  return row(rank);
}

ProgressSlot& ProgressBoard::driver() {
  require(writable_, "ProgressBoard::driver", "the board was opened read-only");
  return row(ranks());
}

bool ProgressBoard::name_cause(int culprit_rank, std::string_view text) {
  require(writable_, "ProgressBoard::name_cause", "the board was opened read-only");
  Header& h = header();
  std::uint32_t state = none;
  if (!h.cause_state.compare_exchange_strong(state, being_written)) {
    return false;
  }
  const std::string_view kept = cut(text, kCauseBytes);
  h.culprit_rank = culprit_rank;
  h.cause_wall_ns = wall_clock_ns();
  h.text_bytes = static_cast<std::uint32_t>(kept.size());
  std::copy(kept.begin(), kept.end(), h.text.begin());
  h.cause_state.store(written, std::memory_order_release);
  return true;
}

std::optional<Cause> ProgressBoard::cause() const {
  const Header& h = header();
  if (h.cause_state.load(std::memory_order_acquire) != written) {
    return {};
  }
  const std::size_t bytes = std::min<std::size_t>(h.text_bytes, kCauseBytes);
  return Cause{h.culprit_rank, std::string(h.text.data(), bytes), h.cause_wall_ns};
}

void ProgressBoard::request_stop() { header().stop_requested.store(1); }

bool ProgressBoard::stop_requested() const { return header().stop_requested.load() != 0; }

void ProgressBoard::request_save() { header().save_requested.store(1); }

bool ProgressBoard::take_save_request() { return header().save_requested.exchange(0) != 0; }

bool ProgressBoard::failed() const {
  return header().cause_state.load(std::memory_order_acquire) != none;
}

std::string rank_text(const MeshShape& mesh, int rank) {
  return fmt::format("stage {}, rank {}", coordinate_of(mesh, rank).pipeline, rank);
}

std::string location_text(const ProgressBoard& board, int rank) {
  const ProgressSlot::View view = board.slot(rank).view();
  const bool heard = view.heartbeat_ns != 0 && board.slot(rank).host() != host_name();
  const std::string age =
      heard ? fmt::format(" ({:.1f} s before)",
                          static_cast<double>(now_ns() - view.heartbeat_ns) * 1e-9)
            : "";
  return fmt::format("{}, {}{}", rank_text(board.info().mesh, rank), location_text(view), age);
}

}  // namespace stagecraft

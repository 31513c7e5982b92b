#include "launch/artifacts/run_claim.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file_system.h"
#include "stages/board/progress_slot.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kUnpublished = ".claim-";

struct flock whole_file() {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

/// False if another open file has the lock. On a file system without locks it is true: there the
/// record alone tells.
bool lock(int file) {
  struct flock range = whole_file();
  return ::fcntl(file, F_OFD_SETLK, &range) == 0 || (errno != EAGAIN && errno != EACCES);
}

bool is_locked(int file) {
  struct flock range = whole_file();
  return ::fcntl(file, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

bool is_file_at(int file, const fs::path& path) {
  struct stat open {};
  struct stat named {};
  return ::fstat(file, &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

std::optional<timespec> change_of(int file) {
  struct stat state {};
  return file >= 0 && ::fstat(file, &state) == 0 ? std::optional(state.st_mtim) : std::nullopt;
}

/// What the clock of the folder's file system says: the time of a file that was just made.
std::optional<timespec> file_system_time(const fs::path& folder) {
  const fs::path probe = folder / fmt::format("{}time-{}", kUnpublished, new_token());
  const int file =
      ::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  const std::optional<timespec> time = change_of(file);
  if (file >= 0) {
    ::close(file);
    ::unlink(probe.c_str());
  }
  return time;
}

/// The file of a claim that is there already.
class EarlierClaim {
 public:
  explicit EarlierClaim(const fs::path& folder)
      : folder_(folder),
        file_(retried(
            [&] { return ::open(claim_file(folder).c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK); })),
        gone_(file_ < 0 && errno == ENOENT) {}
  ~EarlierClaim() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }
  EarlierClaim(const EarlierClaim&) = delete;
  EarlierClaim& operator=(const EarlierClaim&) = delete;

  bool is_gone() const { return gone_; }
  /// What is not known to hold no more holds.
  bool holds() const {
    const ClaimRecord record = read_claim(folder_);
    if (file_ < 0 || is_locked(file_) || record.host.empty()) {
      return true;
    }
    return record.host == host_name() ? process_lives(record) : !is_abandoned();
  }
  /// Whether this object has the lock of a claim that has its name still. Then nobody else takes
  /// its place.
  bool is_mine() const { return lock(file_) && is_file_at(file_, claim_file(folder_)); }

 private:
  bool is_abandoned() const {
    const std::optional<timespec> now = file_system_time(folder_);
    const std::optional<timespec> touched = change_of(file_);
    return now && touched && now->tv_sec - touched->tv_sec > kClaimPatience.count();
  }

  fs::path folder_;
  int file_;
  bool gone_;
};

}  // namespace

std::string claim_holder(const fs::path& folder) {
  const EarlierClaim claim(folder);
  if (claim.is_gone() || !claim.holds()) {
    return "";
  }
  const ClaimRecord record = read_claim(folder);
  if (record.host.empty()) {
    return fmt::format("an unknown run (if it has ended, remove {})", claim_file(folder).string());
  }
  const std::string elsewhere =
      fmt::format("; {} s after it has ended, nobody holds the folder", kClaimPatience.count());
  return fmt::format("the run {} (process {} on {}{})", record.run, record.process, record.host,
                     record.host == host_name() ? "" : elsewhere);
}

bool is_claim_file(const fs::path& name) {
  return name == claim_file({}) || name.string().starts_with(kUnpublished);
}

std::unique_ptr<RunClaim> RunClaim::take(const fs::path& folder, const ClaimRecord& record,
                                         std::chrono::milliseconds touch_every) {
  std::unique_ptr<RunClaim> claim(new RunClaim(folder, record));
  if (!claim->publish()) {
    return nullptr;
  }
  claim->begin_touching(touch_every);
  return claim;
}

std::unique_ptr<RunClaim> RunClaim::replace(const fs::path& folder, const ClaimRecord& record) {
  std::unique_ptr<RunClaim> claim(new RunClaim(folder, record));
  claim->publish_over();
  claim->begin_touching(kTouchEvery);
  return claim;
}

RunClaim::RunClaim(const fs::path& folder, const ClaimRecord& record)
    : token_(record.token),
      path_(claim_file(folder)),
      temporary_(folder / fmt::format("{}{}", kUnpublished, token_)),
      file_(temporary_, O_RDWR | O_CREAT | O_EXCL) {
  lock(file_.get());
  const std::string text = to_string(record);
  const std::size_t written = file_.write_some(0, std::as_bytes(std::span(text)));
  require(written == text.size(), path_.string(), "only a part of it could be written");
}

RunClaim::~RunClaim() { ::unlink(temporary_.c_str()); }

void RunClaim::remove() noexcept {
  if (is_file_at(file_.get(), path_)) {
    ::unlink(path_.c_str());
  }
}

bool RunClaim::is_replaced() const {
  std::error_code unknown;
  return fs::exists(path_, unknown) && !is_file_at(file_.get(), path_);
}

void RunClaim::begin_touching(std::chrono::milliseconds every) {
  touching_ = std::jthread([this, every](const std::stop_token& end) { keep_touched(end, every); });
}

/// The file system sets the time, by its own clock.
void RunClaim::keep_touched(const std::stop_token& end, std::chrono::milliseconds every) {
  std::mutex mutex;
  std::condition_variable_any ending;
  std::unique_lock lock(mutex);
  while (!ending.wait_for(lock, end, every, [&] { return end.stop_requested(); })) {
    ::futimens(file_.get(), nullptr);
    replaced_ = is_replaced();
  }
}

/// The file is locked and complete before it gets its name. False if another claim holds.
bool RunClaim::publish() {
  while (!publish_new()) {
    const EarlierClaim earlier(path_.parent_path());
    if (earlier.is_gone()) {
      continue;
    }
    if (earlier.holds()) {
      return false;
    }
    if (earlier.is_mine()) {
      publish_over();
      return true;
    }
  }
  return true;
}

/// False if the name is taken.
bool RunClaim::publish_new() {
  // A file system without hard links may know this kind of rename.
  const bool done = ::link(temporary_.c_str(), path_.c_str()) == 0 ||
                    (errno != EEXIST && ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD,
                                                    path_.c_str(), RENAME_NOREPLACE) == 0);
  if (!done && errno != EEXIST) {
    throw_file_error(path_, "cannot claim the folder", errno);
  }
  if (done) {
    ::unlink(temporary_.c_str());
  }
  return done;
}

void RunClaim::publish_over() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw_file_error(path_, "cannot claim the folder", errno);
  }
}

}  // namespace stagecraft

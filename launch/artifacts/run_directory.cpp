#include "launch/artifacts/run_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/artifacts/output.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

/// What a run makes in its folder.
constexpr const char* kOwnNames[] = {"config.toml",
                                     "metrics.jsonl",
                                     "result.json",
                                     "progress",
                                     "logs",
                                     "traces",
                                     "trace.json",
                                     "model",
                                     "trace_summary.json",
                                     "checkpoints",
                                     "state_hashes.jsonl"};

constexpr const char kTakenOver[] =
    "another run has taken over this directory: this process had not touched its claim for a "
    "minute";

fs::path numbered(const fs::path& parent, const std::string& name, int number) {
  return parent / (number == 1 ? name : fmt::format("{}-{}", name, number));
}

ConfigError refusal(const fs::path& path, std::string_view text) {
  return {"run.directory", fmt::format("run.directory {} {}choose another with --set "
                                       "run.directory=PATH",
                                       path.string(), text)};
}

/// Calls `work`. Whatever fails in it is a ConfigError.
template <typename Work>
auto with_refusal(const fs::path& path, const Work& work) {
  try {
    return work();
  } catch (const ConfigError&) {
    throw;
  } catch (const std::exception& error) {
    throw refusal(path, fmt::format("cannot be written: {}; ", error.what()));
  }
}

ConfigError held(const fs::path& path) {
  return refusal(path,
                 fmt::format("is held by {}; wait until it has ended, or ", claim_holder(path)));
}

bool holds_nothing(const fs::path& path) {
  return fs::is_directory(path) &&
         std::all_of(fs::directory_iterator(path), fs::directory_iterator(),
                     [](const auto& entry) { return is_claim_file(entry.path().filename()); });
}

ConfigError not_empty(const fs::path& path) {
  return claim_holder(path).empty() ? refusal(path, "is not an empty folder; empty it, or ")
                                    : held(path);
}

/// Without a slash at the end, so that each parent_path() is another folder.
fs::path whole_path(const fs::path& path) {
  const fs::path whole = fs::absolute(path);
  return whole.has_filename() ? whole : whole.parent_path();
}

/// Makes a folder and those above it that are missing, and adds them to `made`. False if something
/// of the name is there. Other runs may make and remove the folders above meanwhile.
bool make_folder(const fs::path& folder, std::vector<fs::path>& made) {
  constexpr int kMaxAttempts = 100;
  std::error_code failed;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    if (fs::create_directory(folder, failed)) {
      made.push_back(folder);
      return true;
    }
    if (failed != std::errc::no_such_file_or_directory) {
      break;
    }
    make_folder(folder.parent_path(), made);
  }
  if (failed && failed != std::errc::file_exists) {
    throw fs::filesystem_error("cannot make the folder", folder, failed);
  }
  return false;
}

}  // namespace

fs::path free_run_directory(const fs::path& parent, const std::string& name) {
  return numbered(parent, name, static_cast<int>(run_directories(parent, name).size()) + 1);
}

std::vector<fs::path> run_directories(const fs::path& parent, const std::string& name) {
  std::vector<fs::path> found;
  fs::path next = numbered(parent, name, 1);
  while (fs::exists(fs::symlink_status(next))) {
    found.push_back(next);
    next = numbered(parent, name, static_cast<int>(found.size()) + 1);
  }
  return found;
}

void check_is_unheld(const fs::path& folder) {
  if (!folder.empty() && !claim_holder(folder).empty()) {
    throw held(folder);
  }
}

fs::path config_file(const fs::path& run) { return run / "config.toml"; }

fs::path model_folder(const fs::path& run) { return run / "model"; }

fs::path metrics_file(const fs::path& run) { return run / "metrics.jsonl"; }

fs::path state_hashes_file(const fs::path& run) { return run / "state_hashes.jsonl"; }

fs::path restarts_file(const fs::path& run) { return run / "restarts.jsonl"; }

fs::path result_file(const fs::path& run) { return run / "result.json"; }

fs::path traces_folder(const fs::path& run) { return run / "traces"; }

fs::path trace_summary_file(const fs::path& run) { return run / "trace_summary.json"; }

fs::path checkpoints_folder(const fs::path& run) { return run / "checkpoints"; }

fs::path progress_board_file(const fs::path& run) { return run / "progress"; }

fs::path earlier_folder(const fs::path& run, int number) {
  return run / "earlier" / fmt::format("{}", number);
}

RunDirectory::RunDirectory(fs::path path, const RunHolder& holder) : RunDirectory() {
  path_ = std::move(path);
  with_refusal(path_, [&] {
    if (!make_folder(whole_path(path_), made_) && !holds_nothing(path_)) {
      throw not_empty(path_);
    }
    if (!claim(holder)) {
      throw held(path_);
    }
    if (!holds_nothing(path_)) {  // another run had it before the claim
      release();
      throw not_empty(path_);
    }
  });
}

RunDirectory RunDirectory::reopened(fs::path path, const RunHolder& holder) {
  RunDirectory directory;
  directory.path_ = std::move(path);
  with_refusal(directory.path_, [&] {
    if (!directory.claim(holder)) {
      throw held(directory.path_);
    }
  });
  directory.keep();
  return directory;
}

RunDirectory RunDirectory::first_free(const fs::path& parent, const std::string& name,
                                      const RunHolder& holder) {
  for (int number = 1;; ++number) {
    RunDirectory directory;
    directory.path_ = numbered(parent, name, number);
    if (with_refusal(directory.path_, [&] {
          return make_folder(whole_path(directory.path_), directory.made_) &&
                 directory.claim(holder);
        })) {
      return directory;
    }
  }
}

RunDirectory RunDirectory::taken_over(fs::path path, std::string_view token,
                                      const RunHolder& holder) {
  const ClaimRecord earlier = read_claim(path);
  if (earlier.token != token) {
    throw refusal(path, "is no longer held for this run; start it again, or ");
  }
  RunDirectory directory;
  directory.path_ = std::move(path);
  fs::path folder = whole_path(directory.path_);
  for (int i = 0; i < earlier.folders; ++i, folder = folder.parent_path()) {
    directory.made_.insert(directory.made_.begin(), folder);
  }
  with_refusal(directory.path_, [&] {
    directory.claim_ = RunClaim::replace(directory.path_, directory.record_of(holder));
  });
  directory.kept_ = fs::exists(config_file(directory.path_));
  return directory;
}

RunDirectory::~RunDirectory() {
  if (kept_) {
    release();
  } else {
    take_back();
  }
}

void RunDirectory::write_config(std::string_view resolved_config) {
  with_refusal(path_, [&] { write_file(config_file(path_), resolved_config); });
}

void RunDirectory::check_held() const {
  require(!claim_ || !claim_->is_replaced(), path_.string(), kTakenOver);
}

void RunDirectory::check_was_held() const {
  require(!claim_ || !claim_->was_replaced(), path_.string(), kTakenOver);
}

void RunDirectory::release() noexcept {
  if (claim_) {
    claim_->remove();
    claim_.reset();
  }
}

void RunDirectory::hand_on() noexcept {
  claim_.reset();
  made_.clear();
}

ClaimRecord RunDirectory::record_of(const RunHolder& holder) const {
  return claim_record(holder.run, holder.process == 0 ? ::getpid() : holder.process,
                      static_cast<int>(made_.size()));
}

bool RunDirectory::claim(const RunHolder& holder) {
  claim_ = RunClaim::take(path_, record_of(holder));
  return claim_ != nullptr;
}

/// Removes what a run makes, if this one has the folder, and those of the folders that this run
/// made and nobody else has put anything into.
void RunDirectory::take_back() noexcept {
  std::error_code ignored;
  if (claim_) {
    for (const char* name : kOwnNames) {
      fs::remove_all(path_ / name, ignored);
    }
  }
  release();
  std::reverse(made_.begin(), made_.end());
  for (const fs::path& folder : made_) {
    ::rmdir(folder.c_str());
  }
}

void check_trace_file(const std::string& file) {
  const std::string fault = file.empty() ? "" : output_fault(file);
  if (!fault.empty()) {
    throw ConfigError("trace.file", fmt::format("trace.file {} cannot be written: {}; choose "
                                                "another, or \"\" for no trace",
                                                file, fault));
  }
}

}  // namespace stagecraft

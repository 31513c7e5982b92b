#include "models/checkpoint/checkpoint_folder.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <optional>
#include <set>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "models/checkpoint/manifest_checks.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStep = "step-";
constexpr const char* kLatest = "latest";
constexpr const char* kUnfinished = ".unfinished";
constexpr const char* kRemoved = ".removed";
constexpr std::int64_t kLongestManifest = std::int64_t{1} << 30;  // bytes

fs::path with_ending(const fs::path& folder, const char* ending) {
  return folder.string() + ending;
}

/// The N of "step-N" as checkpoint_folder() writes it.
std::optional<std::int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kStep)) {
    return {};
  }
  const std::string_view digits = name.substr(kStep.size());
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), step);
  const bool whole = error == std::errc() && end == digits.end() && step > 0;
  return whole && std::to_string(step) == digits ? std::optional(step) : std::nullopt;
}

/// Removes a folder of files, and what is in it. Nothing happens if there is none.
void remove_folder(FileSystem& files, const fs::path& folder) {
  if (!files.exists(folder)) {
    return;
  }
  for (const std::string& name : files.list(folder)) {
    files.remove(folder / name);
  }
  files.remove_directory(folder);
}

/// Calls `work`. The error that led here says more than what fails in it.
template <typename Work>
void quietly(const Work& work) noexcept {
  try {
    work();
  } catch (const std::exception&) {
    return;
  }
}

/// Takes a checkpoint's name away, its final one or another of its step's. Returns the folder that
/// is to be removed once the name is gone on the disk too.
fs::path take_name(FileSystem& files, const fs::path& folder, const fs::path& named) {
  fs::path removed = with_ending(folder, kRemoved);
  remove_folder(files, removed);
  files.rename(named, removed);
  return removed;
}

void remove_checkpoints(FileSystem& files, const fs::path& directory,
                        const std::vector<std::int64_t>& steps) {
  std::vector<fs::path> removed;
  for (const std::int64_t step : steps) {
    const fs::path folder = checkpoint_folder(directory, step);
    removed.push_back(take_name(files, folder, folder));
  }
  if (!removed.empty()) {
    files.sync_directory(directory);
  }
  for (const fs::path& folder : removed) {
    remove_folder(files, folder);
  }
}

/// A checkpoint is whole without it.
void write_latest(FileSystem& files, const fs::path& directory) noexcept {
  try {
    const std::vector<std::int64_t> steps = checkpoint_steps(files, directory);
    if (steps.empty()) {
      files.remove(directory / kLatest);
    } else {
      write_file(files, directory / kLatest, fmt::format("{}{}\n", kStep, steps.back()));
    }
  } catch (const std::exception&) {
    remove_quietly(files, directory / kLatest);
  }
}

/// Where names cannot be exchanged: neither checkpoint has the final name between two renames.
fs::path replace_by_renames(FileSystem& files, const fs::path& unfinished, const fs::path& folder) {
  fs::path earlier = take_name(files, folder, folder);
  try {
    files.rename(unfinished, folder);
  } catch (...) {
    quietly([&] { files.rename(earlier, folder); });
    throw;
  }
  return earlier;
}

/// Gives the folder its final name. Returns an earlier checkpoint that had it, which is to be
/// removed; after a failure it has the name again, as far as that is possible.
std::optional<fs::path> take_place(FileSystem& files, const fs::path& unfinished,
                                   const fs::path& folder) {
  if (!files.exists(folder)) {
    files.rename(unfinished, folder);
    return {};
  }
  if (!files.exchange(unfinished, folder)) {
    return replace_by_renames(files, unfinished, folder);
  }
  try {
    return take_name(files, folder, unfinished);
  } catch (...) {
    quietly([&] { files.exchange(unfinished, folder); });
    throw;
  }
}

/// Throws unless the folder, if its name is that of a step, holds this step.
void check_step(const fs::path& folder, std::int64_t step) {
  const std::optional<std::int64_t> named = step_of(folder.filename().string());
  require(!named || *named == step, folder.string(), "holds the checkpoint of step {}", step);
}

}  // namespace

fs::path checkpoint_folder(const fs::path& directory, std::int64_t step) {
  return directory / fmt::format("{}{}", kStep, step);
}

std::vector<std::int64_t> checkpoint_steps(FileSystem& files, const fs::path& directory) {
  std::vector<std::int64_t> steps;
  if (files.exists(directory)) {
    for (const std::string& name : files.list(directory)) {
      if (const std::optional<std::int64_t> step = step_of(name)) {
        steps.push_back(*step);
      }
    }
  }
  std::ranges::sort(steps);
  return steps;
}

std::int64_t newest_checkpoint(
    FileSystem& files, const fs::path& directory,
    const std::function<void(std::int64_t step, const std::string& why)>& damaged) {
  std::vector<std::int64_t> steps = checkpoint_steps(files, directory);
  for (; !steps.empty(); steps.pop_back()) {
    try {
      read_manifest(files, checkpoint_folder(directory, steps.back()));
      return steps.back();
    } catch (const Error& error) {
      if (damaged) {
        damaged(steps.back(), error.what());
      }
    }
  }
  return 0;
}

CheckpointManifest read_manifest(FileSystem& files, const fs::path& folder) {
  const fs::path path = folder / kManifestName;
  const std::int64_t bytes = files.size(path);
  require(bytes <= kLongestManifest, path.string(), "has {} bytes; a manifest has at most {}",
          bytes, kLongestManifest);
  CheckpointManifest manifest = parse_manifest(path.string(), files.read(path));
  check_step(folder, manifest.step);
  for (const CheckpointFile& file : manifest.files) {
    const std::int64_t found = files.size(folder / file.name);
    require(found == file.bytes, (folder / file.name).string(),
            "the file has {} bytes, but the checkpoint needs {}", found, file.bytes);
  }
  return manifest;
}

fs::path unfinished_checkpoint(const fs::path& directory, std::int64_t step) {
  return with_ending(checkpoint_folder(directory, step), kUnfinished);
}

fs::path begin_checkpoint(FileSystem& files, const fs::path& directory, std::int64_t step) {
  fs::path unfinished = unfinished_checkpoint(directory, step);
  make_directories(files, unfinished);
  return unfinished;
}

void commit_checkpoint(FileSystem& files, const fs::path& unfinished,
                       const CheckpointManifest& manifest) {
  fill_file(files, unfinished / kManifestName, manifest_json(manifest));
  files.sync_directory(unfinished);
  const fs::path directory = unfinished.parent_path();
  const std::optional<fs::path> earlier =
      take_place(files, unfinished, checkpoint_folder(directory, manifest.step));
  files.sync_directory(directory);
  write_latest(files, directory);
  if (earlier) {
    remove_folder(files, *earlier);
  }
}

void discard_checkpoint(FileSystem& files, const fs::path& unfinished) noexcept {
  quietly([&] { remove_folder(files, unfinished); });
}

void discard_unfinished(FileSystem& files, const fs::path& directory) {
  if (!files.exists(directory)) {
    return;
  }
  std::vector<std::string> names = files.list(directory);
  std::erase_if(names, [](const std::string& name) {
    const fs::path ending = fs::path(name).extension();
    return !name.starts_with(kStep) || (ending != kUnfinished && ending != kRemoved);
  });
  if (!names.empty()) {
    files.sync_directory(directory);  // a final name may have been taken from one of them just now
  }
  for (const std::string& name : names) {
    remove_folder(files, directory / name);
  }
}

void prune_checkpoints(FileSystem& files, const fs::path& directory,
                       const CheckpointConfig& config) {
  std::vector<std::int64_t> steps = checkpoint_steps(files, directory);
  steps.resize(steps.size() - std::min(steps.size(), static_cast<std::size_t>(
                                                         std::max<std::int64_t>(1, config.keep))));
  std::erase_if(steps, [&](std::int64_t step) {
    return config.keep_every > 0 && step % config.keep_every == 0;
  });
  remove_checkpoints(files, directory, steps);
}

void discard_checkpoints_after(FileSystem& files, const fs::path& directory, std::int64_t step) {
  std::vector<std::int64_t> steps = checkpoint_steps(files, directory);
  std::erase_if(steps, [&](std::int64_t each) { return each <= step; });
  if (!steps.empty()) {
    remove_checkpoints(files, directory, steps);
    write_latest(files, directory);
  }
}

}  // namespace stagecraft

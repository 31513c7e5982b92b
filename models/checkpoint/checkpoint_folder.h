// A directory of checkpoints. Each is a folder that is whole or absent:
//   step-400/                  manifest.json, rank-0.safetensors, ...
//   step-600.unfinished/       being written; never read, removed by the next run
//   step-200.removed/          has lost its name and is being removed; never read
//   latest                     "step-400": a hint for people and scripts
// The rename of the folder to its final name is the commit. Errors are Error "[PATH] ...".
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kernels/base/file_system.h"
#include "models/checkpoint/checkpoint_config.h"
#include "models/checkpoint/checkpoint_manifest.h"

namespace stagecraft {

/// DIRECTORY/step-N.
std::filesystem::path checkpoint_folder(const std::filesystem::path& directory, std::int64_t step);

/// DIRECTORY/step-N.unfinished: where ranks write their files before the commit.
std::filesystem::path unfinished_checkpoint(const std::filesystem::path& directory,
                                            std::int64_t step);

/// The steps of all folders with a final name, ascending. Reads the directory alone. None if there
/// is no directory.
std::vector<std::int64_t> checkpoint_steps(FileSystem& files,
                                           const std::filesystem::path& directory);

/// The step of the newest checkpoint whose manifest is whole and whose files have their sizes; 0 if
/// there is none. Reads at most as many manifests as there are damaged ones, and one more.
/// `damaged` is told of every folder that is passed over, and why.
std::int64_t newest_checkpoint(
    FileSystem& files, const std::filesystem::path& directory,
    const std::function<void(std::int64_t step, const std::string& why)>& damaged = {});

/// Reads and checks FOLDER/manifest.json, and that its files have their sizes.
CheckpointManifest read_manifest(FileSystem& files, const std::filesystem::path& folder);

/// Makes the folder of an unfinished checkpoint, unless it is there, and returns it. Each rank
/// calls it before it writes its file.
std::filesystem::path begin_checkpoint(FileSystem& files, const std::filesystem::path& directory,
                                       std::int64_t step);

/// Writes the manifest, flushes folder and names, and gives the folder its final name, in place of
/// an earlier checkpoint of the step. When it returns, the checkpoint is on the disk. A failure
/// leaves the earlier one, or none; where only the last flush failed, the new one, whole, whose
/// name the power may still take away. `latest` is written if that is possible.
void commit_checkpoint(FileSystem& files, const std::filesystem::path& unfinished,
                       const CheckpointManifest& manifest);

/// Removes an unfinished checkpoint.
void discard_checkpoint(FileSystem& files, const std::filesystem::path& unfinished) noexcept;

/// Removes all unfinished and removed folders. Call it when this run alone holds the directory.
void discard_unfinished(FileSystem& files, const std::filesystem::path& directory);

/// Removes the checkpoints that the configuration does not keep. A removed one loses its final name
/// first, on the disk too, so that what stands under a final name is whole.
void prune_checkpoints(FileSystem& files, const std::filesystem::path& directory,
                       const CheckpointConfig& config);

/// Removes the checkpoints behind `step`: of a run that goes on from an earlier one.
void discard_checkpoints_after(FileSystem& files, const std::filesystem::path& directory,
                               std::int64_t step);

}  // namespace stagecraft

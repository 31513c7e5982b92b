// RUN/model/: model.safetensors and config.json in the format of the hub's GPT-2. Each actor writes
// its own slices into one temporary file of the final size. The driver renames the file when all
// actors are done.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/checkpoint/safetensors.h"
#include "models/families/model_spec.h"

namespace stagecraft {

/// Driver: creates `folder` and in it, under temporary names, config.json and the weights file with
/// its header and its final size. Returns the path of the weights file. Throws Error with the path.
std::filesystem::path begin_model_files(const ModelSpec& model,
                                        const std::filesystem::path& folder);

/// Actor: writes its part of these parameters, with the values after all work issued to `stream`.
/// `rank` of `ranks` is the coordinate on the tensor axis. Only rank 0 writes replicated
/// parameters.
void write_parameters(Stream& stream, const ModelSpec& model,
                      const std::filesystem::path& temporary,
                      const std::vector<Parameter>& parameters, int rank, int ranks);

/// Driver: removes the files of begin_model_files that finish_model_files has not renamed.
void discard_model_files(const std::filesystem::path& folder) noexcept;

/// Driver: flushes and renames both files, and replaces earlier ones. The folder then holds a
/// complete model.
void finish_model_files(const std::filesystem::path& temporary);

}  // namespace stagecraft

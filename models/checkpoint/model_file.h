// RUN/model/: model.safetensors and config.json in the format of the hub's GPT-2. Each actor writes
// its own slices into one temporary file of the final size; the driver renames it when all are
// done.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/checkpoint/safetensors.h"
#include "models/families/model_spec.h"

namespace stagecraft {

/// Driver: makes `folder` and, in it, config.json and the weights' file of its final size with its
/// header, both under temporary names. Returns the path of the latter. Throws Error naming the
/// path.
std::filesystem::path begin_model_files(const ModelSpec& model,
                                        const std::filesystem::path& folder);

/// Actor: writes its part of these parameters, as they are when the work issued to `stream` is
/// done. `rank` of `ranks` is the place on the tensor axis; replicated ones are written by rank 0
/// alone.
void write_parameters(Stream& stream, const ModelSpec& model,
                      const std::filesystem::path& temporary,
                      const std::vector<Parameter>& parameters, int rank, int ranks);

/// Driver: removes what begin_model_files made and finish_model_files has not published.
void discard_model_files(const std::filesystem::path& folder) noexcept;

/// Driver: flushes and renames both; the folder then holds a whole model. Earlier files are
/// replaced.
void finish_model_files(const std::filesystem::path& temporary);

}  // namespace stagecraft

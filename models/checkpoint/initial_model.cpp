#include "models/checkpoint/initial_model.h"

#include <fmt/format.h>

#include <string>

#include "kernels/base/error.h"
#include "kernels/base/posix_file_system.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/checkpoint/find_checkpoint.h"
#include "models/checkpoint/hub_model.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

/// A checkpoint with the file system that it is read through.
class CheckpointWeights : public StateReader {
 public:
  CheckpointWeights(const ModelSpec& model, const fs::path& folder) : reader_(files_, folder) {
    check_tensors(reader_.manifest(), model, folder);
    check_heads(model, folder);
  }
  void read(const StatePiece& piece, std::span<float> values) const override {
    require(piece.kind == StateKind::weight, "model.init_from", "{} is no weight",
            piece.parameter.name);
    reader_.read(piece, values);
  }

 private:
  /// No tensor's shape shows the number of heads.
  void check_heads(const ModelSpec& model, const fs::path& folder) const {
    const auto& settings = reader_.manifest().settings;
    const auto heads = settings.find("model.heads");
    const std::string needed = std::to_string(model.config.heads);
    if (heads != settings.end()) {
      require(heads->second == needed, (folder / "manifest.json").string(),
              "model.heads is {}, but the model needs {}", heads->second, needed);
    }
  }

  PosixFileSystem files_;
  CheckpointReader reader_;
};

std::unique_ptr<StateReader> open(const ModelSpec& model, const fs::path& path,
                                  const std::function<void()>& on_progress) {
  PosixFileSystem files;
  if (is_checkpoint(files, path) || files.exists(path / "checkpoints") ||
      files.exists(path / "latest")) {
    return std::make_unique<CheckpointWeights>(model, find_checkpoint(files, path));
  }
  return std::make_unique<HubModel>(model, path, on_progress);
}

}  // namespace

InitialModel::InitialModel(const ModelSpec& model, const fs::path& path,
                           const std::function<void()>& on_progress) {
  constexpr const char* kKey = "model.init_from";
  try {
    reader_ = open(model, path, on_progress);
  } catch (const Error& error) {
    throw ConfigError(kKey, error.what());
  } catch (const fs::filesystem_error& error) {
    throw ConfigError(kKey, fmt::format("[{}] {}", error.path1().string(), error.code().message()));
  }
}

void InitialModel::read(const StatePiece& piece, std::span<float> values) const {
  reader_->read(piece, values);
}

}  // namespace stagecraft

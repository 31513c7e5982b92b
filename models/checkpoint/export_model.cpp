#include "models/checkpoint/export_model.h"

#include <vector>

namespace stagecraft {

void export_model(FileSystem& files, const CheckpointSource& source, const ModelSpec& model,
                  const std::filesystem::path& folder, const BlockWriteOptions& options) {
  const std::filesystem::path weights = begin_model_files(files, model, folder);
  try {
    ModelFileWriter writer(files, model, weights, options);
    for (const ParameterSpec& parameter : model.parameters()) {
      const StatePiece piece{parameter, StateKind::weight, whole_box(parameter.shape)};
      std::vector<float> values(static_cast<std::size_t>(elements_of(parameter.shape)));
      source.read(piece, values);
      writer.write(piece, values);
    }
    writer.sync();
    finish_model_files(files, weights);
  } catch (...) {
    discard_model_files(files, folder);
    throw;
  }
}

}  // namespace stagecraft

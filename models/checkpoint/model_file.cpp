#include "models/checkpoint/model_file.h"

#include <exception>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "models/checkpoint/hub_config.h"
#include "models/checkpoint/weight_values.h"
#include "models/parameters/box_values.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kConfig = "config.json";

/// The name of a file until it is complete.
fs::path unfinished(const fs::path& folder, const char* name) {
  return folder / (std::string(name) + ".unfinished");
}

SafetensorsHeader header_of(const ModelSpec& model) {
  std::vector<NamedShape> tensors;
  for (const ParameterSpec& parameter : model.parameters()) {
    for (const WeightTensor& tensor : weight_tensors(model.weight_names, parameter)) {
      tensors.push_back({tensor.name, tensor.shape});
    }
  }
  return make_safetensors_header(tensors);
}

void begin_weights(FileSystem& files, const fs::path& path, const SafetensorsHeader& header) {
  FileWriter file(path, files.create(path, header.layout.file_bytes));
  file.write(0, std::as_bytes(std::span(header.bytes)));
  file.sync();
}

/// Gives the folder its earlier config.json back, as far as that is possible.
void restore_config(FileSystem& files, const fs::path& config,
                    const std::optional<std::string>& earlier) noexcept {
  try {
    earlier ? write_file(files, config, *earlier) : files.remove(config);
  } catch (const std::exception&) {
    return;  // the error that led here says more
  }
}

/// Renames both files, or none. The weights come last: with them the folder holds this model.
void rename_files(FileSystem& files, const fs::path& folder) {
  const fs::path config = folder / kConfig;
  std::optional<std::string> earlier;
  if (files.exists(config)) {
    earlier = files.read(config);
  }
  files.rename(unfinished(folder, kConfig), config);
  try {
    files.rename(unfinished(folder, kWeights), folder / kWeights);
  } catch (...) {
    restore_config(files, config, earlier);
    throw;
  }
}

}  // namespace

fs::path begin_model_files(FileSystem& files, const ModelSpec& model, const fs::path& folder) {
  make_directories(files, folder);
  try {
    fill_file(files, unfinished(folder, kConfig), hub_config_json(model.config));
    begin_weights(files, unfinished(folder, kWeights), header_of(model));
  } catch (...) {
    discard_model_files(files, folder);
    throw;
  }
  return unfinished(folder, kWeights);
}

ModelFileWriter::ModelFileWriter(FileSystem& files, const ModelSpec& model, fs::path temporary,
                                 BlockWriteOptions options)
    : files_(files),
      temporary_(std::move(temporary)),
      options_(std::move(options)),
      layout_(header_of(model).layout),
      names_(model.weight_names) {}

BlockWriter& ModelFileWriter::file() {
  if (!file_) {
    const std::int64_t bytes = files_.size(temporary_);
    require(bytes == layout_.file_bytes, temporary_.string(),
            "the file has {} bytes, but the model needs {}", bytes, layout_.file_bytes);
    file_.emplace(FileWriter(temporary_, files_.open(temporary_)), options_);
  }
  return *file_;
}

void ModelFileWriter::write(const StatePiece& piece, std::span<const float> values) {
  for (const WeightTensor& tensor : weight_tensors(names_, piece.parameter)) {
    const auto entry = layout_.entries.find(tensor.name);
    require(entry != layout_.entries.end() && piece.kind == StateKind::weight, temporary_.string(),
            "{} is not a weight of the model", piece.parameter.name);
    if (const auto part = shared_part(tensor, piece.box)) {
      write_part(*part, entry->second.begin, values);
    }
  }
}

void ModelFileWriter::write_part(const WeightPart& part, std::int64_t tensor_begin,
                                 std::span<const float> values) {
  if (!part.transposed && part.in_box == whole_box(part.box)) {
    write_runs(part, tensor_begin, values);
    return;
  }
  const HostValues ordered(elements_of(part.in_box.shape()));
  gather_weight_part(part, values, ordered.all());
  write_runs(part, tensor_begin, ordered.all());
}

void ModelFileWriter::write_runs(const WeightPart& part, std::int64_t tensor_begin,
                                 std::span<const float> values) {
  std::span<const std::byte> bytes = std::as_bytes(values);
  for (const ElementRun& run : runs_of(part.in_file, part.file)) {
    const auto count = static_cast<std::size_t>(run.count * size_of(DType::float32));
    file().write(tensor_begin + run.begin * size_of(DType::float32), bytes.first(count));
    bytes = bytes.subspan(count);
  }
}

void ModelFileWriter::sync() {
  if (file_) {
    file_->sync();
  }
}

void finish_model_files(FileSystem& files, const fs::path& temporary) {
  const fs::path folder = temporary.parent_path();
  rename_files(files, folder);
  files.sync_directory(folder);
}

void discard_model_files(FileSystem& files, const fs::path& folder) noexcept {
  for (const char* name : {kConfig, kWeights}) {
    remove_quietly(files, unfinished(folder, name));
  }
}

}  // namespace stagecraft

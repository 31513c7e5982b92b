// Writes RUN/model/; all actors write into the same file.
#include "models/checkpoint/model_file.h"

#include "models/checkpoint/hub_config.h"

#include <cstring>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/mapped_file.h"
#include "kernels/base/posix_file_system.h"
#include "kernels/ops/host_copy.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kConfig = "config.json";
constexpr const char* kUnfinished = ".unfinished";  // suffix of a file until it is complete

SafetensorsHeader header_of(const ModelSpec& model) {
  std::vector<NamedShape> tensors;
  for (const ParameterSpec& parameter : model.parameters()) {
    tensors.push_back({parameter.name, parameter.shape});
  }
  return make_safetensors_header(tensors);
}

void copy_part(Stream& stream, const Parameter& parameter, std::int64_t begin, int rank, int ranks,
               std::span<std::byte> file) {
  std::vector<float> weight(static_cast<std::size_t>(parameter.weight.elements()));
  copy_to_host(stream, parameter.weight, std::span<float>(weight));
  const ParameterSpec& spec = parameter.spec;
  for (const ShardRun& run : shard_runs(spec.shape, spec.shard, rank, ranks)) {
    const std::int64_t offset = begin + run.global_begin * size_of(DType::float32);
    std::memcpy(file.data() + offset, weight.data() + run.local_begin,
                static_cast<std::size_t>(run.count * size_of(DType::float32)));
  }
}

}  // namespace

fs::path begin_model_files(const ModelSpec& model, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  require(!error, folder.string(), "cannot create the directory: {}", error.message());
  write_file(folder / (std::string(kConfig) + kUnfinished), hub_config_json(model.config));
  fs::path temporary = folder / (std::string(kWeights) + kUnfinished);
  const SafetensorsHeader header = header_of(model);
  MappedFile file = MappedFile::create(temporary, header.layout.file_bytes);
  std::memcpy(file.bytes().data(), header.bytes.data(), header.bytes.size());
  return temporary;
}

void write_parameters(Stream& stream, const ModelSpec& model, const fs::path& temporary,
                      const std::vector<Parameter>& parameters, int rank, int ranks) {
  const SafetensorsLayout layout = header_of(model).layout;
  MappedFile file(temporary, MappedFile::Access::write);
  require(static_cast<std::int64_t>(file.bytes().size()) == layout.file_bytes, temporary.string(),
          "the file has {} bytes, but the model needs {}", file.bytes().size(), layout.file_bytes);
  for (const Parameter& parameter : parameters) {
    const auto entry = layout.entries.find(parameter.spec.name);
    require(entry != layout.entries.end(), temporary.string(), "{} is not a parameter of the model",
            parameter.spec.name);
    if (rank == 0 || !parameter.spec.shard.replicated()) {
      copy_part(stream, parameter, entry->second.begin, rank, ranks, file.bytes());
    }
  }
}

void discard_model_files(const fs::path& folder) noexcept {
  for (const char* name : {kConfig, kWeights}) {
    std::error_code ignored;
    fs::remove(folder / (std::string(name) + kUnfinished), ignored);
  }
}

void finish_model_files(const fs::path& temporary) {
  // The weights are renamed first: with them the folder holds a model. An older config.json is
  // beside newer weights only until the second rename.
  const fs::path folder = temporary.parent_path();
  PosixFileSystem files;
  files.open(temporary)->sync();
  publish_file(files, temporary, folder / kWeights);
  publish_file(files, folder / (std::string(kConfig) + kUnfinished), folder / kConfig);
}

}  // namespace stagecraft

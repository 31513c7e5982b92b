#include "models/checkpoint/weight_files.h"

#include <set>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "models/checkpoint/safetensors_index.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOneFile = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::uintmax_t kLongestIndex = 100'000'000;  // bytes, as of a header

/// Checks that the tensors are those that the index lists, each in its file.
void check_places(const std::string& index, const std::map<std::string, std::string>& listed,
                  const fs::path& folder, const std::map<std::string, StoredTensor>& found) {
  for (const auto& [name, file] : listed) {
    const auto tensor = found.find(name);
    const std::string path = (folder / file).string();
    require(tensor != found.end() && tensor->second.file == path, index,
            "tensor {} is said to lie in {}, but that file does not hold it; save the model again",
            name, path);
  }
  for (const auto& [name, tensor] : found) {
    require(listed.contains(name), tensor.file,
            "tensor {} is not listed in {}; save the model again", name, index);
  }
}

}  // namespace

WeightFiles::WeightFiles(const fs::path& folder, const std::function<void()>& on_progress) {
  const bool one_file = fs::exists(folder / kOneFile);
  require(one_file || fs::exists(folder / kIndex), folder.string(),
          "holds neither {} nor {}; a model is a folder with one of them and config.json", kOneFile,
          kIndex);
  const fs::path file = folder / (one_file ? kOneFile : kIndex);
  path_ = file.string();
  if (one_file) {
    on_progress();
    add_file(file);
  } else {
    add_shards(file, on_progress);
  }
}

void WeightFiles::add_file(const fs::path& file) {
  const std::string path = file.string();
  const MappedFile& mapped = files_.emplace_back(file, MappedFile::Access::read);
  const SafetensorsLayout layout = read_safetensors_layout(file, mapped.bytes());
  for (const auto& [name, entry] : layout.entries) {
    const auto data = mapped.bytes().subspan(static_cast<std::size_t>(entry.begin),
                                             static_cast<std::size_t>(entry.bytes));
    const auto [known, added] = tensors_.try_emplace(name, StoredTensor{path, entry, data});
    require(added, path, "tensor {} lies in {} too; save the model again", name,
            known->second.file);
  }
}

void WeightFiles::add_shards(const fs::path& index, const std::function<void()>& on_progress) {
  const std::uintmax_t bytes = fs::file_size(index);
  require(bytes <= kLongestIndex, path_, "{} bytes are too many for an index", bytes);
  const std::map<std::string, std::string> listed =
      parse_safetensors_index(path_, read_file(index));
  std::set<std::string> names;
  for (const auto& [tensor, name] : listed) {
    names.insert(name);
  }
  for (const std::string& name : names) {
    const fs::path file = index.parent_path() / name;
    require(fs::is_regular_file(file), path_,
            "{} is listed, but it is not there; copy all files of the model into the folder",
            file.string());
    on_progress();
    add_file(file);
  }
  check_places(path_, listed, index.parent_path(), tensors_);
}

}  // namespace stagecraft

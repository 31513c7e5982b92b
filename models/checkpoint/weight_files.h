// The tensors of a folder: of its model.safetensors, or else of the files that its
// model.safetensors.index.json lists.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/mapped_file.h"
#include "models/checkpoint/safetensors.h"

namespace stagecraft {

struct StoredTensor {
  std::string file;
  SafetensorsEntry entry;
  std::span<const std::byte> data;  // mapped
};

class WeightFiles {
 public:
  /// Maps the files and checks them: headers, and that each tensor lies where the index says, and
  /// no other one. `on_progress` is called before each file. Throws Error "[FILE] ...".
  WeightFiles(const std::filesystem::path& folder, const std::function<void()>& on_progress);
  /// The file that says which tensors there are.
  const std::string& path() const { return path_; }
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }

 private:
  void add_file(const std::filesystem::path& file);
  void add_shards(const std::filesystem::path& index, const std::function<void()>& on_progress);

  std::string path_;
  std::vector<MappedFile> files_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace stagecraft
